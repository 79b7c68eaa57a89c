"""Multilevel mixture models by maximum likelihood and by NUTS, from one log-likelihood graph."""

import sys
from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bayesmix' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return _load(name)
