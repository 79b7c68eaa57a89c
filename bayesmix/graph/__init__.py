"""The one graph: log-likelihood, posterior probabilities and derived quantities of a model with data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
