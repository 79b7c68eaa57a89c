"""Observed groups and known classes: columns that say where a row belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.columns import plain, read
from bayesmix.spec import GROUP, LatentClass, Model
from bayesmix.typing import Array

Rows = NDArray[np.bool_]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """The observed group of each row.

    Attributes
    ----------
    labels : list
        Of the groups, in the order of the dim `group`: sorted, those of a Categorical as it has them.
    of_row : array of int (row,)
        -1 where a row is left out.
    """

    labels: list
    of_row: Codes

    def of_clusters(self, cluster: Codes | None, n: int) -> Codes | None:
        """The group of each cluster; None where groups vary within clusters, or there are none of these."""
        if cluster is None:
            return None
        out, seen = np.full(n, -1, dtype=np.int64), self.of_row >= 0
        out[cluster[seen]] = self.of_row[seen]
        return out if (out[cluster[seen]] == self.of_row[seen]).all() else None


def groups_of(
    model: Model, df: pd.DataFrame, seen: Rows, cluster: Codes | None, coding: Sequence | None
) -> Groups | None:
    """Read the group column.

    Parameters
    ----------
    model : Model
    df : pandas.DataFrame
    seen : array of bool (row,)
        Rows that are used.
    cluster : array of int (row,), optional
    coding : sequence, optional
        The groups of a fit, which are followed.

    Raises
    ------
    ValueError
        Missing groups, text and numbers mixed, a group that the fit did not see; something of clusters that differs
        by group where these vary within clusters.
    """
    if model.group is None:
        return None
    what = f"The group column '{model.group}'"
    found = read(what, df[model.group], seen)
    if found.kind == "mixed":
        raise ValueError(f"{what} mixes text and numbers ({found.shown}): give one kind.")
    if n := int((found.codes[seen] < 0).sum()):
        raise ValueError(f"{what} has {n} missing values: every row needs a group; drop or label these rows.")
    there = [found.values[k] for k in np.unique(found.codes[seen])]
    labels = [v for v in found.declared if v in there] if found.declared is not None else sorted(there)
    if coding is not None:
        if unknown := [v for v in labels if v not in coding]:
            raise ValueError(
                f"{what} came with {unknown[0]!r}, which is no group of the fit ({', '.join(map(repr, coding))}): its "
                "parameters are not known. Drop these rows, or fit again with them."
            )
        labels = list(coding)
    to = np.array([*(labels.index(v) if v in labels else -1 for v in found.values), -1], dtype=np.int64)
    out = Groups([plain(v) for v in labels], np.where(seen, to[found.codes], -1))
    _check_levels(model, out, cluster)
    return out


def _check_levels(model: Model, groups: Groups, cluster: Codes | None) -> None:
    own = [(f"the class {c.name}", t) for c in model.classes_at("cluster") for t in c.terms]
    own += [(f"the effect {e.name}", t) for e in model.effects_at("cluster") for t in e.terms]
    by = [what for what, t in own if GROUP in t.dims]
    if not by or cluster is None or groups.of_clusters(cluster, int(cluster.max()) + 1) is not None:
        return
    raise ValueError(
        f"The groups of '{model.group}' vary within clusters of '{model.cluster}', but {by[0]} of clusters differs by "
        "group: give groups that whole clusters belong to, or hold it equal (sizes_by_group=False)."
    )


# known classes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KnownClass:
    """Of a class variable, the class in which each unit is known to be.

    Attributes
    ----------
    column : str
    codes : array of int (unit,)
        Positions of classes; -1 where it is not known. Rows, or clusters of a class of theirs.
    labels : tuple
        What the column calls the classes, in their order; none where it numbers them.
    """

    column: str
    codes: Codes
    labels: tuple = ()

    def log_factor(self, classes: int) -> Array:
        """Zero for classes that a unit may be in, far below for the others: (unit, class)."""
        may = (self.codes[:, None] < 0) | (self.codes[:, None] == np.arange(classes))
        return np.where(may, 0.0, EXCLUDED)

    @property
    def anchored(self) -> tuple[int, ...]:
        """The classes that some unit is known to be in."""
        return tuple(int(k) for k in np.unique(self.codes[self.codes >= 0]))


EXCLUDED = -1e6
"""The log factor of a class that a unit is known not to be in."""


def known_rows(
    model: Model, df: pd.DataFrame, used: Rows, coding: Mapping[str, Sequence] | None
) -> dict[str, KnownClass]:
    """Read the columns of known classes, row by row.

    Parameters
    ----------
    model : Model
    df : pandas.DataFrame
    used : array of bool (row,)
        Rows that count.
    coding : mapping of str to sequence, optional
        What a fit's columns called the classes; of rows without the column nothing is known then.

    Raises
    ------
    ValueError
        A label that is no class; other numbers of text labels than classes.
    """
    classes = {c.name: c for c in model.classes}
    out = {}
    for name, column in model.known:
        labels = None if coding is None else coding.get(name, ())
        if column in df.columns:
            out[name] = _read_known(classes[name], column, df, used, labels)
        else:
            out[name] = KnownClass(column, np.full(len(df), -1, dtype=np.int64), tuple(labels or ()))
    return out


def known_units(
    model: Model, known: Mapping[str, KnownClass], seen: Rows, cluster: Codes | None, follows: bool
) -> dict[str, KnownClass]:
    """The known classes of units: of clusters, for a class of theirs.

    Raises
    ------
    ValueError
        Nothing is known, or one class alone; classes of clusters that vary within these.
    """
    out = {}
    for c in (c for c in model.classes if c.name in known):
        own = known[c.name]
        out[c.name] = own if c.level == "individual" else _of_clusters(own, c.name, cluster, seen)
        if not follows:
            check_known(c, out[c.name], seen if c.level == "individual" else None)
    return out


def _read_known(c: LatentClass, column: str, df: pd.DataFrame, seen: Rows, coding: Sequence | None) -> KnownClass:
    """The class of each row by its number, or by its label."""
    what = f"The column '{column}' of known classes of {c.name}"
    found = read(what, df[column], seen)
    if found.kind == "mixed":
        raise ValueError(f"{what} mixes text and numbers ({found.shown}): give one kind.")
    values = [found.values[k] for k in np.unique(found.codes[found.codes >= 0])]
    labels: list[Any] = list(coding or ())
    if not labels and any(isinstance(v, str) for v in values):
        declared = found.declared or []
        labels = list(declared) if len(declared) == c.size else sorted(values)
        if len(labels) != c.size:
            raise ValueError(
                f"{what} came with the labels {found.shown}, and {c.name} has {c.size} classes: texts name the "
                "classes in sorted order where there are as many of them. Give the numbers 1, 2, ... of the classes."
            )
    numbers = {k + 1: k for k in range(c.size)}
    places = {v: k for k, v in enumerate(labels)} or numbers
    if odd := [v for v in values if isinstance(v, bool) or v not in places]:
        given = ", ".join(map(repr, labels)) or f"1 to {c.size}"
        raise ValueError(
            f"{what} came with {odd[0]!r}, which is none of its classes ({given}): give one of these, or a missing "
            "value where the class is not known."
        )
    to = np.array([*(places.get(v, -1) for v in found.values), -1], dtype=np.int64)
    return KnownClass(column, np.where(seen, to[found.codes], -1), tuple(labels))


def _of_clusters(own: KnownClass, name: str, cluster: Codes | None, seen: Rows) -> KnownClass:
    assert cluster is not None
    out = np.full(int(cluster.max()) + 1, -1, dtype=np.int64)
    there = seen & (own.codes >= 0)
    out[cluster[there]] = own.codes[there]
    if (out[cluster[seen]] != own.codes[seen]).any():
        raise ValueError(
            f"The column '{own.column}' says in which class of {name} a cluster is, but varies within clusters: give "
            "the same value to all rows of a cluster."
        )
    return KnownClass(own.column, out, own.labels)


def check_known(c: LatentClass, known: KnownClass, seen: Rows | None) -> None:
    """Refuse columns of known classes that say nothing, or all.

    Raises
    ------
    ValueError
        Nothing is known; all are in one class; a class that there is not.
    """
    what, codes = f"The column '{known.column}' of known classes of {c.name}", known.codes
    used = codes if seen is None else codes[seen]
    if (used < 0).all():
        raise ValueError(f"{what} has no value: nothing is known of any class. Leave known= out.")
    if used.max() >= c.size or (known.labels and len(known.labels) != c.size):
        raise ValueError(
            f"{what} names {int(used.max()) + 1} classes, and {c.name} has {c.size}: ask for more classes."
        )
    if c.size > 1 and (used == used[0]).all():
        raise ValueError(
            f"{what} has all in class {int(used[0]) + 1}: the other classes are empty. Leave known= out, or take "
            "fewer classes."
        )
