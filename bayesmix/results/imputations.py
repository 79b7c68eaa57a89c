"""What fits of multiply imputed data say together: Rubin's rules, for one entry and for several hypotheses at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayesmix.typing import Array


def degrees_of_freedom(within: Array, total: Array, m: int, complete: float) -> tuple[Array, Array]:
    """Degrees of freedom of Barnard and Rubin (1999), and fractions of missing information.

    With lambda = 1 - within / total: nu_m = (m - 1) / lambda^2, nu_obs = (nu_c + 1) / (nu_c + 3) nu_c (1 - lambda), and
    1 / nu = 1 / nu_m + 1 / nu_obs; the fraction is (r + 2 / (nu + 3)) / (r + 1) with r = lambda / (1 - lambda).

    Parameters
    ----------
    within, total : array
        Variances.
    m : int
        Imputations.
    complete : float
        nu_c, the degrees of freedom that complete data would have; inf for those of Rubin (1987).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(1 - within / total, 0.0, 1.0)
        between = (m - 1) / share**2
        observed = np.inf if np.isinf(complete) else (complete + 1) / (complete + 3) * complete * (1 - share)
        df = 1 / (1 / between + 1 / observed)
        r = share / (1 - share)
        lost = (r + 2 / (df + 3)) / (r + 1)
    return df, np.where(share > 0, lost, 0.0)


def pooling_table(uncertainty: xr.Dataset, total: Array, pooled: Mapping[str, Any]) -> pd.DataFrame:
    """Variances within and between imputations of each free parameter, and what follows from them."""
    m, within = int(pooled["m"]), np.diagonal(uncertainty["within"].values)
    variance = np.diagonal(total)
    df, lost = degrees_of_freedom(within, variance, m, float(pooled["complete"] or np.inf))
    table = {
        "within": within,
        "between": (variance - within) / (1 + 1 / m),
        "total": variance,
        "df": df,
        "missing information": lost,
        "relative efficiency": 1 / (1 + lost / m),
    }
    return pd.DataFrame(table, index=pd.Index([str(k) for k in uncertainty["theta"].values], name="parameter"))


def of_several(difference: Array, within: Array, total: Array, m: int) -> tuple[float, float, float]:
    """D1 of Li, Raghunathan and Rubin (1991): F, its denominator degrees of freedom, p.

    Parameters
    ----------
    difference : array (hypothesis,)
    within, total : array (hypothesis, hypothesis)
        Covariance matrices.
    """
    k = len(difference)
    r = max(float(np.trace(np.linalg.solve(within, total - within))) / k, 0.0)
    f = float(difference @ np.linalg.solve(within, difference)) / (k * (1 + r))
    df = _denominator(k, m, r)
    p = stats.f.sf(f, k, df) if np.isfinite(df) else stats.chi2.sf(k * f, k)
    return f, df, float(p)


def of_ratios(ratios: Array, k: int) -> tuple[float, float, float]:
    """D2 of Li, Meng, Raghunathan and Rubin (1991) of chi-squares, one an imputation: F, its denominator, p."""
    m = len(ratios)
    r = (1 + 1 / m) * float(np.var(np.sqrt(ratios), ddof=1))
    f = max((float(np.mean(ratios)) / k - (m + 1) / (m - 1) * r) / (1 + r), 0.0)
    df = k ** (-3 / m) * (m - 1) * (1 + 1 / r) ** 2 if r > 0 else np.inf
    p = stats.f.sf(f, k, df) if np.isfinite(df) else stats.chi2.sf(k * f, k)
    return f, float(df), float(p)


def _denominator(k: int, m: int, r: float) -> float:
    if r <= 1e-12:
        return np.inf
    t = k * (m - 1)
    if t > 4:
        return 4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2
    return t * (1 + 1 / k) * (1 + 1 / r) ** 2 / 2
