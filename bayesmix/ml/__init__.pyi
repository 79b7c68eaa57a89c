from .assemble import doubts as doubts
from .estimation import estimate as estimate
from .estimation import maximum as maximum
from .neighbours import Split as Split
from .neighbours import detours as detours
from .neighbours import simpler_starts as simpler_starts
from .newton import covariances as covariances
from .newton import curvature as curvature
from .objective import Objective as Objective
from .objective import Target as Target
from .partition import partitioned as partitioned
from .search import Search as Search
from .search import Start as Start
from .search import ends as ends
from .search import ranked as ranked
from .search import similar as similar
from .search import times_reached as times_reached
from .search import unseen_share as unseen_share
from .settings import Settings as Settings
from .starts import ranges as ranges
from .starts import split_class as split_class

__all__ = [
    "Objective",
    "Search",
    "Settings",
    "Split",
    "Start",
    "Target",
    "covariances",
    "curvature",
    "detours",
    "doubts",
    "ends",
    "estimate",
    "maximum",
    "partitioned",
    "ranges",
    "ranked",
    "similar",
    "simpler_starts",
    "split_class",
    "times_reached",
    "unseen_share",
]
