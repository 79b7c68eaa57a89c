"""Class enumeration: fits with different numbers of classes, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import is_whole, whole
from bayesmix.data import Dataset
from bayesmix.enumeration.bootstrap_test import BootstrapTest, lr_test
from bayesmix.enumeration.criteria import choices, criteria
from bayesmix.enumeration.pairs import NO_TEST
from bayesmix.enumeration.splits import from_simpler
from bayesmix.enumeration.vuong import VuongTest, of_rows
from bayesmix.layout import Section, make_table, number, percent
from bayesmix.ml import Settings, Split
from bayesmix.ml.estimation import checked_target, estimate
from bayesmix.parallel import Steps, quietly
from bayesmix.results import Estimates, Fit, SampleSize, check_sample_size, log_marginal_likelihood
from bayesmix.spec import Model, check_model, refuse_survey, sharing
from bayesmix.typing import Array

FURTHER = {
    "AIC3": 2, "CAIC": 2, "AWE": 2, "ICL": 2, "BF": 3, "cmP": 3, "VLMR p": 4, "LMR p": 4, "BLRT p": 4, "elpd_loo": 2,
    "log_marginal": 2,
}  # fmt: skip
"""Columns of the second table, and their decimals."""
LARGE = 1e5


def enumerate_classes(
    model: Model | Callable[[int], Model],
    df: pd.DataFrame,
    classes: Sequence[int],
    *,
    name: str | None = None,
    n: SampleSize = "individuals",
    vuong: bool = False,
    bootstrap: int = 0,
    sample: Mapping[str, Any] | bool = False,
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
        The class variable to vary, with those that share parameters with it, such as other occasions; the first one if
        left out.
    n : {"individuals", "clusters"}
        Of BIC and adjusted BIC, by which the fits are ranked: rows of the data, or clusters, the persons of long data.
    vuong : bool
        Test each number against that with a class less by :func:`bayesmix.vuong_test`.
    bootstrap : int
        Test it by :func:`bayesmix.lr_test` with so many drawn data sets at most; 0 for no test.
    sample : bool or mapping
        Sample each posterior too, with these settings of :func:`bayesmix.sample`: the table then has `elpd_loo`, the
        expected log predictive density by leave-one-out cross-validation, and with ``{"method": "importance"}``
        `log_marginal`, the log marginal likelihood.
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
    asked, rows, name, models = _plan(
        model, df, classes, name, n=n, vuong=vuong, bootstrap=bootstrap, sample=sample, **settings
    )
    fits: dict[int, Fit] = {}
    encoded: dict[int, Dataset] = {}
    more = _Further(df, vuong, bootstrap, {} if sample is True else sample or None, asked)
    for k, wanted in models.items():
        try:
            with quietly():
                own = encoded[k] = rows.under(wanted) if rows.reads(wanted) else Dataset.encode(wanted, df)
                split = Split(name, _splits(own, name, fits.get(k - 1), asked))
                fits[k] = estimate(own, replace(asked, start=split))
        except KeyboardInterrupt:
            if not fits:
                raise
            warnings.warn(f"Interrupted at {k} classes: the finished fits are kept.", stacklevel=2)
            break
        if fits[k].quality["interrupted"]:
            break
        if not more.of(k, fits, encoded):
            break
    return Enumeration(fits, name, n, more.vuongs, more.bootstraps, more.posteriors, more.steps.lost)


def check_enumeration(
    model: Model | Callable[[int], Model], df: pd.DataFrame, classes: Sequence[int], **settings
) -> None:
    """Refuse what :func:`enumerate_classes` would refuse of the same arguments, and fit nothing."""
    with quietly():
        _plan(model, df, classes, **settings)


def _plan(
    model: Model | Callable[[int], Model],
    df: pd.DataFrame,
    classes: Sequence[int],
    name: str | None = None,
    *,
    n: SampleSize = "individuals",
    vuong: bool = False,
    bootstrap: int = 0,
    sample: Mapping[str, Any] | bool = False,
    **settings,
) -> tuple[Settings, Dataset, str, dict[int, Model]]:
    """The settings, the rows under the largest model, the class variable and the models, all of them checked."""
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
    asked = Settings.of(**settings)
    rows = Dataset.encode(largest, df)
    checked_target(rows, asked)  # refuses what the largest model cannot have, before any is fitted
    whole("bootstrap", bootstrap, 0)
    if vuong or bootstrap:
        refuse_survey(largest.survey, "vuong=" if vuong else "bootstrap=", NO_TEST)
    if sample is not None and sample is not False:
        refuse_survey(largest.survey, "sample=", "a pseudo log-likelihood and a prior make no posterior; leave it out.")
    return asked, rows, name or varied(largest), models


@dataclass
class _Further:
    """What is asked for beside the fits, made as they are finished: what fails is said, and costs no fit."""

    df: pd.DataFrame
    vuong: bool
    bootstrap: int
    sample: Mapping[str, Any] | None
    settings: Settings
    vuongs: dict[int, VuongTest] = field(default_factory=dict)
    bootstraps: dict[int, BootstrapTest] = field(default_factory=dict)
    posteriors: dict[int, xr.DataTree] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)

    def of(self, k: int, fits: Mapping[int, Fit], rows: Mapping[int, Dataset]) -> bool:
        """Make it for `k` classes; whether nobody has interrupted it."""
        run, shown = self.steps.run, self.settings.progress
        if self.vuong and k - 1 in fits:
            made = partial(of_rows, fits[k - 1], fits[k], rows[k], rows[k - 1])
            self._keep(self.vuongs, k, run(f"the Vuong test of {k} classes", made))
        if self.bootstrap and k - 1 in fits:
            made = partial(
                lr_test, fits[k - 1], fits[k], self.df, replications=self.bootstrap, seed=self.settings.seed,
                executor=self.settings.executor, progress=shown,
            )  # fmt: skip
            self._keep(self.bootstraps, k, run(f"the bootstrap test of {k} classes", made))
        if self.sample is not None:
            made = partial(_posterior, fits[k], self.df, {"progress": shown, **self.sample})
            self._keep(self.posteriors, k, run(f"the posterior of {k} classes", made))
        return not self.steps.interrupted

    def _keep(self, where: dict[int, Any], k: int, made: Any) -> None:
        if made is not None:
            where[k] = made


def _posterior(fit: Fit, df: pd.DataFrame, settings: Mapping[str, Any]) -> xr.DataTree:
    from bayesmix.bayes.sampling import sample

    return sample(fit, df, **settings)


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
    """The model with another number of classes of the variable `name`, and of those that share parameters with it.

    One class has no random logits.
    """
    if name not in [c.name for c in model.classes]:
        raise ValueError(f"No class variable '{name}'; there are {', '.join(c.name for c in model.classes) or 'none'}.")
    names = next(g for g in sharing(model) if name in g)
    if bound := next((b for k in sorted(names) if (b := _bound(model, k))), None):
        raise ValueError(
            f"'{bound}' holds a random effect for each class of '{name}': give a function of the number of "
            "classes instead of the model, e.g. lambda k: bm.models.lca(items, k, cluster='school')."
        )
    if any(c.stays and name == c.stays[1] for c in model.classes):
        raise ValueError(
            f"Members of the last class of '{name}' stay in theirs, which another number of classes does not keep: "
            "give a function of the number of classes, lambda k: bm.models.lta(waves, 2, chain_classes=k, ...)."
        )
    out = replace(model, classes=tuple(replace(c, size=size) if c.name in names else c for c in model.classes))
    for k in (c.name for c in model.classes if c.name in names and size == 1):
        out = _without_random_logits(out, k)
    return out


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
    names = {t.parameter.name for part in (*classes, *kept, *model.responses) for t in part.terms}
    held = model.constraints.among(names)
    return replace(model, classes=classes, effects=tuple(kept), constraints=held)


def _splits(rows: Dataset, name: str, simpler: Fit | None, settings: Settings) -> list[Array]:
    """:func:`from_simpler` of a fit, where there is one and it is sound."""
    if simpler is None or simpler.collapsed:
        return []
    values = {str(k): v.values for k, v in simpler.params.items()}
    return from_simpler(rows, name, values, simpler.info["classes"], settings)


def _shown(x: float, digits: int) -> str:
    """Write a number; a large factor in powers of ten."""
    return f"{x:.1e}" if LARGE < abs(x) < np.inf else number(x, digits)


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
    vuongs, bootstraps : dict of int to VuongTest, BootstrapTest
        Tests of so many classes against one less, where they were asked for.
    posteriors : dict of int to xarray.DataTree
        Posteriors, where they were asked for.
    lost : dict of str to str
        What could not be made, and why.

    Examples
    --------
    >>> found = bm.enumerate_classes(model, df, [1, 2], starts=2, rounds=1, progress=False)
    >>> list(found.table.index), found[2].info["classes"]
    ([1, 2], {'C': 2})
    """

    fits: Mapping[int, Fit]
    name: str
    n: SampleSize = "individuals"
    vuongs: Mapping[int, VuongTest] = field(default_factory=dict)
    bootstraps: Mapping[int, BootstrapTest] = field(default_factory=dict)
    posteriors: Mapping[int, xr.DataTree] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """Log-likelihood, parameters, criteria, entropy, smallest class, replications; tests and posteriors if made.

        With n the sample size, p parameters and d = -2 log L the criteria are AIC d + 2p, BIC d + p log n, aBIC, AIC3
        d + 3p, CAIC d + p (log n + 1) (Bozdogan 1987), AWE d + 2p (log n + 1.5) (as Masyn 2013 gives it; Banfield and
        Raftery 1993 add twice the entropy), ICL, the BIC plus twice the sum over units of their entropy (Biernacki,
        Celeux and Govaert 2000). `BF` approximates the Bayes factor against a class more, exp of half the difference
        of the BIC, and `cmP` the probability of each number among these (Masyn 2013). `VLMR p`, `LMR p` and `BLRT p`
        are of the tests against a class less, `elpd_loo` and `log_marginal` of the posteriors.

        Log-likelihood and criteria are missing where every start collapsed: they would mean nothing.
        """
        return self._table

    @cached_property
    def _table(self) -> pd.DataFrame:
        of = {
            k: {
                "loglik": np.nan if f.collapsed else f.loglik,
                "parameters": f.n_parameters,
                "entropy": f.class_entropy(self.name) if self._of_units(f) else float("nan"),
                "smallest class": self._smallest(f),
                "replicated": f.replicated,
            }
            for k, f in self.fits.items()
        }
        own = pd.DataFrame.from_dict(of, orient="index").rename_axis("classes")
        more = criteria(self.fits, {k: self._total_entropy(f) for k, f in self.fits.items()}, self.n)
        first = ["AIC", "BIC", "aBIC"]
        out = pd.concat(
            [own[["loglik", "parameters"]], more[first], own[own.columns[2:]], more.drop(columns=first)], axis=1
        )
        for column, found in (("VLMR p", "p"), ("LMR p", "adjusted_p")):
            if self.vuongs:
                out[column] = pd.Series({k: getattr(t, found) for k, t in self.vuongs.items()}, dtype=float)
        if self.bootstraps:
            out["BLRT p"] = pd.Series({k: t.p for k, t in self.bootstraps.items()}, dtype=float)
        return out.join(self._of_posteriors)

    @cached_property
    def _of_posteriors(self) -> pd.DataFrame:
        """Leave-one-out and marginal likelihoods of the posteriors, as far as they have them."""
        rows: dict[int, dict[str, float]] = {}
        for k, post in self.posteriors.items():
            import arviz as az

            loo: Any = az.loo(post)
            rows[k] = {"elpd_loo": float(loo.elpd), "elpd_loo_se": float(loo.se)}
            if "log_marginal_likelihood" in Estimates.of(post).settings:
                rows[k]["log_marginal"] = log_marginal_likelihood(post).value
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def choices(self) -> dict[str, int | None]:
        """How many classes each criterion would choose; None where it would choose more than there are.

        Tests choose the smallest number that a class more does not improve significantly (5%), one at a time; the
        Bayes factor the smallest that is preferred to a class more by a factor of 3.
        """
        return choices(self.table)

    def _total_entropy(self, f: Fit) -> float:
        """The sum over units of the entropy of their posterior probabilities of the class that was varied."""
        size = next((c.size for c in f.model.classes if c.name == self.name), 1)
        if size < 2:
            return 0.0
        if not self._of_units(f):
            return float("nan")
        of_clusters = "row" not in f.classes[f"{self.name}_posterior"].dims
        units = f.sample_size("clusters" if of_clusters else "individuals")
        return float((1 - f.class_entropy(self.name)) * units * np.log(size))

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
        notes = ["Column `smallest`: the smallest class.", self._chosen()]
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
        if self.lost:
            notes.append("Could not be made: " + "; ".join(f"{k} ({why})" for k, why in self.lost.items()) + ".")
        further = [c for c in FURTHER if c in table and table[c].notna().any()]
        shown = [(str(k), *(_shown(r[c], FURTHER[c]) for c in further)) for k, r in table.iterrows()]
        body = [make_table(head, rows, left=0), make_table(("classes", *further), shown, left=0), "\n".join(notes)]
        return [Section(f"Class enumeration: {one.info.get('model')}", body)]

    def _chosen(self) -> str:
        """What each criterion would choose, in words: they need not agree."""
        by_number: dict[str, list[str]] = {}
        largest = max(self.fits)
        for name, k in self.choices.items():
            by_number.setdefault(f"{k} classes" if k else f"more than {largest} classes", []).append(name)
        if not by_number:
            return "No criterion chooses: every start collapsed."
        said = "; ".join(f"{k}: {', '.join(names)}" for k, names in sorted(by_number.items()))
        agree = "All agree on" if len(by_number) == 1 else "They differ."
        return f"{agree} {said}."

    def __repr__(self) -> str:
        return self.table.round(3).to_string()

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html()
