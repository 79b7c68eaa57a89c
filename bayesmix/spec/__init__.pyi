from .class_labels import groups as groups
from .class_labels import permute as permute
from .class_labels import sharing as sharing
from .constraints import Constraints as Constraints
from .constraints import Equal as Equal
from .constraints import Fix as Fix
from .constraints import read_constraints as read_constraints
from .effect_sums import Coefficients as Coefficients
from .effect_sums import add as add
from .effect_sums import by_effect as by_effect
from .effect_sums import on_residuals as on_residuals
from .effect_sums import parameter_of as parameter_of
from .effect_sums import plain as plain
from .effect_sums import square as square
from .effect_sums import walk as walk
from .equations import Equation as Equation
from .equations import Said as Said
from .equations import canonical as canonical
from .equations import read_equations as read_equations
from .factor_scales import fix_factor_signs as fix_factor_signs
from .formulas import parse_formula as parse_formula
from .formulas import parse_regressions as parse_regressions
from .formulas import parse_terms as parse_terms
from .formulas import roles as roles
from .kinds import ITEM_RESPONSE as ITEM_RESPONSE
from .kinds import Group as Group
from .kinds import Kind as Kind
from .kinds import Quantity as Quantity
from .kinds import class_size as class_size
from .kinds import item_probability as item_probability
from .kinds import parameter as parameter
from .kinds import probability_tables as probability_tables
from .kinds import same_items as same_items
from .kinds import shown as shown
from .kinds import size_by as size_by
from .kinds import transition as transition
from .model import GROUP as GROUP
from .model import RANDOM as RANDOM
from .model import Covariates as Covariates
from .model import Effect as Effect
from .model import LatentClass as LatentClass
from .model import Model as Model
from .model import Predictor as Predictor
from .model import Repeated as Repeated
from .model import Response as Response
from .model import Solution as Solution
from .model import Term as Term
from .model import check_model as check_model
from .model import constrain as constrain
from .model import model_and_params as model_and_params
from .model import structure as structure
from .model import survey as survey
from .model import terms as terms
from .names import in_common as in_common
from .normal_covariates import COMPLETE as COMPLETE
from .normal_covariates import with_covariates as with_covariates
from .parameters import POINT as POINT
from .parameters import Fixed as Fixed
from .parameters import Named as Named
from .parameters import Packing as Packing
from .parameters import Prior as Prior
from .parameters import lower as lower
from .parameters import natural as natural
from .quadrature import MAX_ENTRIES as MAX_ENTRIES
from .quadrature import MAX_PRODUCT as MAX_PRODUCT
from .quadrature import Adaptive as Adaptive
from .quadrature import Exact as Exact
from .quadrature import GaussHermite as GaussHermite
from .quadrature import MonteCarlo as MonteCarlo
from .quadrature import Nodes as Nodes
from .quadrature import PartlyExact as PartlyExact
from .quadrature import Trapezoid as Trapezoid
from .quadrature import count_nodes as count_nodes
from .quadrature import from_text as from_text
from .quadrature import gauss_hermite as gauss_hermite
from .quadrature import root as root
from .sampling_design import NO_POSTERIOR as NO_POSTERIOR
from .sampling_design import Survey as Survey
from .sampling_design import refuse_survey as refuse_survey
from .scales import FISHER_Z as FISHER_Z
from .scales import IDENTITY as IDENTITY
from .scales import LOG as LOG
from .scales import LOGIT as LOGIT
from .scales import SCALES as SCALES
from .scales import SQRT as SQRT
from .scales import TINY as TINY
from .scales import Z95 as Z95
from .scales import Scale as Scale
from .scales import at_level as at_level
from .scales import interval_level as interval_level
from .scales import level_words as level_words
from .scales import normal_quantile as normal_quantile
from .scales import t_quantile as t_quantile
from .scales import tails as tails
from .scales import takes_level as takes_level
from .scales import two_sided as two_sided
from .serialize import decode as decode
from .serialize import dumps as dumps
from .serialize import encode as encode
from .serialize import loads as loads
from .supports import MODERATE_SD as MODERATE_SD
from .supports import SUPPORTS as SUPPORTS
from .supports import Positive as Positive
from .supports import Real as Real
from .supports import Support as Support

__all__ = [
    "COMPLETE",
    "FISHER_Z",
    "GROUP",
    "IDENTITY",
    "ITEM_RESPONSE",
    "LOG",
    "LOGIT",
    "MAX_ENTRIES",
    "MAX_PRODUCT",
    "MODERATE_SD",
    "NO_POSTERIOR",
    "POINT",
    "RANDOM",
    "SCALES",
    "SQRT",
    "SUPPORTS",
    "TINY",
    "Z95",
    "Adaptive",
    "Coefficients",
    "Constraints",
    "Covariates",
    "Effect",
    "Equal",
    "Equation",
    "Exact",
    "Fix",
    "Fixed",
    "GaussHermite",
    "Group",
    "Kind",
    "LatentClass",
    "Model",
    "MonteCarlo",
    "Named",
    "Nodes",
    "Packing",
    "PartlyExact",
    "Positive",
    "Predictor",
    "Prior",
    "Quantity",
    "Real",
    "Repeated",
    "Response",
    "Said",
    "Scale",
    "Solution",
    "Support",
    "Survey",
    "Term",
    "Trapezoid",
    "add",
    "at_level",
    "by_effect",
    "canonical",
    "check_model",
    "class_size",
    "constrain",
    "count_nodes",
    "decode",
    "dumps",
    "encode",
    "fix_factor_signs",
    "from_text",
    "gauss_hermite",
    "groups",
    "in_common",
    "interval_level",
    "item_probability",
    "level_words",
    "loads",
    "lower",
    "model_and_params",
    "natural",
    "normal_quantile",
    "on_residuals",
    "parameter",
    "parameter_of",
    "parse_formula",
    "parse_regressions",
    "parse_terms",
    "permute",
    "plain",
    "probability_tables",
    "read_constraints",
    "read_equations",
    "refuse_survey",
    "roles",
    "root",
    "same_items",
    "sharing",
    "shown",
    "size_by",
    "square",
    "structure",
    "survey",
    "t_quantile",
    "tails",
    "takes_level",
    "terms",
    "transition",
    "two_sided",
    "walk",
    "with_covariates",
]
