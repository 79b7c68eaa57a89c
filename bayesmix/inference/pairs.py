"""What two fits must be for a test that compares their likelihoods."""

from __future__ import annotations

from typing import Any

from bayesmix.results import Fit

BELOW = 1e-3
"""How far the larger model's log-likelihood may lie below the smaller one's: by nodes or an early end of a search."""


def check_fits(smaller: Any, larger: Any, name: str) -> None:
    """Refuse what is no fit.

    Raises
    ------
    TypeError
        One of them is something else.
    """
    for what, fit in ((name, smaller), ("larger", larger)):
        if not isinstance(fit, Fit):
            raise TypeError(f"The {what} fit came as {type(fit).__name__}, expected what bm.fit returns.")


def check_maxima(smaller: Fit, larger: Fit, name: str) -> None:
    """Refuse what is no pair of maxima of the likelihood, the first of the model with fewer parameters.

    Parameters
    ----------
    smaller, larger : Fit
    name : str
        What the caller names the first of them; the second is the larger one.

    Raises
    ------
    ValueError
        Priors; a collapsed fit; no parameter more; a larger model that fits worse.
    """
    for what, fit in ((name, smaller), ("larger", larger)):
        if fit.info.get("priors"):
            raise ValueError(f"The {what} fit is penalised by priors: its log-likelihood is no maximum; fit without.")
        if fit.collapsed:
            raise ValueError(
                f"Every start of the {what} fit collapsed: its log-likelihood means nothing. Take variance='equal'."
            )
    if smaller.n_parameters >= larger.n_parameters:
        raise ValueError(
            f"The {name} model has {smaller.n_parameters} free parameters and the larger one {larger.n_parameters}: "
            "give the one with fewer parameters first; with as many, neither is a special case of the other."
        )
    if larger.loglik < smaller.loglik - BELOW:
        raise ValueError(
            f"The larger model has the log-likelihood {larger.loglik:.3f}, below {smaller.loglik:.3f} of the {name} "
            "one: its search ended at a local maximum, or it is not the more general one. Fit it with more starts "
            "(starts=, rounds=)."
        )
