"""Latent transitions in three steps: step one an occasion at a time, the last step a chain of the assigned classes.

With the classes X_1, ..., X_T of a unit and the assigned ones W_1, ..., W_T, Nylund-Gibson, Grimm, Quirk and Furlong
(2014), Asparouhov and Muthen (2014), Di Mari, Oberski and Vermunt (2016),

    P(W_1, ..., W_T | Z) = sum_{t_1, ..., t_T} P(X_1 = t_1 | Z) prod_k P(X_k = t_k | X_k-1 = t_k-1, Z)
                                               prod_k P(W_k = w_k | X_k = t_k),

the errors P(W_k | X_k) of each occasion known from its own step two. Proportional assignment and BCH weights of a
unit are products over occasions: given their classes, the assignments of two occasions are independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.checks import whole
from bayesmix.graph import derive
from bayesmix.results import Fit
from bayesmix.typing import Array

if TYPE_CHECKING:
    from bayesmix.three_steps.third import Maximum


def check(results: Sequence[Any], method: str, sizes: str) -> None:
    """Refuse what transitions cannot be made of.

    Raises
    ------
    TypeError, ValueError
        Something that is no fit, one occasion, the method "two-step", class sizes that are held.
    """
    if odd := [r for r in results if not isinstance(r, Fit)]:
        raise TypeError(
            f"The list of step one came with {type(odd[0]).__name__}, expected fits, one for each occasion."
        )
    if len(results) < 2:
        raise ValueError(
            f"{len(results)} fit{'s' * (len(results) != 1)} came in a list, expected two or more occasions: give a "
            "single fit alone."
        )
    if method == "two-step":
        raise ValueError(
            "method='two-step' came with several occasions: their measurement is that of several models, which are not "
            "put together into one; take 'ml' or 'bch', or fit bm.models.lta to all occasions."
        )
    if sizes == "held":
        raise ValueError(
            "sizes='held' came with several occasions, whose moves would be estimated beside sizes that do not follow "
            "from them: take sizes='free'."
        )


def owner_of(occasion: int | None, several: bool, n: int) -> int:
    """The place of the occasion whose classes outcomes follow from, the last one if nothing is said.

    Raises
    ------
    ValueError
        No such occasion, or a single fit.
    """
    if not several:
        if occasion is not None:
            raise ValueError(f"occasion came as {occasion!r} with a single fit: leave it out, or give a list of fits.")
        return 0
    if occasion is None:
        return n - 1
    if whole("occasion", occasion) > n:
        raise ValueError(f"occasion came as {occasion}, but {n} fits came: give a number from 1 to {n}.")
    return occasion - 1


def moves(top: Maximum, covariance: Array, names: Sequence[str]) -> pd.DataFrame:
    """Class probabilities at the first occasion and given the class before, averaged over covariates."""
    _, derived, _ = derive(top.data, top.theta)
    values, spread, rows = derived.dataset(), derived.standard_errors(covariance), []
    for k, name in enumerate(names):
        key = f"{name}_transition" if k else f"{name}_probability"
        x, se = values[key], spread[key].transpose(*values[key].dims)
        for at in np.ndindex(x.shape):
            labels = {str(d): x[d].values[i] for d, i in zip(x.dims, at, strict=True)}
            given = labels.get(names[k - 1], "") if k else ""
            rows.append((name, given, labels[name], float(x.values[at]), float(se.values[at])))
    return pd.DataFrame(rows, columns=["variable", "given", "class", "probability", "se"])
