from .brief import brief_comparison as brief_comparison
from .overview import classification_rates as classification_rates
from .overview import report as report
from .overview import show as show

__all__ = [
    "brief_comparison",
    "classification_rates",
    "report",
    "show",
]
