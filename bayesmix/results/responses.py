"""Tables of a solution as pictures want them: item probabilities with the classes in one dim; means of covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.graph.problem import prepare
from bayesmix.results.estimates import Values, kept, names_of, parts_of, values_of
from bayesmix.results.fit import Fit
from bayesmix.spec.model import Model


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


def responses(result: Fit | xr.DataTree) -> list[Mapping[str, Any]]:
    """The parts of a solution that are responses; of occasions that share their parameters the first."""
    found: dict[tuple, Mapping[str, Any]] = {}
    for p in (p for p in parts_of(result) if p["kind"] == "response"):
        found.setdefault(tuple(q["name"] for q in p["parameters"]), p)
    return list(found.values())


def item_probabilities(result: Fit | xr.DataTree, part: Mapping[str, Any]) -> Values | None:
    """The table of a response: its own, or that of all."""
    own = f"item_probability_{part['name']}"
    return values_of(result, own if own in names_of(result) else "item_probability")


def category_labels(result: Fit | xr.DataTree, x: xr.DataArray, item: str, category: str) -> list[str]:
    """``P(answer = yes)`` where all items have the same categories, else ``P(category 2)``."""
    numbers = range(1, x.sizes[category] + 1)
    known = kept(result).get("categories", {})
    same = all(known.get(str(i)) == known.get(str(x[item].values[0])) for i in x[item].values)
    if same and (known or list(x[category].values) != list(numbers)):
        return [f"P(answer = {k})" for k in x[category].values]
    return [f"P(category {k})" for k in numbers]


def covariate_means(model: Model, df: pd.DataFrame) -> dict[str, xr.DataArray]:
    """Of the columns of each design matrix: over individuals, or over clusters."""
    data, out = prepare(model, df, sampled=tuple({e.level for e in model.effects}), collapse=False), {}
    for c in model.covariates:
        x = data.user_columns[c.name].values
        weight = data.counts if c.level == "individual" else np.ones(len(x))
        out[c.name] = xr.DataArray(np.average(x, axis=0, weights=weight), dims=c.name)
    return out
