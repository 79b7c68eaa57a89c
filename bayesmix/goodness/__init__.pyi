from .chi_squares import GoodnessOfFit as GoodnessOfFit
from .chi_squares import goodness_of_fit as goodness_of_fit
from .missing_answers import LittleTest as LittleTest
from .missing_answers import MissingData as MissingData
from .missing_answers import little_test as little_test
from .missing_answers import missing_data as missing_data
from .pattern_tables import response_patterns as response_patterns
from .residual_tables import Residuals as Residuals
from .residual_tables import residuals as residuals

__all__ = [
    "GoodnessOfFit",
    "LittleTest",
    "MissingData",
    "Residuals",
    "goodness_of_fit",
    "little_test",
    "missing_data",
    "residuals",
    "response_patterns",
]
