"""New rows under a result: what a fit or a posterior says of their classes, effects and outcomes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
