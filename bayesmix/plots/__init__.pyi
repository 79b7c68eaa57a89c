from .agreement import against as against
from .curves import class_curves as class_curves
from .ellipses import profile_pairs as profile_pairs
from .factor_scores import scores as scores
from .flows import transitions as transitions
from .forest import comparison as comparison
from .growth import trajectories as trajectories
from .heat_map import residuals as residuals
from .item_functions import item_curves as item_curves
from .item_information import information as information
from .path_diagram import Diagram as Diagram
from .path_diagram import diagram as diagram
from .profiles import classes as classes
from .profiles import enumeration as enumeration
from .profiles import memberships as memberships
from .profiles import profile as profile
from .recovery import study as study
from .regression import outcome as outcome
from .regression import random_effects as random_effects
from .sizes_at import class_sizes as class_sizes

__all__ = [
    "Diagram",
    "against",
    "class_curves",
    "class_sizes",
    "classes",
    "comparison",
    "diagram",
    "enumeration",
    "information",
    "item_curves",
    "memberships",
    "outcome",
    "profile",
    "profile_pairs",
    "random_effects",
    "residuals",
    "scores",
    "study",
    "trajectories",
    "transitions",
]
