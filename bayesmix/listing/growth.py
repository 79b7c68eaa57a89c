"""The section of growth: growth factors by class, as programs of growth models print them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayesmix.layout import WIDTH, Section, make_table, number
from bayesmix.listing.parameters import Rows, class_label, class_names
from bayesmix.results import Estimates, Fit
from bayesmix.spec import SCALES, TINY, Quantity


def growth(fit: Fit) -> Section | None:
    """Means of the growth factors by class, their regressions, their variances, covariances and correlations."""
    factors = fit.model.sums
    if not factors:
        return None
    names, rows = [e.name for e in factors], Rows(fit)
    means: dict[str, list[tuple[str, ...]]] = {}
    for e in factors:
        for t in (t for t in e.mean if not t.effects):
            x = fit.params[t.parameter.name]
            for at, label in rows.entries(t.parameter.name):
                column = (
                    "" if t.covariates is None else x[t.covariates.name].values[at[x.dims.index(t.covariates.name)]]
                )
                word = f"{e.name} ON {column}" if t.covariates else f"mean of {e.name}"
                means.setdefault(class_label(fit, x, at), []).append((word, *rows.cells(label)))
    body: list[Any] = [make_table(("", *rows.head), some, title=_title(k, means)) for k, some in means.items()]
    for level, title in (("individual", "Within classes"), ("cluster", "Between clusters")):
        if found := list(_matrices(fit, names, level)):
            body.append(make_table(("", "estimate", "SE", "95% lower", "upper", ""), found, title=title))
    return Section(f"Growth factor{'s' if len(names) > 1 else ''} {', '.join(names)}", [*body, _note(fit)])


def _title(klass: str, several: dict[str, Any]) -> str:
    """Head the growth factors of a class."""
    return klass or ("All classes" if len(several) > 1 else "")


def _matrices(fit: Fit, names: list[str], level: str) -> Iterator[tuple[str, ...]]:
    """Variances, then ``S WITH I`` and the correlation of the two."""
    estimates = Estimates.of(fit)
    for kind in ("variance", "covariance matrix", "correlation matrix"):
        for q in estimates.of_kind(kind, part=level):
            if "growth" in fit.derived[q.name].dims:
                yield from _entries(fit, q, names)


def _entries(fit: Fit, q: Quantity, names: list[str]) -> Iterator[tuple[str, ...]]:
    """The entries of growth factors that vary, each pair once."""
    x, se = fit.derived[q.name], fit.derived_se[q.name].transpose(*fit.derived[q.name].dims).values
    level = "v" if q.part == "cluster" else "u"
    declared = {e.name for e in fit.model.effects}
    se = np.where(se > TINY * np.abs(x.values), se, np.nan)
    ends = SCALES[q.scale].interval(x.values, se, df=fit.t_df(q.name))
    order = sorted(
        np.ndindex(x.shape), key=lambda at: [at[x.dims.index(d)] for d in ("growth", "growth_") if d in x.dims]
    )
    for at in order:
        k = at[x.dims.index("growth")]
        m = at[x.dims.index("growth_")] if "growth_" in x.dims else None
        if (m is not None and m >= k) or any(
            f"{level}_{names[i]}" not in declared for i in (k, *([m] if m is not None else []))
        ):
            continue
        word = f"variance of {names[k]}" if m is None else f"{names[k]} WITH {names[m]}"
        word += ", correlation" if q.kind == "correlation matrix" else ""
        klass = class_names(fit, x, at)
        mark = "boundary" if math.isnan(se[at]) else ""
        yield (", ".join(filter(None, (word, klass))), *(number(float(v[at])) for v in (x.values, se, *ends)), mark)


def _note(fit: Fit) -> str:
    """Say what the growth factors are, where zero is, and what a boundary means."""
    r = fit.model.responses[0]
    scores = next((c.only for c in fit.model.covariates if c.rows and c.only and c.single), None)
    of = f"coefficients of {', '.join(scores)}" if scores else "coefficients of the powers of time (time_score)"
    words = [f"{', '.join(e.name for e in fit.model.sums)}: {of}."]
    if r.family.finite:
        words.append(
            "Their scale is that of the linear predictor"
            + ("; the first threshold is zero, so that I has a mean in every class." if r.family.ordered else ".")
        )
    marked = [q for q in Estimates.of(fit).of_kind("variance") if "growth" in fit.derived[q.name].dims]
    if any((fit.derived[q.name] == 0.0).any() and fit.model.has_random_effects for q in marked) and fit.quality.get(
        "boundary"
    ):
        words.append(
            "A variance at its boundary, zero, is no failure: within classes this growth factor does not vary. Its "
            "covariances are zero then, and have no standard errors."
        )
    return textwrap.fill(" ".join(words), WIDTH - 6)
