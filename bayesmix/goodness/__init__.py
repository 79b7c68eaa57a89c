"""Is the model enough: tables of responses, residuals, missing data, beside what the graph expects."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
