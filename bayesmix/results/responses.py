"""Tables of a solution as pictures want them: item probabilities with the classes in one dim; means of covariates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.data import as_frame, coding_of
from bayesmix.graph import prepare
from bayesmix.results.estimates import Estimate, Estimates
from bayesmix.results.fit import Fit
from bayesmix.spec import Response


def stacked(x: xr.DataArray, classes: Sequence[str], *first: str) -> xr.DataArray:
    """Dims (*first, class): several class dims become one, labelled ``C1=1, C2=2``."""
    if not classes:
        return x.expand_dims("all", -1).transpose(*first, "all").assign_coords(all=["all classes"])
    labels = [
        ", ".join(f"{d}={x[d].values[i]}" for d, i in zip(classes, at, strict=True))
        if len(classes) > 1
        else str(x[classes[0]].values[at[0]])
        for at in np.ndindex(*(x.sizes[d] for d in classes))
    ]
    wide = x.transpose(*first, *classes)
    values = wide.values.reshape(*(x.sizes[d] for d in first), -1)
    return xr.DataArray(values, dims=(*first, "class"), coords={d: x[d].values for d in first} | {"class": labels})


def item_probabilities(estimates: Estimates, r: Response) -> Estimate | None:
    """Find the table of the response `r` among `estimates`: its own, or that of all; None where there is none."""
    own = f"item_probability_{r.name}"
    return estimates.get(own if own in estimates else "item_probability")


def category_labels(estimates: Estimates, x: xr.DataArray, r: Response) -> list[str]:
    """Name the categories of `x`, a table of `r`.

    ``P(answer = yes)`` where all items have the same categories, else ``P(category 2)``.
    """
    numbers = range(1, x.sizes[r.category_dim] + 1)
    categories, items = estimates.categories, list(map(str, x[r.item_dim].values))
    same = all(categories.get(i) == categories.get(items[0]) for i in items)
    if same and (categories or list(x[r.category_dim].values) != list(numbers)):
        return [f"P(answer = {k})" for k in x[r.category_dim].values]
    return [f"P(category {k})" for k in numbers]


def covariate_means(result: Fit | xr.DataTree, df: pd.DataFrame) -> dict[str, xr.DataArray]:
    """Average the columns of each design matrix of `result` over the individuals, or the clusters, of `df`."""
    model, df = Estimates.of(result).model, as_frame(df)
    coding = coding_of(model, cast(Any, result.params), df) if isinstance(result, Fit) else None
    sampled = tuple({e.level for e in model.effects})  # no nodes are made that nobody looks at
    data, out = prepare(model, df, sampled=sampled, collapse=False, coding=coding), {}
    for c in model.covariates:
        x = data.user_columns[c.key].values
        rows = data.rows
        weight = rows.shares[rows.seen] if c.level == "individual" else rows.cluster_weights
        dims = (*([model.responses[0].item_dim] if c.rows else []), c.name)
        out[c.key] = xr.DataArray(np.average(x, axis=0, weights=weight), dims=dims)
    return out
