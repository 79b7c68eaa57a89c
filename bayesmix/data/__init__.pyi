from .centering import of_latent as of_latent
from .coding import Coding as Coding
from .coding import held as held
from .coding import unheld as unheld
from .columns import plain as plain
from .dataset import Dataset as Dataset
from .dataset import check_coords as check_coords
from .dataset import coding_of as coding_of
from .dataset import n_categories as n_categories
from .dataset import texts as texts
from .design import missing_column as missing_column
from .frames import as_frame as as_frame
from .identity import check_same as check_same
from .items import PAIRS as PAIRS
from .margins import of_sums as of_sums
from .margins import on_sums as on_sums
from .margins import units as units
from .margins import with_parts as with_parts
from .normal_columns import with_gaps_normal as with_gaps_normal
from .patterns import Patterns as Patterns
from .patterns import family_constants as family_constants
from .priors import AT_MEANS as AT_MEANS
from .priors import FREE as FREE
from .priors import Block as Block
from .priors import Priors as Priors
from .priors import Stated as Stated
from .priors import checked as checked
from .priors import chosen as chosen
from .priors import is_within as is_within
from .priors import log_density as log_density
from .priors import stated as stated
from .repeated import columns_of_response as columns_of_response
from .repeated import persons_of as persons_of
from .reshaping import wide as wide
from .row_ranks import equal_rows as equal_rows
from .sampling import Units as Units
from .sampling import frame_weights as frame_weights
from .sampling import weight_columns as weight_columns

__all__ = [
    "AT_MEANS",
    "FREE",
    "PAIRS",
    "Block",
    "Coding",
    "Dataset",
    "Patterns",
    "Priors",
    "Stated",
    "Units",
    "as_frame",
    "check_coords",
    "check_same",
    "checked",
    "chosen",
    "coding_of",
    "columns_of_response",
    "equal_rows",
    "family_constants",
    "frame_weights",
    "held",
    "is_within",
    "log_density",
    "missing_column",
    "n_categories",
    "of_latent",
    "of_sums",
    "on_sums",
    "persons_of",
    "plain",
    "stated",
    "texts",
    "unheld",
    "units",
    "weight_columns",
    "wide",
    "with_gaps_normal",
    "with_parts",
]
