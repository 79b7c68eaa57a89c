from .batches import entries as entries
from .class_draws import draw_classes as draw_classes
from .compile import LogLikelihood as LogLikelihood
from .compile import placeholder as placeholder
from .engines import BY_SOURCE as BY_SOURCE
from .engines import COMPILEDIR as COMPILEDIR
from .engines import numpy_mode as numpy_mode
from .engines import pytensor_mode as pytensor_mode
from .integration import check_gradient as check_gradient
from .integration import effect_order as effect_order
from .integration import is_node as is_node
from .integration import is_of_nodes as is_of_nodes
from .integration import node_dims as node_dims
from .integration import placed as placed
from .likelihood import gaussian_integral as gaussian_integral
from .likelihood import response_table as response_table
from .nodes import FINE as FINE
from .nodes import ROUGH as ROUGH
from .nodes import adapt_nodes as adapt_nodes
from .nodes import at_rest as at_rest
from .nodes import audit_error as audit_error
from .nodes import audit_nodes as audit_nodes
from .nodes import audit_words as audit_words
from .nodes import finer as finer
from .nodes import is_adaptive as is_adaptive
from .nodes import refine_nodes as refine_nodes
from .nodes import with_adaptive_nodes as with_adaptive_nodes
from .nodes import with_fixed_nodes as with_fixed_nodes
from .nodes import with_methods as with_methods
from .nodes import with_population_nodes as with_population_nodes
from .outcomes import expected_answers as expected_answers
from .outcomes import for_individuals as for_individuals
from .outcomes import given_states as given_states
from .posterior import Derived as Derived
from .posterior import derive as derive
from .posterior import effect_posteriors as effect_posteriors
from .posterior import effects_at_nodes as effects_at_nodes
from .posterior import label as label
from .posterior import tables as tables
from .problem import Problem as Problem
from .problem import prepare as prepare
from .simulation import categories_of as categories_of
from .simulation import draw as draw
from .simulation import simulate as simulate
from .unit_classes import ClassPosteriors as ClassPosteriors
from .unit_classes import class_posteriors as class_posteriors
from .unit_classes import distinct as distinct
from .unit_classes import joint_entropy as joint_entropy
from .unit_classes import paths as paths
from .variance_components import of_effects as of_effects
from .variance_components import simple as simple

__all__ = [
    "BY_SOURCE",
    "COMPILEDIR",
    "FINE",
    "ROUGH",
    "ClassPosteriors",
    "Derived",
    "LogLikelihood",
    "Problem",
    "adapt_nodes",
    "at_rest",
    "audit_error",
    "audit_nodes",
    "audit_words",
    "categories_of",
    "check_gradient",
    "class_posteriors",
    "derive",
    "distinct",
    "draw",
    "draw_classes",
    "effect_order",
    "effect_posteriors",
    "effects_at_nodes",
    "entries",
    "expected_answers",
    "finer",
    "for_individuals",
    "gaussian_integral",
    "given_states",
    "is_adaptive",
    "is_node",
    "is_of_nodes",
    "joint_entropy",
    "label",
    "node_dims",
    "numpy_mode",
    "of_effects",
    "paths",
    "placed",
    "placeholder",
    "prepare",
    "pytensor_mode",
    "refine_nodes",
    "response_table",
    "simple",
    "simulate",
    "tables",
    "with_adaptive_nodes",
    "with_fixed_nodes",
    "with_methods",
    "with_population_nodes",
]
