from .contrasts import Contrast as Contrast
from .contrasts import contrast as contrast
from .nested import LikelihoodRatio as LikelihoodRatio
from .nested import likelihood_ratio as likelihood_ratio
from .pooling import pool as pool
from .sizes_at import ClassSizes as ClassSizes
from .sizes_at import class_sizes as class_sizes
from .wald import WaldTest as WaldTest
from .wald import holm as holm
from .wald import test as test
from .wald import wald_chi_square as wald_chi_square

__all__ = [
    "ClassSizes",
    "Contrast",
    "LikelihoodRatio",
    "WaldTest",
    "class_sizes",
    "contrast",
    "holm",
    "likelihood_ratio",
    "pool",
    "test",
    "wald_chi_square",
]
