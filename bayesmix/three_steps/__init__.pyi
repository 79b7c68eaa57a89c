from .listed import METHODS as METHODS
from .relating import three_step as three_step
from .result import ThreeStep as ThreeStep

__all__ = [
    "METHODS",
    "ThreeStep",
    "three_step",
]
