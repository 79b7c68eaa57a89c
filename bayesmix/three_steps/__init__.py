"""Three steps: classes related to covariates and outcomes that do not move them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
