"""From a DataFrame to arrays: coded items, designs of covariates, clusters, centring."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
