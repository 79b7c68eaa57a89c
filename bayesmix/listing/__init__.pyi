from .classes import classification_rates as classification_rates
from .overview import report as report
from .overview import show as show

__all__ = [
    "classification_rates",
    "report",
    "show",
]
