"""Mplus files: an output as tables beside a fit, a model and its data as an input file.

Written against what Mplus's user's guide says and its outputs show; neither file is run here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
