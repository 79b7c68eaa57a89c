"""What tells whether two results are of one model and the same data: a fingerprint of each, in a few letters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmix.data.dataset import texts
from bayesmix.data.patterns import Patterns
from bayesmix.data.row_ranks import by_number, equal_rows
from bayesmix.spec import GROUP, Model, structure
from bayesmix.typing import Array

DIGITS = 2.0**36
"""Columns that are transformed by their mean or SD differ in the last digits from one order of the rows to another."""


def identity(data: Patterns) -> dict[str, str]:
    """Fingerprints of the declaration, of the data as they were coded, and of the answers alone, without covariates.

    Neither depends on the order of the rows, on how they are merged into patterns or weighted by a column of
    frequencies, on the nodes or on priors. With the design of a survey there is one more, of that.
    """
    out = {
        "model": digest(_declared(data.model)),
        "data": digest(*_coded(data)),
        "answers": digest(*_coded(data, covariates=False)),
    }
    return out | {"survey": digest(data.model.survey, *_design(data))} if data.model.survey else out


def _design(data: Patterns) -> tuple[Any, ...]:
    """Weights of clusters, and how many primary sampling units each stratum has."""
    rows = data.dataset
    if rows is None or rows.sampling is None:
        return ()
    return _rounded(np.sort(rows.cluster_weights)), np.sort(rows.sampling.units.sizes)


def check_same(one: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, str]) -> None:
    """Refuse two results, by the settings that they carry, that are not of one model and the same data.

    Raises
    ------
    ValueError
        They are not; without fingerprints their declarations are compared alone.
    """
    a, b = (x.get("identity") for x in (one, other))
    for what, words in (("model", "one model"), ("data", "the same data")):
        same = a[what] == b[what] if a and b else what == "data" or one.get("declaration") == other.get("declaration")
        if not same:
            raise ValueError(
                f"{names[0]} and {names[1]} are not of {words}: give those of one model, fitted to the same rows."
            )


def digest(*what: Any) -> str:
    """Fingerprint numbers, arrays, text and what is made of them."""
    out = hashlib.sha256()
    for x in what:
        out.update(np.ascontiguousarray(x).data if isinstance(x, np.ndarray) else repr(x).encode())
    return out.hexdigest()[:32]


def _declared(model: Model) -> Any:
    """Everything of the declaration but priors, formulas (their columns are data) and the roles of columns."""
    items = [(r.name, tuple(map(str, r.items)), tuple(map(str, r.labels))) for r in model.responses]
    sizes = [(c.name, int(c.size)) for c in model.classes]
    fixed = [(p.name, [(float(f.value), f.positions) for f in p.fixed]) for p in model.parameters]
    constrained = (model.constraints,) if model.constraints else ()
    alike = [(p.name, p.alike) for p in model.parameters if p.alike]
    constrained = (*constrained, *((alike,) if alike else ()), *((model.known,) if model.known else ()))
    return structure(model), items, sizes, fixed, *constrained


def _coded(data: Patterns, covariates: bool = True) -> tuple[Any, ...]:
    """Labels of everything, and the different rows with how often there is each; items by name without covariates."""
    plain = data.on_user_scale()
    if data.clusters is None:
        at = np.flatnonzero(data.counts > 0)
        cluster, counts = np.zeros_like(at), data.counts[at]
    else:
        cluster, at, counts = data.cells
    columns = [(data.responses[r.name][:, k], at) for r in data.model.responses for k in range(len(r.items))]
    if not covariates:  # of models that may have them in another order
        named = sorted(zip(data.model.items, columns, strict=True), key=lambda pair: pair[0])
        columns = [column for _, column in named]
    for c in data.model.covariates if covariates else ():
        x = plain.arrays[c.key].values
        x = x.reshape(len(x), -1)  # those of repeated measures stand in slots
        columns += [(x[:, k], at if c.level == "individual" else cluster) for k in range(x.shape[1])]
    for x in sorted(k.removeprefix("value:") for k in data.arrays if k.startswith("value:")):
        there = data.arrays[f"there:{x}"].values > 0
        # what is a variable of the model is an answer
        columns.append((np.where(there, data.arrays[f"value:{x}"].values, np.nan), at))
    if covariates and (of := data.arrays.get("group_of_individual")) is not None:
        columns.append((of.values.astype(float), at))
    for c in (c for c in data.model.classes if f"known:{c.name}" in data.arrays):  # a known class is an answer
        x = data.arrays[f"known:{c.name}"].values
        columns += [(x[:, k], at if c.level == "individual" else cluster) for k in range(x.shape[1])]
    columns = [(cluster.astype(float), slice(None)), *columns]
    first, which = equal_rows((_rounded(x[here]) for x, here in columns), by_number)  # one column in hand at a time
    rows, often = np.empty((len(first), len(columns))), np.bincount(which, weights=counts, minlength=len(first))
    for k, (x, here) in enumerate(columns):
        rows[:, k] = _rounded(x[here][first])
    labels = {c.name: [str(k) for k in data.coords[c.name]] for c in data.model.covariates if covariates}
    labels |= {GROUP: [str(k) for k in data.coords[GROUP]]} if covariates and GROUP in data.coords else {}
    categories = texts(data.categories) if covariates else sorted(texts(data.categories).items())
    order = slice(None) if covariates else np.lexsort(rows.T)
    often = _rounded(often) if data.model.survey else often
    return categories, [str(k) for k in data.clusters or []], labels, rows.shape, rows[order], often[order]


def _rounded(x: Array) -> Array:
    """Eleven digits of each number; missing ones as a number that none is."""
    mantissa, exponent = np.frexp(np.where(np.isnan(x), 0.0, x))
    return np.where(np.isnan(x), -np.inf, np.ldexp(np.round(mantissa * DIGITS) / DIGITS, exponent)) + 0.0
