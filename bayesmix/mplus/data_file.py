"""The data beside an Mplus input: eight letters a name, numbers alone, a code for what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from bayesmix.data import Dataset
from bayesmix.mplus.effect_places import between_name, residuals
from bayesmix.mplus.places import Words, columns
from bayesmix.spec import Model

LONGEST = 8
WORDS = frozenset({"ALL", "ARE", "BY", "IS", "ON", "PON", "PWITH", "WITH", "XWITH"})
"""Of the language itself, which no variable can be named by."""


def covariates(model: Model) -> list[str]:
    """List the columns of covariates, and the expressions of offsets."""
    terms = (t for part in (*model.classes, *model.effects, *model.responses) for t in part.terms if t.covariates)
    return list(dict.fromkeys(x for t in terms for x in columns(t)))


def training(model: Model) -> list[str]:
    """List what the columns of known classes, one a class, are called."""
    return [f"{column}, class {k + 1}" for name, column in model.known for k in range(_size(model, name))]


def _size(model: Model, name: str) -> int:
    return next(c.size for c in model.classes if c.name == name)


def aside(model: Model) -> list[str]:
    """List the columns that are no variables of the model: clusters, weights, groups, known classes."""
    named = [c for c in (model.cluster, model.freq, model.group, *model.survey.columns) if c]
    return list(dict.fromkeys([*named, *training(model)]))


def factors(model: Model) -> list[str]:
    """List the effects that an input names: those of individuals, and one factor of several class logits."""
    hidden = {*residuals(model, "individual"), *residuals(model, "cluster")}
    own = [e.name for e in model.effects if e.level == "individual" and e.column is None and e.name not in hidden]
    terms = [t for c in model.classes if c.size > 2 for t in c.terms if len(t.effects) == 1]
    own += [t.effects[0] for t in terms if t.effects[0] not in own]
    return own + [between_name(e.name) for e in model.sums if model.two_level]


def names_of(model: Model) -> dict[str, str]:
    """Give each column, class variable and effect a name of eight letters.

    Raises
    ------
    ValueError
        A column that has the name of a class variable or a factor.
    """
    latent = [*(c.name for c in model.classes), *factors(model)]
    if both := {*latent} & {*model.items, *covariates(model), *aside(model)}:
        raise ValueError(
            f"The column '{min(both)}' has the name of a latent variable of the model, which an input would take for "
            "it: rename the column."
        )
    out: dict[str, str] = {}
    special = {"D": "CB"} if model.classes_at("cluster") else {}
    for own in training(model):
        column, _, k = own.rpartition(", class ")
        special[own] = f"{column[: LONGEST - 2]}_{k}"
    for name in [*latent, *model.items, *covariates(model), *aside(model)]:
        if name not in out:
            out[name] = short(special.get(name, name), out.values())
    return out


def short(name: str, taken: Iterable[str]) -> str:
    """Shorten `name` to eight letters, digits and underscores that are not taken."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name.encode("ascii", "replace").decode()).upper()
    text = text if text[:1].isalpha() else f"V{text}"
    taken, k, out = set(taken), 1, text[:LONGEST]
    while out in taken or out in WORDS:
        k += 1
        out = f"{text[: LONGEST - len(str(k))]}{k}"
    return out


def coded(model: Model, df: pd.DataFrame, data: Dataset, words: Words) -> pd.DataFrame:
    """Code the columns that Mplus reads, in capitals; rows without any answer are left out."""
    out = {}
    for r in model.responses:
        for k, item in enumerate(r.items):
            finite = item in words.categories
            out[words.names[item]] = data.coded[r.name].y[:, k] if finite else pd.to_numeric(df[item]).to_numpy(float)
    offsets = {c.formula.strip(): c for c in model.covariates if c.offset}
    for x in covariates(model):
        if x in offsets and x not in df:
            out[words.names[x]] = data.designs[offsets[x].key].values[:, 0]
            continue
        if not pd.api.types.is_numeric_dtype(df[x]) and not pd.api.types.is_bool_dtype(df[x]):
            raise ValueError(
                f"The covariate '{x}' is no number: Mplus takes numbers alone; make it 0 and 1, or several."
            )
        out[words.names[x]] = df[x].to_numpy(float)
    if model.freq:
        out[words.names[model.freq]] = df[model.freq].to_numpy(float)
    if model.cluster:
        out[words.names[model.cluster]] = pd.factorize(df[model.cluster], sort=True)[0] + 1.0
    if model.group:
        assert data.groups is not None
        out[words.names[model.group]] = data.groups.of_row + 1.0
    for name, column in model.known:  # 1 for a class that the row may be in
        may = np.exp(data.known[name].log_factor(_size(model, name)))
        out |= {words.names[f"{column}, class {k + 1}"]: x for k, x in enumerate(may.T)}
    out |= _design(model, df, words)
    return pd.DataFrame(out)[data.seen]


def _design(model: Model, df: pd.DataFrame, words: Words) -> dict[str, np.ndarray]:
    """Code the columns of the design of a survey."""
    held = model.survey
    out = {words.names[c]: df[c].to_numpy(float) for c in (held.weights, held.cluster_weights, held.fpc) if c}
    if held.strata:
        out[words.names[held.strata]] = pd.factorize(df[held.strata], sort=True)[0] + 1.0
    if held.psu and held.psu != model.cluster:  # read within strata
        keys = [df[c] for c in (held.strata, held.psu) if c]
        out[words.names[held.psu]] = pd.MultiIndex.from_arrays(keys).factorize(sort=True)[0] + 1.0
    return out


def rows_of(rows: pd.DataFrame, code: int) -> str:
    """Write the rows."""
    lines = [" ".join(f"{x:.12g}" for x in row) for row in rows.fillna(code).to_numpy()]
    return "\n".join(lines) + "\n"
