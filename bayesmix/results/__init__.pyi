from .class_odds import odds_ratios as odds_ratios
from .class_odds import ratio_of as ratio_of
from .class_tables import ClassTables as ClassTables
from .class_tables import memberships_of as memberships_of
from .class_tables import plain_coords as plain_coords
from .class_tables import row_coords as row_coords
from .class_tables import row_index as row_index
from .classified import Classified as Classified
from .classified import tables_of as tables_of
from .comparison import Comparison as Comparison
from .comparison import compare as compare
from .diagnostics import KHAT as KHAT
from .diagnostics import RESPONSES as RESPONSES
from .diagnostics import diagnosed as diagnosed
from .diagnostics import rows as rows
from .diagnostics import sampler as sampler
from .diagnostics import words as words
from .estimates import Estimate as Estimate
from .estimates import Estimates as Estimates
from .estimates import check_result as check_result
from .factor_scores import reliability as reliability
from .factor_scores import score_weights as score_weights
from .fit import ALONE as ALONE
from .fit import FORMAT as FORMAT
from .fit import TABLES as TABLES
from .fit import Fit as Fit
from .fit import SampleSize as SampleSize
from .fit import check_sample_size as check_sample_size
from .fit import model_and_fit as model_and_fit
from .fit import read_tree as read_tree
from .fit import refuse_fit_beside as refuse_fit_beside
from .fit import same_maximum as same_maximum
from .fit import settings_of as settings_of
from .fit import stored_model as stored_model
from .growth_curves import trajectories as trajectories
from .imputations import degrees_of_freedom as degrees_of_freedom
from .imputations import of_ratios as of_ratios
from .imputations import of_several as of_several
from .labels import entries as entries
from .labels import entry as entry
from .marginal_likelihood import MarginalLikelihood as MarginalLikelihood
from .marginal_likelihood import log_marginal_likelihood as log_marginal_likelihood
from .marginal_likelihood import model_probabilities as model_probabilities
from .occasions import decomposition as decomposition
from .occasions import entered as entered
from .occasions import transitions as transitions
from .on_demand import Pending as Pending
from .regression import check_two_level_regression as check_two_level_regression
from .regression import coefficients as coefficients
from .responses import category_labels as category_labels
from .responses import item_probabilities as item_probabilities
from .responses import stacked as stacked
from .uncertainty import Errors as Errors
from .uncertainty import Uncertainty as Uncertainty
from .uncertainty import uncertainty_table as uncertainty_table
from .unit_tables import class_table as class_table
from .unit_tables import effect_table as effect_table
from .unit_tables import unmerged as unmerged

__all__ = [
    "ALONE",
    "FORMAT",
    "KHAT",
    "RESPONSES",
    "TABLES",
    "ClassTables",
    "Classified",
    "Comparison",
    "Errors",
    "Estimate",
    "Estimates",
    "Fit",
    "MarginalLikelihood",
    "Pending",
    "SampleSize",
    "Uncertainty",
    "category_labels",
    "check_result",
    "check_sample_size",
    "check_two_level_regression",
    "class_table",
    "coefficients",
    "compare",
    "decomposition",
    "degrees_of_freedom",
    "diagnosed",
    "effect_table",
    "entered",
    "entries",
    "entry",
    "item_probabilities",
    "log_marginal_likelihood",
    "memberships_of",
    "model_and_fit",
    "model_probabilities",
    "odds_ratios",
    "of_ratios",
    "of_several",
    "plain_coords",
    "ratio_of",
    "read_tree",
    "refuse_fit_beside",
    "reliability",
    "row_coords",
    "row_index",
    "rows",
    "same_maximum",
    "sampler",
    "score_weights",
    "settings_of",
    "stacked",
    "stored_model",
    "tables_of",
    "trajectories",
    "transitions",
    "uncertainty_table",
    "unmerged",
    "words",
]
