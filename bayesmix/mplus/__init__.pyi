from .beside import published as published
from .compose import write as write
from .declare import data as data
from .declare import model as model
from .language import Input as Input
from .output import Output as Output
from .output import read as read
from .output import read_input as read_input

__all__ = [
    "Input",
    "Output",
    "data",
    "model",
    "published",
    "read",
    "read_input",
    "write",
]
