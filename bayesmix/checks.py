"""Checks of arguments. Each refusal says what came, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number of at least `least`, NumPy's too; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_number(value: object) -> bool:
    """Whether a value is a real number, NumPy's too; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(name: str, value: Any, least: int = 1, more: str = "") -> int:
    """Take a whole number.

    Parameters
    ----------
    name : str
        What the number is of, at the beginning of the sentence.
    value : int
    least : int
    more : str
        Further words, at its end.

    Raises
    ------
    ValueError
        No whole number of at least `least`.
    """
    if not is_whole(value, least):
        raise ValueError(f"{name} came as {value!r}: give a whole number of at least {least}{more}.")
    return int(value)


def check_level(level: object) -> None:
    """Refuse what is no level of an interval.

    Raises
    ------
    ValueError
        No number between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < float(level) < 1:
        hint = f"{float(level) / 100:g}" if isinstance(level, Real) and 1 < float(level) < 100 else "0.95"
        raise ValueError(f"level came as {level!r}: give a number between 0 and 1, such as {hint}.")


def one_of(name: str, value: Any, options: Sequence[str], last: str | None = None, more: str = "") -> None:
    """Refuse what is none of the options; `last` stands before the last of them in what is said, `more` at its end.

    Raises
    ------
    ValueError
        Another value.
    """
    if value not in options:
        last = last or (" or " if len(options) == 2 else ", ")
        known = ", ".join(map(repr, options[:-1])) + last + repr(options[-1])
        raise ValueError(f"{name} came as {value!r}: give {known}{more}.")


def nearest(name: object, known: Iterable[object]) -> str | None:
    """The one of the known names that `name` may have been meant for."""
    return next(iter(difflib.get_close_matches(str(name), [str(k) for k in known], n=1)), None)


def needs_clusters(cluster: str | None, **asked: object) -> None:
    """Refuse settings of clusters where there is no column of them.

    Parameters
    ----------
    cluster : str or None
        The column of the cluster labels.
    **asked
        Settings by name; None, False, 0, ``"none"`` and what is empty ask for nothing.

    Raises
    ------
    ValueError
        The first of them that asks for clusters.
    """
    _needs(cluster, asked, "clusters", "cluster='the column of cluster labels'")


def needs_cluster_classes(classes: int, **asked: object) -> None:
    """Refuse settings of classes of clusters, likewise, where there are none.

    Raises
    ------
    ValueError
        The first of them that asks for these classes.
    """
    _needs(classes, asked, "classes of clusters", "cluster_classes=2 or more")


def needs_groups(group: str | None, **asked: object) -> None:
    """Refuse settings of observed groups, likewise, where there is no column of them.

    Raises
    ------
    ValueError
        The first of them that asks for groups.
    """
    _needs(group, asked, "groups", "group='the column of groups'")


def _needs(there: object, asked: dict[str, object], what: str, hint: str) -> None:
    if not there and (came := [f"{k}={v!r}" for k, v in asked.items() if v and v != "none"]):
        raise ValueError(f"{came[0]} came without {what}: give {hint}.")
