"""The bootstrap likelihood ratio test: how large the ratio is where the smaller model is true."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.bayes.observed import Replicates, rows_of
from bayesmix.checks import whole
from bayesmix.data import Dataset
from bayesmix.data.identity import digest
from bayesmix.enumeration.pairs import checked_pair
from bayesmix.enumeration.splits import from_simpler
from bayesmix.goodness.judged import answered_rows
from bayesmix.graph import Problem
from bayesmix.layout import Section, number, pairs, to_text
from bayesmix.ml import Settings, Split, maximum
from bayesmix.parallel import SerialExecutor, progress_bar, run_all
from bayesmix.results import Fit
from bayesmix.spec import Model, Nodes
from bayesmix.studies import or_failure
from bayesmix.studies.store import Folder, Record
from bayesmix.typing import Array

BELOW = 1e-4
"""A ratio that may lie below zero, which is rounding: the larger model starts from the smaller one's solution too."""


@dataclass(frozen=True, repr=False)
class BootstrapTest:
    """A likelihood ratio beside those of data that were drawn from the smaller model.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    parameters : int
        How many parameters more the larger model has.
    draws : pandas.DataFrame
        A row a drawn data set, in the order of their numbers: `smaller`, `larger` (log-likelihoods), `statistic`; or
        `failed`, the reason.
    asked, enough : int
        How many data sets were asked for, and with how many ratios as large as the statistic the test ends (None: it
        goes on to the last).
    classes : tuple of str
        The two models in words.

    Examples
    --------
    >>> one = bm.fit(bm.models.lca(["a", "b", "c", "d"], 1), df, progress=False)
    >>> found = bm.lr_test(one, fit, df, replications=9, progress=False)
    >>> found.p, found.exceedances
    (0.1, 0)
    """

    statistic: float
    parameters: int
    draws: pd.DataFrame
    asked: int
    enough: int | None
    classes: tuple[str, str] = field(default=("", ""))

    @property
    def exceedances(self) -> int:
        """How many of the drawn ratios are at least as large as the statistic."""
        return int((self._ratios >= self.statistic).sum())

    @property
    def p(self) -> float:
        """The p value.

        Of n draws with x ratios as large as the statistic (x + 1) / (n + 1) (Davison and Hinkley 1997, (4.11)); x / n
        where the test ended with the x-th of them (Besag and Clifford 1991).
        """
        n, x = len(self._ratios), self.exceedances
        return x / n if self.ended_early else (x + 1) / (n + 1)

    @property
    def ended_early(self) -> bool:
        """Whether enough large ratios ended the test."""
        return self.enough is not None and self.exceedances >= self.enough

    @property
    def _ratios(self) -> pd.Series:
        return self.draws["statistic"].dropna()

    def sections(self) -> list[Section]:
        """What is printed."""
        ratios, failed = self._ratios, self.draws["failed"].dropna()
        spread = ", ".join(map(number, (ratios.mean(), ratios.std(), ratios.quantile(0.95))))
        rows = [
            ("models", " against ".join(self.classes)),
            ("twice the difference of log L", number(self.statistic)),
            ("parameters more", str(self.parameters)),
            ("data sets drawn", f"{len(ratios)} of {self.asked}"),
            ("ratios as large", str(self.exceedances)),
            ("p", number(self.p, 4)),
            ("drawn ratios: mean, SD, 95%", spread),
        ]
        notes = []
        if self.ended_early:
            notes.append(f"Ended with the {self.enough}th ratio as large as that of the data (enough={self.enough}).")
        elif len(ratios) + len(failed) < self.asked:
            notes.append("Interrupted: the draws that were finished.")
        if len(failed):
            notes.append(f"{len(failed)} data sets are left out: {failed.iloc[0]}")
        return [Section("Bootstrap likelihood ratio test", [pairs(rows), *notes])]

    def __repr__(self) -> str:
        return str(to_text(self.sections()))


@dataclass(frozen=True)
class Plan:
    """What makes each drawn data set and its two maxima: all of a replication follows from it and its number."""

    rows: Dataset
    smaller: Model
    params: Mapping[str, Array]
    nodes: tuple[Mapping[str, Nodes], Mapping[str, Nodes]]
    name: str
    starts: int
    finals: int
    seed: int
    smallest_sd: float

    @cached_property
    def replicates(self) -> Replicates:
        """What draws answers of the smaller model."""
        return Replicates(Problem.of(self.rows.under(self.smaller)))

    def drawn(self, replication: int) -> Dataset:
        """A row for each individual, with answers that the smaller model gives; what is missing stays so."""
        made = self.replicates
        rows, _ = rows_of(made.data)
        y = made(self.params, np.random.default_rng([self.seed, replication]))
        return answered_rows(self.rows, rows, y.reshape(len(rows), -1))


Job = tuple[Plan, int]


def lr_test(
    smaller: Fit,
    larger: Fit,
    df: pd.DataFrame,
    *,
    replications: int = 100,
    enough: int | None = 10,
    starts: int = 8,
    finals: int = 3,
    seed: int = 0,
    folder: str | Path | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> BootstrapTest:
    """Test a model against one with a class more by the parametric bootstrap (BLRT).

    The ratio of a mixture and one with a class more has no chi-square distribution: the smaller model lies at a
    boundary of the larger one. Data are drawn from the smaller fit, both models fitted to each data set, and the ratio
    of the data compared with theirs (McLachlan 1987). The drawn data have the covariates, clusters and missing answers
    of the data.

    Parameters
    ----------
    smaller, larger : Fit
        Fits to the same rows; the smaller one is a special case of the larger one, such as a class less.
    df : pandas.DataFrame
        The rows.
    replications : int
        Data sets that are drawn, at most.
    enough : int, optional
        The test ends with so many ratios as large as that of the data: p is then far from any level of interest
        (Besag and Clifford 1991). With None all data sets are drawn.
    starts, finals : int
        Random starts of the larger model for each data set, and how many of them run to convergence. It also starts
        from the smaller one's solution with each class split; the smaller model starts from the values that the data
        were drawn from, and from two random ones.
    seed : int
        Every data set follows from it and its number, whatever the number of workers.
    folder : path, optional
        Where every finished data set is kept, at once. A test that was killed goes on from there, and one with more
        `replications` too.
    executor : concurrent.futures.Executor, optional
        Where they run. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal). Ctrl-C keeps what is finished.

    Returns
    -------
    BootstrapTest

    Raises
    ------
    ValueError, TypeError
        The fits are not a pair (other data, other items, priors, collapsed, the larger one lies below), or settings
        that cannot be: before anything is drawn.
    RuntimeError
        No data set could be fitted.
    KeyboardInterrupt
        Interrupted before any data set was finished.

    Examples
    --------
    >>> one = bm.fit(bm.models.lca(["a", "b", "c", "d"], 1), df, progress=False)
    >>> bm.lr_test(one, fit, df, replications=9, progress=False).parameters
    5
    """
    for what, value, least in (
        ("replications", replications, 1),
        ("starts", starts, 1),
        ("finals", finals, 1),
        ("seed", seed, 0),
        *([("enough", enough, 1)] if enough is not None else []),
    ):
        whole(what, value, least)
    _, encoded = checked_pair(smaller, larger, df)
    plan = _planned(smaller, larger, encoded, starts, finals, seed)
    statistic = max(2 * (larger.loglik - smaller.loglik), 0.0)
    kept = Folder(Path(folder)) if folder is not None else None
    if kept:
        kept.describe({"is": _identity(smaller, larger, plan), "info": {"what": "bootstrap likelihood ratio test"}})
    found = {int(r["replication"]): r for r in (kept.records() if kept else ())}
    _run(plan, found, statistic, replications, enough, kept, executor, progress)
    records = _in_order(found, statistic, replications, enough)
    out = pd.DataFrame(records, columns=["replication", "smaller", "larger", "statistic", "failed"])
    out = out.set_index("replication").astype({k: float for k in ("smaller", "larger", "statistic")})
    if not out["statistic"].notna().any():
        raise RuntimeError(f"None of {len(out)} drawn data sets could be fitted: {out['failed'].iloc[0]}")
    if n := int(out["failed"].notna().sum()):
        warnings.warn(f"{n} of {len(out)} drawn data sets are left out: {out['failed'].dropna().iloc[0]}", stacklevel=2)
    more = larger.n_parameters - smaller.n_parameters
    return BootstrapTest(statistic, more, out, replications, enough, (_words(smaller), _words(larger)))


def _words(fit: Fit) -> str:
    """Say how many classes a fit has."""
    sizes = [f"{c.size} classes {c.name}" for c in fit.model.classes]
    return f"{', '.join(sizes) or 'no classes'} ({fit.n_parameters} parameters)"


def _planned(smaller: Fit, larger: Fit, rows: Dataset, starts: int, finals: int, seed: int) -> Plan:
    """Lay out what is drawn of rows that are encoded for the larger model."""
    if not rows.reads(smaller.model):
        raise ValueError(
            "The smaller model reads other columns than the larger one, or reads them otherwise: give a special case."
        )
    grown = next((c.name for c in larger.model.classes if c.size != _size(smaller.model, c.name)), "")
    params = {str(k): np.asarray(v.values) for k, v in smaller.params.items()}
    floor = float(larger.info["smallest_sd"])
    nodes = smaller.nodes, larger.nodes
    return Plan(rows, smaller.model, params, nodes, grown, starts, finals, seed, floor)


def _size(model: Model, name: str) -> int:
    """How many classes of a variable there are; one where there is none."""
    return next((c.size for c in model.classes if c.name == name), 1)


def replicate(job: Job) -> Record:
    """Draw a data set and find both maxima. A failure is a record too, with its reason under `failed`."""
    plan, replication = job
    return {"replication": replication, "position": 0, **or_failure(lambda: _ratio(plan, replication))}


def _ratio(plan: Plan, replication: int) -> dict[str, float]:
    rows = plan.drawn(replication)
    seed = int(np.random.SeedSequence([plan.seed, replication, 1]).generate_state(1)[0])
    settings = Settings(
        2, 2, 1, seed, plan.nodes[0] or None, start=dict(plan.params), executor=SerialExecutor(), progress=False,
        simpler=False, budget=0, smallest_sd=plan.smallest_sd,
    )  # fmt: skip
    few = _highest(rows.under(plan.smaller), settings)
    sizes = {c.name: c.size for c in plan.smaller.classes}
    values = few[1].data.natural(few[1].theta)
    wide = replace(settings, starts=plan.starts, finals=plan.finals, nodes=plan.nodes[1] or None, start=None)
    split = Split(plan.name, from_simpler(rows, plan.name, values, sizes, wide))
    many = _highest(rows, replace(wide, start=split, simpler=True))
    ratio = 2 * (many[0] - few[0])
    if ratio < -BELOW:
        raise RuntimeError(f"the larger model was found {-ratio / 2:.4f} below the smaller one: ask for more starts")
    return {"smaller": few[0], "larger": many[0], "statistic": max(ratio, 0.0)}


def _highest(rows: Dataset, settings: Settings) -> tuple[float, Any]:
    """The maximum of a model, and where it is.

    Raises
    ------
    RuntimeError
        Every start collapsed, or none converged.
    """
    top, found, _ = maximum(rows, settings)
    if found[0].collapsed:
        raise RuntimeError("every start collapsed: a residual SD ran down to its floor")
    return float(top.value), top


def _run(
    plan, found: dict[int, Record], statistic: float, n: int, enough: int | None, kept, executor, progress
) -> None:
    """Fill in the records that are not there yet, until there are enough; interrupted, those that are finished."""
    todo = [(plan, r) for r in range(n) if r not in found]
    if _is_over(found, statistic, n, enough):
        return
    try:
        with progress_bar(progress) as advance:
            tick = advance("bootstrap", len(todo))
            for record in run_all(replicate, todo, executor):
                if kept:
                    kept.keep(record)
                found[int(record["replication"])] = record
                tick()
                if _is_over(found, statistic, n, enough):
                    break
    except KeyboardInterrupt:
        if not any("failed" not in r for r in found.values()):
            raise
        again = "the same call goes on from here" if kept else "with folder= the next call would go on from here"
        warnings.warn(f"Interrupted: {len(found)} of {n} data sets are kept; {again}.", stacklevel=3)


def _is_over(found: Mapping[int, Record], statistic: float, n: int, enough: int | None) -> bool:
    """Whether the records without a gap from the first one on hold enough large ratios."""
    return enough is not None and _large(_in_order(found, statistic, n, enough), statistic) >= enough


def _in_order(found: Mapping[int, Record], statistic: float, n: int, enough: int | None) -> list[Record]:
    """The records that count: up to the one that ends the test, so that it does not depend on who was faster.

    Those behind a gap count where the test was interrupted and did not end.
    """
    out: list[Record] = []
    whole_until = next((r for r in range(n) if r not in found), n)
    for r in range(whole_until):
        out.append(found[r])
        if enough is not None and _large(out, statistic) >= enough:
            return out
    return out + [found[r] for r in range(whole_until, n) if r in found and enough is None]


def _large(records: Sequence[Record], statistic: float) -> int:
    return sum(r.get("statistic", -np.inf) >= statistic for r in records)


def _identity(smaller: Fit, larger: Fit, plan: Plan) -> dict[str, str]:
    """Fingerprint what the drawn ratios follow from."""
    values = [(k, x.tolist()) for k, x in sorted(plan.params.items())]
    return {
        "the models": digest(smaller.info["identity"]["model"], larger.info["identity"]["model"]),
        "the data": smaller.info["identity"]["data"][:16],
        "the values": digest(values),
        "starts": digest(plan.starts, plan.finals, plan.seed, plan.smallest_sd),
        "nodes": digest(*map(str, plan.nodes)),
    }
