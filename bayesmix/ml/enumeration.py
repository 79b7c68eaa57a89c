"""Class enumeration: fits with different numbers of classes, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from bayesmix.checks import is_whole
from bayesmix.data import Dataset
from bayesmix.graph import Problem
from bayesmix.layout import Section, make_table, number, percent
from bayesmix.ml.estimation import estimate
from bayesmix.ml.neighbours import Split
from bayesmix.ml.objective import Target
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import split_class
from bayesmix.parallel import quietly
from bayesmix.results import Fit, SampleSize, check_sample_size
from bayesmix.spec import Model, check_model, groups
from bayesmix.typing import Array


def enumerate_classes(
    model: Model | Callable[[int], Model],
    df: pd.DataFrame,
    classes: Sequence[int],
    *,
    name: str | None = None,
    n: SampleSize = "individuals",
    **settings,
) -> Enumeration:
    """Fit a model with several numbers of classes and lay the fits side by side.

    Parameters
    ----------
    model : Model or function of a number of classes
        With any number of classes; the number is replaced, and one class has no random logits. A model whose random
        effects come with the classes needs the function: ``lambda k: bm.models.lca(items, k, cluster="school")``.
    df : pandas.DataFrame
        The data.
    classes : sequence of int
        Numbers of classes, e.g. ``range(1, 6)``. Each is also started from the solution before.
    name : str, optional
        The class variable to vary; the first one if left out.
    n : {"individuals", "clusters"}
        Of BIC and adjusted BIC, by which the fits are ranked: rows of the data, or clusters, the persons of long data.
    **settings
        Passed to :func:`bayesmix.fit`; `start` is given by the enumeration.

    Returns
    -------
    Enumeration
        `table` and `fits`. Interrupted, it holds the fits that are finished.

    Raises
    ------
    ValueError
        No numbers, no such class variable, or what :func:`bayesmix.fit` refuses: before any computation.

    Examples
    --------
    >>> found = bm.enumerate_classes(model, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> found.table["parameters"].tolist()
    [4, 9]
    """
    if not callable(model):
        check_model(model)
    numbers = _numbers(classes)
    if "start" in settings:
        raise ValueError("start= came, but each number of classes starts from the solution before: leave it out.")
    if not numbers:
        raise ValueError("No numbers of classes came: give e.g. classes=range(1, 6).")
    make = model if callable(model) else partial(with_classes, model, name or varied(model))
    models = {k: _made(make, k) for k in numbers}
    largest = models[max(numbers)]
    check_sample_size(n, largest.two_level)
    name = name or varied(largest)
    asked = Settings.of(**settings)
    rows = Dataset.encode(largest, df)
    Problem.of(rows, asked.nodes)  # refuses what the largest model cannot have, before any is fitted
    fits: dict[int, Fit] = {}
    for k, wanted in models.items():
        try:
            with quietly():
                own = rows.under(wanted) if rows.reads(wanted) else Dataset.encode(wanted, df)
                split = Split(name, _from_simpler(own, name, fits.get(k - 1), asked))
                fits[k] = estimate(own, replace(asked, start=split))
        except KeyboardInterrupt:
            if not fits:
                raise
            warnings.warn(f"Interrupted at {k} classes: the finished fits are kept.", stacklevel=2)
            break
        if fits[k].quality["interrupted"]:
            break
    return Enumeration(fits, name, n)


def _made(make: Callable[[int], Model], k: int) -> Model:
    """The model with k classes."""
    if getattr(make, "__module__", "").startswith("bayesmix.models"):
        raise TypeError(
            f"The model came as the template {make.__name__} itself: give a function of the number of classes, e.g. "
            f"lambda k: bm.models.{make.__name__}(items, k), or a model."
        )
    out = make(k)
    check_model(out)
    return out


def _numbers(classes: object) -> list[int]:
    """The numbers of classes that were asked for; nothing else."""
    numbers: list[Any] = list(classes) if isinstance(classes, Iterable) else [classes]
    if bad := [k for k in numbers if not is_whole(k, 1)]:
        raise ValueError(
            f"classes came as {classes!r}, of which {bad[0]!r} is no whole number of at least 1: give numbers of "
            "classes, e.g. classes=range(1, 6)."
        )
    return [int(k) for k in numbers]


def varied(model: Model) -> str:
    """The class variable whose number of classes is varied: the first one below the clusters, else the first."""
    if not model.classes:
        raise ValueError(
            "The model has no class variable: there is nothing to enumerate. A regression of one class has none: "
            "declare it with classes=2."
        )
    return next((c for c in model.classes if c.level != "cluster"), model.classes[0]).name


def with_classes(model: Model, name: str, size: int) -> Model:
    """The model with another number of classes of the variable `name`; one class has no random logits."""
    if name not in [c.name for c in model.classes]:
        raise ValueError(f"No class variable '{name}'; there are {', '.join(c.name for c in model.classes) or 'none'}.")
    if bound := _bound(model, name):
        raise ValueError(
            f"'{bound}' holds a random effect for each class of '{name}': give a function of the number of "
            "classes instead of the model, e.g. lambda k: bm.models.lca(items, k, cluster='school')."
        )
    out = replace(model, classes=tuple(replace(c, size=size) if c.name == name else c for c in model.classes))
    return _without_random_logits(out, name) if size == 1 else out


def _bound(model: Model, name: str) -> str | None:
    """A parameter of the logits with an effect for each class but the last; one effect may be a factor."""
    own = [t for c in model.classes if c.name == name for t in c.predictor if t.effects]
    several = [t.parameter.name for t in own if len(t.effects) > 1]
    cholesky = [p.name for p in model.parameters if p.domain.is_triangular and p.dims[-1] == name]
    return next(iter([*cholesky, *several]), None)


def _without_random_logits(model: Model, name: str) -> Model:
    """Without what the logits of a class variable alone load on: the data would say nothing of it."""
    classes = tuple(
        replace(c, predictor=tuple(t for t in c.predictor if not t.effects)) if c.name == name else c
        for c in model.classes
    )
    used = [t for r in model.responses for t in r.terms] + [t for c in classes for t in c.predictor]
    before = {e for c in model.classes if c.name == name for t in c.predictor for e in t.effects}
    gone = before - {e for t in used for e in t.effects}
    kept = [e for e in model.effects if e.name not in gone]
    if later := [e.name for e in kept for t in e.mean if gone.intersection(t.effects)]:
        raise ValueError(
            f"'{later[0]}' is regressed on the random logits of '{name}', which one class has not: give a function of "
            "the number of classes instead of the model."
        )
    return replace(model, classes=classes, effects=tuple(kept))


def _from_simpler(rows: Dataset, name: str, simpler: Fit | None, settings: Settings) -> list[Array]:
    model = rows.model
    if simpler is None or simpler.collapsed or any(p.name not in simpler.params for p in model.parameters):
        return []
    data = Target.of(rows, settings.nodes)
    values = {str(k): v.values for k, v in simpler.params.items()}
    size = len(simpler.params[name]) if name in simpler.params.dims else 1
    before = simpler.info["classes"]
    grown = [c.name for c in model.classes if c.size == before.get(c.name, 0) + 1]
    dims = {d for group in groups(model) if set(group) & set(grown) for d in group}
    each = [split_class(values, data, dims, k, settings.seed + k) for k in range(size)]
    return [theta for theta in each if theta is not None]


@dataclass(frozen=True)
class Enumeration:
    """Fits with different numbers of classes.

    Attributes
    ----------
    fits : dict of int to Fit
    name : str
        The class variable that was varied.
    n : {"individuals", "clusters"}
        The sample size of BIC and adjusted BIC (:meth:`bayesmix.Fit.sample_size`).

    Examples
    --------
    >>> found = bm.enumerate_classes(model, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> list(found.table.index), found[2].info["classes"]
    ([1, 2], {'C': 2})
    """

    fits: Mapping[int, Fit]
    name: str
    n: SampleSize = "individuals"

    @property
    def table(self) -> pd.DataFrame:
        """Log-likelihood, parameters, AIC, BIC, adjusted BIC, entropy, smallest class, replications.

        The first and the criteria are missing where every start collapsed: they would mean nothing.
        """
        rows = {
            k: {
                "loglik": f.loglik,
                "parameters": f.n_parameters,
                "AIC": f.aic,
                "BIC": f.bic_of(self.n),
                "aBIC": f.adjusted_bic_of(self.n),
                "entropy": f.class_entropy(self.name) if self._of_units(f) else float("nan"),
                "smallest class": self._smallest(f),
                "replicated": f.replicated,
            }
            for k, f in self.fits.items()
        }
        out = pd.DataFrame.from_dict(rows, orient="index").rename_axis("classes")
        gone = [k for k, f in self.fits.items() if f.collapsed]
        out.loc[gone, ["loglik", "AIC", "BIC", "aBIC"]] = np.nan
        return out

    def _of_units(self, f: Fit) -> bool:
        """Whether individuals or clusters have the class, and not each response."""
        return f"{self.name}_posterior" in f.classes

    def _smallest(self, f: Fit) -> float:
        if f"{self.name}_probability" not in f.probabilities:
            return 1.0  # a model of one class may have no class variable
        if self._of_units(f):
            return float(f.class_counts(self.name)["model %"].min())
        return float(f.probabilities[f"{self.name}_probability"].min())

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
            raise ValueError("Every start collapsed, whatever the number of classes: take variance='equal'.")
        return self.fits[int(cast(int, bic.idxmin()))]

    def __getitem__(self, classes: int) -> Fit:
        return self.fits[classes]

    def sections(self) -> list[Section]:
        """What is printed: information criteria, and what to know of the fits."""
        table = self.table
        rows = [
            (
                str(k), number(r["loglik"]), str(int(r["parameters"])),
                *(number(r[c], 2) for c in ("AIC", "BIC", "aBIC")), number(r["entropy"]),
                percent(r["smallest class"]), str(int(r["replicated"])),
            )
            for k, r in table.iterrows()
        ]  # fmt: skip
        head = ("classes", "log-lik.", "param.", "AIC", "BIC", "aBIC", "entropy", "smallest", "replicated")
        sound, one = table[table["BIC"].notna()], next(iter(self.fits.values()))
        best = "; ".join(f"{c}: {sound[c].idxmin()} classes" for c in ("AIC", "BIC", "aBIC") if len(sound))
        notes = [f"Smallest {best or 'none'}. Column `smallest`: the smallest class."]
        if one.n_clusters:
            notes.append(f"n of BIC and aBIC: {one.sample_size(self.n)} {self.n}.")
        if len(gone := table.index.difference(sound.index)):
            notes.append(
                f"EVERY start collapsed with {', '.join(map(str, gone))} classes: a residual SD ran down to its "
                "floor,\nand the log-likelihood would mean nothing. Take variance='equal', or ask for more starts."
            )
        if len(weak := sound.index[sound["replicated"] < 2]):
            notes.append(f"Best value NOT replicated with {', '.join(map(str, weak))} classes: ask for more starts.")
        if edges := {k: len(f.quality.get("boundary", [])) for k, f in self.fits.items() if f.quality.get("boundary")}:
            notes.append(
                "Parameters at a boundary: " + ", ".join(f"{n} with {k} classes" for k, n in edges.items()) + "."
            )
        return [
            Section(f"Class enumeration: {one.info.get('model')}", [make_table(head, rows, left=0), "\n".join(notes)])
        ]

    def __repr__(self) -> str:
        return self.table.round(3).to_string()

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html()
