from .result import ThreeStep as ThreeStep
from .relating import three_step as three_step

__all__ = [
    "ThreeStep",
    "three_step",
]
