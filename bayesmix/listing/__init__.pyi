from .brief import brief_comparison as brief_comparison
from .classes import classification_rates as classification_rates
from .overview import report as report
from .overview import sections as sections
from .overview import show as show
from .parameters import Rows as Rows
from .parameters import entry_words as entry_words
from .parameters import odds_ratios as odds_ratios

__all__ = [
    "Rows",
    "brief_comparison",
    "classification_rates",
    "entry_words",
    "odds_ratios",
    "report",
    "sections",
    "show",
]
