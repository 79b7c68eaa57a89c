"""What a model is: its declaration, parameters, families, quadrature and formulas, and what is symmetric in it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
