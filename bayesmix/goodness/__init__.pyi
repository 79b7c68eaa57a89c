from .implied import Implied as Implied
from .judged import Judged as Judged

__all__ = [
    "Implied",
    "Judged",
]
