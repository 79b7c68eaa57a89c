from .brief import brief_comparison as brief_comparison
from .classes import classification_rates as classification_rates
from .overview import report as report
from .overview import sections as sections
from .overview import show as show
from .parameters import Rows as Rows
from .parameters import entry_words as entry_words
from .parameters import slope_odds as slope_odds

__all__ = [
    "Rows",
    "brief_comparison",
    "classification_rates",
    "entry_words",
    "report",
    "sections",
    "show",
    "slope_odds",
]
