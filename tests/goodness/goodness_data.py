"""What tests of this folder share."""

import warnings

import bayesmix as bm

QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}


def posterior(fit, df, draws=300, **more):
    """A short run, which says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bm.sample(fit, df, draws=draws, tune=300, chains=2, seed=3, progress=False, **more)
