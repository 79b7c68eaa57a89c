from .declare import data as data
from .declare import model as model
from .language import Input as Input
from .output import Output as Output
from .output import read as read

__all__ = [
    "Input",
    "Output",
    "data",
    "model",
    "read",
]
