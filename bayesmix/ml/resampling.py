"""The bootstrap: clusters (or individuals) drawn with replacement, as weights of the same data.

A resampled data set is the same data with other weights, so that nothing is prepared or compiled
again and no category or cluster can get lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import whole
from bayesmix.data import Dataset, Priors, checked
from bayesmix.data.identity import check_same, identity
from bayesmix.graph import adapt_nodes, posterior
from bayesmix.ml.objective import Target
from bayesmix.ml.search import LONG, Start, Task, run_start
from bayesmix.ml.starts import ranges
from bayesmix.parallel import finished, run_all
from bayesmix.results import Fit
from bayesmix.spec import Prior, refuse_survey
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array


@dataclass(frozen=True)
class Bootstrap:
    """Replications of a fit.

    Attributes
    ----------
    draws : xarray.Dataset
        Parameters and derived quantities of every replication (dim `replication`).
    fit : Fit
        The solution on the data as they are.
    failed : int
        Replications that failed, or in which a residual SD collapsed; they are left out.

    Examples
    --------
    >>> resampled = bm.bootstrap(fit, df, replications=4, progress=False)
    >>> resampled.se["class_logit"].dims
    ('C',)
    """

    draws: xr.Dataset
    fit: Fit
    failed: int

    @property
    def se(self) -> xr.Dataset:
        """Standard deviations over the replications."""
        return self.draws.std("replication", ddof=1)

    def interval(self, probability: float = 0.95) -> xr.Dataset:
        """Percentile intervals (dim `end`: lower, upper)."""
        tail = (1 - probability) / 2
        out = self.draws.quantile([tail, 1 - tail], "replication").rename(quantile="end")
        return out.assign_coords(end=["lower", "upper"])


def bootstrap(
    fit: Fit,
    df: pd.DataFrame,
    *,
    priors: Priors | None = None,
    replications: int = 200,
    seed: int = 0,
    executor: Executor | None = None,
    progress: bool = True,
) -> Bootstrap:
    """Refit a model to resampled clusters, or to resampled individuals of a single-level model.

    Parameters
    ----------
    fit : Fit
        The solution; every replication starts from it and has its labels.
    df : pandas.DataFrame
        Its data.
    priors : mapping of str to Prior, or "default", optional
        Those of the fit, where it has some.
    replications : int
        Data sets, each with as many clusters (individuals) as there are.
    seed : int
        The replications follow from it, whatever the number of workers.
    executor : concurrent.futures.Executor, optional
        Where they run. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal). Ctrl-C keeps what is finished.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ValueError
        Fewer than two replications, a seed that is none, or other data or other priors than those of the fit.
    KeyboardInterrupt
        Interrupted before two replications were finished.

    Examples
    --------
    >>> resampled = bm.bootstrap(fit, df, replications=4, progress=False)
    >>> "class_logit" in resampled.interval(0.9)
    True
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"The fit came as {type(fit).__name__}, expected what bm.fit returns: bm.bootstrap(fit, df).")
    whole("replications", replications, 2)
    whole("seed", seed, 0)
    model = fit.model
    refuse_survey(
        model.survey,
        "The bootstrap",
        "rows that are drawn alike are no replication of such a sample, and the fit has errors of the design already; "
        "for a bootstrap of primary sampling units give its replicate weights, bm.survey(..., replicate_weights=, "
        "method='bootstrap').",
    )
    data = Target.of(Dataset.encode(model, df), fit.nodes)
    check_same(fit.info, {"identity": identity(data)}, ("The fit", "the data"))
    data = replace(data, priors=checked(priors, model), smallest_sd=fit.info["smallest_sd"])
    check_priors(data.priors, fit)
    theta = data.pack({p.name: fit.params[p.name].values for p in model.parameters})
    data, limits = adapt_nodes(data, theta), ranges(data)
    weights = _weights(data, np.random.default_rng(seed), replications)
    tasks = [Task(data.bare().with_weights(w), limits, Start(k, theta), LONG, None) for k, w in enumerate(weights)]
    done = finished(run_all(run_start, tasks, executor), replications, "replications", progress)
    good = sorted((s for s in done if np.isfinite(s.loglik) and not s.collapsed), key=lambda s: s.seed)
    return Bootstrap(_draws(data, [s.theta for s in good], fit), fit, len(done) - len(good))


def check_priors(priors: Mapping[str, Prior], fit: Fit) -> None:
    """Refuse other priors than those of a fit.

    Raises
    ------
    ValueError
        Which it has, and which came.
    """
    known, came = fit.info["priors"], {k: str(p) for k, p in priors.items()}
    if known != came:
        raise ValueError(
            f"The fit has {_in_words(known)}, and the bootstrap came with {_in_words(came)}: give those of the fit."
        )


def _in_words(priors: Mapping[str, str]) -> str:
    return f"priors of {', '.join(f'{k}: {p}' for k, p in priors.items())}" if priors else "no priors"


def _weights(data: Target, rng: np.random.Generator, replications: int) -> list[Array]:
    """How often each cluster, or each individual of a pattern, is drawn."""
    if data.clusters is not None:
        n = len(data.clusters)
        return [np.bincount(rng.integers(0, n, n), minlength=n).astype(float) for _ in range(replications)]
    share = data.counts / data.counts.sum()
    return [rng.multinomial(data.n_individuals, share).astype(float) for _ in range(replications)]


def _draws(data: Target, thetas: list[Array], fit: Fit) -> xr.Dataset:
    """Natural parameters of the replications in the labels of the fit, and what follows from them."""
    names = [p.name for p in data.model.parameters]
    values, data = data.natural(np.array(thetas)), data.on_user_scale()
    values, _ = labels.relabel(data.model, values, {n: fit.params[n].values for n in names})
    out = {n: (("replication", *fit.params[n].dims), v) for n, v in values.items()}
    values |= {p.name: p.domain.reachable(values[p.name]) for p in data.model.parameters}
    each = [data.packing.pack({n: v[k] for n, v in values.items()}) for k in range(len(thetas))]
    out |= posterior.tables_of(data, np.array(each), ("replication",))
    return xr.Dataset(out, coords=fit.params.coords.merge(fit.derived.coords).coords)
