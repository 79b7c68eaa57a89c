from .sampler_checks import check_sampler as check_sampler

__all__ = [
    "check_sampler",
]
