"""The listing of a posterior: what was sampled, the chains, every parameter and what follows from them."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from bayesmix.layout import Section, family, make_table, method, number, pairs
from bayesmix.listing.classes import classification, counts
from bayesmix.listing.parameters import covariates
from bayesmix.results import Estimates, compare, rows, sampler, tables_of

COLUMNS = {
    "mean": "mean",
    "sd": "SD",
    "eti_lower": "95% lower",
    "eti_upper": "upper",
    "r_hat": "R-hat",
    "ess_bulk": "ESS",
}
"""Heads of the columns, of intervals of 95%."""
TITLES = {
    "parameter": "Parameters",
    "probability": "Probability scale",
    "derived": "What follows from the parameters",
}


def sections(post: xr.DataTree) -> list[Section]:
    """The sections of a posterior's listing."""
    found = compare(post=post)
    by_scale = [
        Section(
            f"{title}: posterior mean, SD, equal-tailed interval", [_table(found.table[found.entries["scale"] == s])]
        )
        for s, title in TITLES.items()
        if (found.entries["scale"] == s).any()
    ]
    chains = [pairs(rows(found.diagnostics).items()), found.loglik]
    return [
        Section("Model and data", [_about(post)]),
        Section("Draws" if sampler(found.diagnostics) != "NUTS" else "Chains", [c for c in chains if c]),
        *_classes(post),
        *by_scale,
    ]


def _classes(post: xr.DataTree) -> list[Section]:
    """Class counts and classification, by probabilities that are averaged over draws."""
    model = Estimates.of(post).model
    if "classes" not in post.children or not model.is_mixture:
        return []
    tables, draws = tables_of(post), post["classes"].attrs.get("draws")
    found = [s for s in (counts(tables, tables.variables), classification(tables, tables.variables)) if s is not None]
    return [Section(s.title, [*s.body, *([f"Averages over {draws} draws."] if draws else [])]) for s in found if s.body]


def _about(post: xr.DataTree):
    """What was sampled."""
    d = Estimates.of(post).settings.get("about", {})
    nodes = ", ".join(f"{method(v)} over effects of {k}s" for k, v in d.get("nodes", {}).items())
    return pairs(
        {
            "Model": d.get("model"),
            "Class variables": ", ".join(f"{k} ({n} classes)" for k, n in d.get("classes", {}).items() if n > 1),
            "Items": ", ".join(map(str, d.get("items", []))),
            "Families": ", ".join(dict.fromkeys(map(family, d.get("families", {}).values()))),
            **covariates(Estimates.of(post).model),
            "Cluster column": d.get("cluster"),
            "Individuals": d.get("n_individuals"),
            "Clusters": d.get("n_clusters"),
            "Estimator": f"posterior by {sampler(Estimates.of(post).settings)}",
            "Integration": nodes or "none needed, or effects sampled",
            "Groups": ", ".join(post.children),
        }.items()
    )


def _table(x: pd.DataFrame):
    """Rows of the comparison that have a posterior."""
    x = x[list(COLUMNS)].dropna(subset=["mean"])
    shown = [
        (str(k), *map(number, r[:-1]), number(float(r[-1]), 0)) for k, r in zip(x.index, x.to_numpy(), strict=True)
    ]
    return make_table(("", *COLUMNS.values()), shown)
