"""Several models, each with several numbers of classes: one table of criteria."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bayesmix.enumeration.fits import Enumeration, check_enumeration, enumerate_classes
from bayesmix.layout import Section, make_table, number, percent
from bayesmix.results import Fit
from bayesmix.spec import Model

COLUMNS = ("loglik", "parameters", "AIC", "BIC", "aBIC", "ICL", "entropy", "smallest class", "replicated")


def enumerate_structures(
    models: Mapping[str, Model | Callable[[int], Model]], df: pd.DataFrame, classes: Sequence[int], **settings: Any
) -> Structures:
    """Fit several models, each with several numbers of classes, and lay all fits side by side.

    Parameters
    ----------
    models : mapping of str to Model or function of a number of classes
        By name, such as the six structures of :func:`bayesmix.models.profile_structures`.
    df : pandas.DataFrame
        The data.
    classes : sequence of int
        Numbers of classes.
    **settings
        As of :func:`bayesmix.enumerate_classes`.

    Returns
    -------
    Structures
        `table`, `best`, and an :class:`~bayesmix.Enumeration` of each model. Interrupted, it holds what is finished.

    Raises
    ------
    TypeError
        No models by name.
    ValueError
        What :func:`bayesmix.enumerate_classes` refuses of any of the models, whose name is said: before the first fit.
    KeyboardInterrupt
        Interrupted before a fit was finished.

    Examples
    --------
    >>> found = bm.enumerate_structures({"plain": model}, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> list(found.table.index)
    [('plain', 1), ('plain', 2)]
    """
    if not isinstance(models, Mapping) or not models:
        raise TypeError(
            f"The models came as {type(models).__name__}, expected models by name: give "
            "bm.models.profile_structures(items), or {'equal': model, ...}."
        )
    for name, m in models.items():
        try:
            check_enumeration(m, df, classes, **settings)
        except (TypeError, ValueError) as error:
            raise type(error)(f"The model '{name}': {error}") from None
    found: dict[str, Enumeration] = {}
    for name, m in models.items():
        try:
            found[name] = enumerate_classes(m, df, classes, **settings)
        except KeyboardInterrupt:
            if not found:
                raise
            warnings.warn(f"Interrupted at '{name}': the finished models are kept.", stacklevel=2)
            break
        fits = found[name].fits
        if len(fits) < len({*classes}) or any(f.quality["interrupted"] for f in fits.values()):
            break  # interrupted within this model, which has said so
    return Structures(found)


@dataclass(frozen=True)
class Structures:
    """Fits of several models with several numbers of classes.

    Attributes
    ----------
    enumerations : mapping of str to Enumeration
        By the name of the model.

    Examples
    --------
    >>> found = bm.enumerate_structures({"plain": model}, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> found["plain", 2].n_parameters
    9
    """

    enumerations: Mapping[str, Enumeration]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a model and a number of classes; criteria are missing where every start collapsed."""
        each = {name: e.table[[c for c in COLUMNS if c in e.table]] for name, e in self.enumerations.items()}
        return pd.concat(each, names=["model", "classes"])

    def wide(self, criterion: str = "BIC") -> pd.DataFrame:
        """One criterion, numbers of classes in the rows, models in the columns.

        Raises
        ------
        ValueError
            No such column of the table.
        """
        if criterion not in self.table:
            raise ValueError(f"The criterion came as {criterion!r}: give one of {', '.join(map(str, self.table))}.")
        return pd.DataFrame({name: e.table[criterion] for name, e in self.enumerations.items()})

    @property
    def best(self) -> Fit:
        """The fit with the smallest BIC.

        Raises
        ------
        ValueError
            Every start of every fit collapsed.
        """
        bic = self.table["BIC"].dropna()
        if bic.empty:
            raise ValueError("Every start collapsed, whatever the model: take covariance='equal' or variance='equal'.")
        name, classes = bic.index[int(bic.to_numpy().argmin())]
        return self[str(name), int(classes)]

    def __getitem__(self, at: tuple[str, int]) -> Fit:
        name, classes = at
        return self.enumerations[name][classes]

    def sections(self) -> list[Section]:
        """What is printed: the criteria of all fits, the smallest BIC first."""
        ordered = self.table.sort_values("BIC", na_position="last")
        rows = [
            (
                str(k[0]), str(k[1]), number(r["loglik"]), str(int(r["parameters"])),
                *(number(r[c], 2) for c in ("BIC", "aBIC")), number(r["entropy"]), percent(r["smallest class"]),
                str(int(r["replicated"])),
            )
            for k, r in ordered.iterrows() if isinstance(k, tuple)
        ]  # fmt: skip
        head = ("model", "classes", "log-lik.", "param.", "BIC", "aBIC", "entropy", "smallest", "reached")
        note = "Sorted by BIC. Where every start collapsed there is no log-likelihood: it would mean nothing."
        return [Section("Models and numbers of classes", [make_table(head, rows, left=1), note])]

    def __repr__(self) -> str:
        return self.table.round(3).to_string()

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html()
