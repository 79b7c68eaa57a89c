"""Marginal likelihoods of posteriors by importance sampling, and probabilities of models by them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from bayesmix.results.diagnostics import RESPONSES
from bayesmix.results.estimates import check_result
from bayesmix.results.fit import Fit, settings_of


@dataclass(frozen=True)
class MarginalLikelihood:
    """The marginal likelihood p(y) = integral of p(y | parameters) p(parameters), by importance sampling.

    Attributes
    ----------
    value : float
        Its logarithm, with all constants.
    error : float
        The Monte Carlo standard error of that.
    pareto_k : float
        Of the importance weights. Above 0.5 the error is larger than it says.
    labellings : int
        How many orders of the classes and directions of factors say the same; their modes are counted in.

    Examples
    --------
    >>> one, two = bm.MarginalLikelihood(-2115.4, 0.01, 0.1, 1), bm.MarginalLikelihood(-2113.4, 0.01, 0.2, 2)
    >>> round(two.bayes_factor(one), 2)
    7.39
    """

    value: float
    error: float
    pareto_k: float
    labellings: int

    def bayes_factor(self, other: MarginalLikelihood) -> float:
        """How many times the data are more probable under this model than under the `other`."""
        return math.exp(self.value - other.value)


def log_marginal_likelihood(post: xr.DataTree) -> MarginalLikelihood:
    """The log marginal likelihood of a posterior that ``bm.sample(..., method="importance")`` made.

    It is the average of the weights of the proposal's points. The priors are part of the model: another prior has
    another marginal likelihood. All K! orders of the classes are counted in where the priors make no difference
    between them, so that models with other numbers of classes can be compared.

    Parameters
    ----------
    post : xarray.DataTree

    Returns
    -------
    MarginalLikelihood
        With its Monte Carlo error.

    Raises
    ------
    TypeError
        No posterior came.
    ValueError
        A posterior by NUTS, which does not know it.

    Examples
    --------
    >>> weighed = bm.sample(fit, df, method="importance", progress=False)
    >>> found = bm.log_marginal_likelihood(weighed)
    >>> found.error < 0.1
    True
    """
    check_result(post)
    if isinstance(post, Fit):
        raise TypeError("A fit came, which has no marginal likelihood: give bm.sample(fit, df, method='importance').")
    d = settings_of(post)
    if "log_marginal_likelihood" not in d:
        raise ValueError(
            "The posterior is one by NUTS, which does not give the marginal likelihood: make it by "
            "bm.sample(..., method='importance')."
        )
    return MarginalLikelihood(
        d["log_marginal_likelihood"], d["log_marginal_likelihood_error"], d["pareto_k"], d["labellings"]
    )


def model_probabilities(
    posteriors: Mapping[str, xr.DataTree], prior: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Probabilities of models, given the data, by their marginal likelihoods.

    Parameters
    ----------
    posteriors : mapping of str to xarray.DataTree
        By the names of the models, made by ``bm.sample(..., method="importance")`` of the same responses.
    prior : mapping of str to float, optional
        The models' probabilities before the data, or numbers in proportion to them; left out, all are the same.

    Returns
    -------
    pandas.DataFrame
        A row a model: `log_marginal_likelihood`, its Monte Carlo `error`, `pareto_k`, `log_bayes_factor` against the
        best model and the `probability`.

    Raises
    ------
    ValueError, TypeError
        Posteriors of other responses, or by NUTS; a prior that is none.

    Examples
    --------
    >>> weighed = bm.sample(fit, df, method="importance", progress=False)
    >>> bm.model_probabilities({"two classes": weighed}).loc["two classes", "probability"]
    np.float64(1.0)
    """
    if not isinstance(posteriors, Mapping) or not posteriors:
        raise TypeError("Give the posteriors by the names of their models: {'2 classes': post2, '3 classes': post3}.")
    found = {k: log_marginal_likelihood(x) for k, x in posteriors.items()}
    _check_responses(posteriors)
    level = np.array([m.value for m in found.values()])
    height = level + np.log(_prior(list(found), prior))
    table = {
        "log_marginal_likelihood": level,
        "error": [m.error for m in found.values()],
        "pareto_k": [m.pareto_k for m in found.values()],
        "log_bayes_factor": level - level.max(),
        "probability": np.exp(height - special.logsumexp(height)),
    }
    return pd.DataFrame(table, index=pd.Index(list(found), name="model"))


def _prior(names: list[str], prior: Mapping[str, float] | None) -> np.ndarray:
    if prior is None:
        return np.full(len(names), 1.0 / len(names))
    if not isinstance(prior, Mapping) or {*prior} != {*names}:
        raise ValueError(f"The prior came as {prior!r}: give a positive number for each of {', '.join(names)}.")
    values = np.array([prior[k] for k in names], dtype=float)
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"The prior came as {dict(prior)}: give positive numbers.")
    return values / values.sum()


def _check_responses(posteriors: Mapping[str, Any]) -> None:
    """Refuse posteriors of other responses: their marginal likelihoods are of different things."""
    each = {k: x["observed_data"][RESPONSES].values.astype(float) for k, x in posteriors.items()}
    (first, y), *others = each.items()
    for name, other in others:
        if other.shape != y.shape or not np.array_equal(other, y, equal_nan=True):
            raise ValueError(
                f"'{first}' and '{name}' are not of the same responses ({' x '.join(map(str, y.shape))} and "
                f"{' x '.join(map(str, other.shape))} or other values): marginal likelihoods compare models of the "
                "same rows and items."
            )
