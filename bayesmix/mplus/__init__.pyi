from .output import Output as Output
from .output import read as read

__all__ = [
    "Output",
    "read",
]
