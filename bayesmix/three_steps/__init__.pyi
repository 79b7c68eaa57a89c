from .relating import three_step as three_step
from .result import ThreeStep as ThreeStep

__all__ = [
    "ThreeStep",
    "three_step",
]
