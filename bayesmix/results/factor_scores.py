"""How well the items tell the factor scores of persons apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmix.data import as_frame, frame_weights, weight_columns
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.typing import Array


def reliability(fit: Fit, df: pd.DataFrame | None = None) -> pd.DataFrame:
    """Empirical reliability of the factor scores, Var(EAP) / (Var(EAP) + mean of SD^2).

    The share of the variance of a factor that its expected a posteriori scores have, over the persons of the data:
    their posterior SDs are the rest of it.

    Parameters
    ----------
    fit : Fit
        Of a model with factors of individuals, such as `bm.models.irt_3pl`, `fma` and `fma_gom`.
    df : pandas.DataFrame, optional
        The data: needed if the model has a frequency column.

    Returns
    -------
    pandas.DataFrame
        A row a factor: `reliability`, between 0 and 1; `mean` and `sd` of the EAP scores, in the factor's units;
        `error`, the root mean square of the posterior SDs. Without the rows that have no answers.

    Raises
    ------
    ValueError
        The model has no factors of individuals, or the data are not those of the fit.

    Examples
    --------
    >>> bm.reliability(item_response).columns.tolist()
    ['reliability', 'mean', 'sd', 'error']
    """
    weight = score_weights(fit, df)
    rows = {name: _moments(fit, name, weight) for name in factor_names(fit)}
    return pd.DataFrame(rows, index=["reliability", "mean", "sd", "error"]).T.rename_axis("factor")


def factor_names(fit: Fit) -> list[str]:
    """List the factors of individuals of which `fit` has scores.

    Raises
    ------
    ValueError
        There are none.
    """
    names = [e.name for e in Estimates.of(fit).model.factors]
    if not names or not isinstance(fit, Fit) or any(n not in fit.effect_scores for n in names):
        raise ValueError(
            "There are no scores: scores take a model with factors of individuals and its maximum-likelihood fit."
        )
    return names


def score_weights(fit: Fit, df: pd.DataFrame | None) -> Array:
    """Count the persons that each row of `df`, the data of `fit`, stands for; by the weights of a survey.

    Raises
    ------
    ValueError
        There are no scores; the model has a frequency column, and `df` is missing or not the data of the fit.
    """
    names = factor_names(fit)
    n = fit.effect_scores[names[0]].sizes["row"]
    columns = weight_columns(fit.model)
    if not columns:
        return np.ones(n)
    df = None if df is None else as_frame(df)
    if df is None or any(c not in df for c in columns) or len(df) != n:
        raise ValueError(f"The rows stand for several persons each: give the data of the fit, {n} rows, df=.")
    return frame_weights(fit.model, df)


def _moments(fit: Fit, name: str, weight: Array) -> list[float]:
    """Reliability of the scores `name`, their mean and SD, and the root mean square of their posterior SDs."""
    x, sd = (fit.effect_scores[k].values for k in (name, f"{name}_sd"))
    used = ~np.isnan(x) & ~np.isnan(sd) & (weight > 0)
    mean = np.average(x[used], weights=weight[used])
    variance = np.average((x[used] - mean) ** 2, weights=weight[used])
    error = np.average(sd[used] ** 2, weights=weight[used])
    return [variance / (variance + error), mean, np.sqrt(variance), np.sqrt(error)]
