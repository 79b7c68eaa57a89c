"""Replicated data: drawn from a fit and fitted again, or those of a posterior; what is computed of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.bayes.observed import Replicates, responses, rows_of
from bayesmix.checks import whole
from bayesmix.data import Coding, Dataset, Priors, as_frame, check_same, checked
from bayesmix.data.identity import identity
from bayesmix.goodness.judged import Judged, answered_rows
from bayesmix.layout import p_value
from bayesmix.ml import Start, Target, ranges
from bayesmix.ml.resampling import check_priors
from bayesmix.ml.search import LONG, Task, run_start
from bayesmix.parallel import finished, run_all
from bayesmix.results import RESPONSES, Estimates, Fit
from bayesmix.spec import Nodes, from_text
from bayesmix.typing import Array

NO_BOOTSTRAP = (
    "data that are drawn from the model are no sample by the design; leave it out: p values are corrected for the "
    "design."
)
Statistics = Callable[[Judged], Array]
"""What is computed of data at parameters: a number, or several."""


@dataclass(frozen=True)
class Replicated:
    """What replications gave.

    Attributes
    ----------
    values : array (replication, ...)
        Of replicated data at parameters that were estimated from them, or at a draw.
    observed : array (...) or (replication, ...)
        Of the data: at the fit, or at each draw.
    failed : int
        Replications that failed, or in which a residual SD collapsed; they are left out.
    asked : int
        How many were wanted.
    """

    values: Array
    observed: Array
    failed: int
    asked: int

    @property
    def n(self) -> int:
        """Replications that count."""
        return len(self.values)

    @property
    def p(self) -> Array:
        """How many replications have a value as large as the data: (1 + k) / (1 + n) of a fit, k / n of draws.

        The former is the bootstrap's, Davison and Hinkley (1997), equation (4.11); the latter the posterior predictive
        p value of Meng (1994).
        """
        slack = 1e-9 * np.maximum(np.abs(self.observed), 1.0)
        larger = (self.values >= self.observed - slack).sum(axis=0)
        draws = self.observed.ndim == self.values.ndim
        out = larger / max(self.n, 1) if draws else (1 + larger) / (1 + self.n)
        unknown = np.isnan(self.observed).all(axis=0) if draws else np.isnan(self.observed)
        return np.where(unknown, np.nan, out)


def share_of(p: float, n: int) -> str:
    """A p value of `n` replications: none as large is less than one of them."""
    return f"<{1 / n:.3f}" if p == 0 and n else p_value(p)


@dataclass(frozen=True)
class _Replication:
    """One replication, and all that is needed to run it anywhere."""

    replicates: Replicates
    target: Target
    nodes: Mapping[str, Nodes]
    params: Mapping[str, Array]
    seed: tuple[int, int]
    statistics: Statistics


def refitted(
    fit: Fit,
    judged: Judged,
    statistics: Statistics,
    *,
    replications: int,
    seed: int = 0,
    priors: Priors | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Replicated:
    """Draw data sets from a fit, fit each again from its parameters, and compute statistics of it.

    Raises
    ------
    ValueError
        A number of replications or a seed that is none, other priors than those of the fit.
    KeyboardInterrupt
        Interrupted before two replications were finished.
    """
    whole("bootstrap", replications, 2)
    whole("seed", seed, 0)
    data = judged.data
    known = checked(priors, data.model)
    check_priors(known, fit)
    target = replace(Target.of(data.rows, data.nodes or None), priors=known, smallest_sd=fit.info["smallest_sd"])
    made, params = Replicates(data), {p.name: fit.params[p.name].values for p in data.model.parameters}
    tasks = [
        _Replication(made, target, data.nodes, params, (seed, k), statistics) for k in range(replications)
    ]  # fmt: skip
    observed = np.asarray(statistics(judged), dtype=float)
    done = finished(run_all(_replicate, tasks, executor), replications, "replications", progress)
    good = [x for _, x in sorted(done, key=lambda pair: pair[0]) if x is not None]
    if not good:
        raise RuntimeError(f"All {len(done)} replications failed: the model cannot be fitted to data of its own kind.")
    return Replicated(np.array(good), observed, len(done) - len(good), replications)


def _replicate(task: _Replication) -> tuple[tuple[int, int], Array | None]:
    """Draw, fit and compute; None where that fails."""
    rng, target = np.random.default_rng(task.seed), task.target
    rows, _ = rows_of(target)
    y = task.replicates(task.params, rng).reshape(len(rows), -1)
    drawn = answered_rows(target.rows, rows, y)
    try:
        own = Target.of(drawn, task.nodes or None)
        own = replace(own, priors=target.priors, smallest_sd=target.smallest_sd)
        begin = Start(task.seed[1], own.pack(task.params))
        end = run_start(Task(own, ranges(own), begin, LONG, None))
        if not np.isfinite(end.loglik) or end.collapsed:
            return task.seed, None
        return task.seed, np.asarray(task.statistics(Judged.at(drawn, task.nodes, own.natural(end.theta))), dtype=float)
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return task.seed, None


# draws of a posterior -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Draws:
    """A posterior with replicated data, and the data themselves.

    Attributes
    ----------
    judged : Judged
        The data at the first of the draws.
    nodes : mapping of str to Nodes
    params : list of dict
        Natural parameters of each draw that has replicated data.
    y : array (draw, row, item)
        Replicated answers.
    """

    judged: Judged
    nodes: Mapping[str, Nodes]
    params: Sequence[Mapping[str, Array]]
    y: Array

    @classmethod
    def of(cls, post: xr.DataTree, df: pd.DataFrame) -> Draws:
        """Read a posterior.

        Raises
        ------
        ValueError
            It has no replicated data, does not say how its data were coded, or is of other data.
        """
        known = Estimates.of(post)
        model, settings = known.model, known.settings
        if "coding" not in settings:
            raise ValueError(
                "The posterior does not say how its data were coded: it is of an earlier version; sample again with "
                "bm.sample."
            )
        if "posterior_predictive" not in post.children or RESPONSES not in post["posterior_predictive"]:
            raise ValueError(
                "The posterior has no replicated data (group 'posterior_predictive'), which a posterior predictive p "
                "value is made of: sample again with bm.sample(fit, df, predictive=50)."
            )
        nodes = {k: from_text(v) for k, v in settings.get("about", {}).get("nodes", {}).items()}
        nodes = {k: m for k, m in nodes.items() if model.effects_at(k)}
        rows = Dataset.encode(model, as_frame(df), Coding.of(settings["coding"]))
        names, drawn = [p.name for p in model.parameters], post["posterior"].to_dataset()
        made = post["posterior_predictive"][RESPONSES].transpose("chain", "draw", "row", ...)
        at = drawn[names].sel(chain=made["chain"], draw=made["draw"])
        values = {p.name: at[p.name].transpose("chain", "draw", *p.dims).values for p in model.parameters}
        each = [{k: x[i] for k, x in values.items()} for i in np.ndindex(made.shape[:2])]
        judged = Judged.at(rows, nodes, each[0])
        check_same(settings, {"identity": identity(judged.data)}, ("The posterior", "the data"))
        n = len(rows_of(judged.data)[0])
        return cls(judged, nodes, each, made.values.reshape(len(each), n, -1).astype(float))

    def over(self, statistics: Callable[[Judged, Judged], tuple[Array, Array]], progress: bool = True) -> Replicated:
        """Statistics of the data and of the replicated ones at each draw."""
        done = finished((statistics(*pair) for pair in self.pairs()), len(self.params), "draws", progress)
        observed, replicated = (np.array(x, dtype=float) for x in zip(*done, strict=True))
        return Replicated(replicated, observed, 0, len(self.params))

    def pairs(self) -> Iterator[tuple[Judged, Judged]]:
        """The data and replicated ones, both at the parameters of a draw."""
        rows, _ = rows_of(self.judged.data)
        own = responses(self.judged.data).astype(float).reshape(len(rows), -1)
        encoded = self.judged.data.rows
        first = Judged.at(answered_rows(encoded, rows, own), self.nodes, self.params[0]).data
        for params, y in zip(self.params, self.y, strict=True):
            theta = first.pack({p.name: params[p.name] for p in first.model.parameters})
            yield Judged(first, theta), Judged.at(answered_rows(encoded, rows, y), self.nodes, params)
