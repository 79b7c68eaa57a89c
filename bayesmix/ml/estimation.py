"""Maximum likelihood: from a model and data to a :class:`~bayesmix.results.fit.Fit`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayesmix.data import Dataset, Priors, checked, stated, with_gaps_normal
from bayesmix.graph import FINE, audit_nodes, check_gradient, finer, with_methods
from bayesmix.ml.assemble import assemble, at_end
from bayesmix.ml.neighbours import MOST_SOLVED, Split, detours, different_ends, simpler_starts
from bayesmix.ml.objective import SMALLEST_SD, Target
from bayesmix.ml.polish import Optimum, as_searched, polish_maximum
from bayesmix.ml.search import (
    RARE,
    Search,
    Start,
    collapsed,
    mostly_collapse,
    ranked,
    sound,
    times_reached,
    uncertain,
)
from bayesmix.ml.settings import Settings
from bayesmix.ml.starts import ranges
from bayesmix.parallel import Steps, quietly
from bayesmix.results import Fit
from bayesmix.spec import Constraints, Model, Nodes, check_model, survey
from bayesmix.typing import Array

DETOURS = 8
"""How often, at most, a search goes by way of one class more."""


def fit(
    model: Model,
    df: pd.DataFrame,
    *,
    starts: int = 20,
    finals: int = 5,
    rounds: int = 4,
    seed: int = 0,
    nodes: Nodes | None = None,
    start: Fit | Mapping[str, Any] | Sequence | None = None,
    like: Fit | Mapping[str, Any] | None = None,
    priors: Priors | None = None,
    standard_errors: Literal["robust", "hessian"] | None = None,
    mode: str | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    simpler: bool = True,
    budget: float = 10.0,
    smallest_sd: float = SMALLEST_SD,
    weights: str | None = None,
    strata: str | None = None,
    psu: str | None = None,
    cluster_weights: str | None = None,
    missing_covariates: Literal["normal"] | None = None,
) -> Fit:
    """Estimate a model by maximum likelihood.

    Parameters
    ----------
    model : Model
        What a template returns.
    df : pandas.DataFrame
        One row an individual.
    starts, finals : int
        Random starts that are run for a few iterations, and how many of the best go on to
        convergence.
    rounds : int
        While the best log-likelihood has been reached only once, so many rounds of `starts`, whatever time they take;
        beyond them as many as `budget` has time for. With 1 there is one round, and no way by one class more.
    seed : int
        The starts and everything after follow from it; how long a search goes on, from `budget` too.
    nodes : Nodes, optional
        How random effects are integrated.
    start : Fit, mapping or sequence of these, optional
        Further starts: natural parameters by name.
    like : Fit or mapping, optional
        Natural parameters by name, or those of them that tell classes apart: classes come in their order,
        matched by linear assignment, and standard errors with them. Left out: largest first.
    priors : mapping of str to Prior, or "default", optional
        Penalised maximum likelihood: the log density of these parameters is added to what is maximised, e.g.
        ``{"guessing": bm.Prior("Beta", alpha=5, beta=17)}``. ``"default"`` stands for the priors of
        :func:`bayesmix.prior_table`, of one parameter or of all: the mode of the posterior of
        :func:`bayesmix.sample`. `loglik` and the criteria are without it, the values of the starts with it.
    standard_errors : {"robust", "hessian"}, optional
        Sandwich from unit (cluster) scores, or inverse Hessian. Left out, robust; with priors, of which the scores
        know nothing, the inverse Hessian.
    mode : str, optional
        The engine of the search. Left out, "NUMPY": programs of plain array operations, kept on disk, which need no
        compiler. "JAX" compiles them (seconds for each shape of data), "NUMBA" and "C" are PyTensor's (minutes for
        numba). What comes once, at the end, is on NumPy always.
    executor : concurrent.futures.Executor, optional
        Where the starts run. Left out: here, or in processes when they would take long.
    progress : bool
        Show a bar with the time left (on a terminal).
    simpler : bool
        Whether solutions of simpler models are among the starts: without random effects, of one class less.
    budget : float
        Seconds that a search may take to look for what it has not seen yet, once the best value is replicated: further
        rounds of starts, and ways by one class more (these up to four times as long where most starts collapse). What
        is found unreplicated is searched on for all `rounds`.
        With 0, or with ``inf``, which ends after ten times `rounds`, a search is the same on every machine.
    smallest_sd : float
        Where residual SDs vary over classes, their floor as a share of the item's SD: without one a class of a few
        equal answers has an infinite likelihood. Of rounded answers the floor is the SD of a value between two
        neighbouring ones, where that is larger (a quarter of the item's SD at most). A start that ends there has
        collapsed, and ranks behind every sound one.
    weights, strata, psu, cluster_weights : str, optional
        Columns of the design of a survey: the model is then ``bm.survey(model, weights=..., strata=...)``, where more
        can be said; sandwich errors are those of the design.
    missing_covariates : {"normal"}, optional
        What is done about covariates that some rows miss. Left out, they are refused. ``"normal"``: they become
        variables of the model with a normal distribution given the complete ones, as Mplus has it of covariates that
        are mentioned in the model, and all rows stay: the model of the fit is then ``bm.with_covariates(model, ...)``,
        where more can be said, with the covariates that have gaps here. The log-likelihood is that of items and these
        covariates, and does not compare with that of a fit in which they are given.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError, TypeError
        Bad data or settings, before any computation.
    RuntimeError
        Every start failed.
    KeyboardInterrupt
        Interrupted before any start was finished; later, the finished ones are kept.

    Examples
    --------
    >>> fit = bm.fit(bm.models.lca(["a", "b", "c", "d"], 2), df, starts=2, rounds=1, progress=False)
    >>> list(fit.class_counts("C").index)
    [1, 2]
    """
    settings = Settings(
        starts, finals, rounds, seed, nodes, start, like, priors, standard_errors, mode, executor, progress, simpler,
        budget, smallest_sd,
    )  # fmt: skip
    if any(c is not None for c in (weights, strata, psu, cluster_weights)):
        check_model(model)
        if model.survey:
            raise ValueError(
                f"The model has the design of a survey already ({model.survey.words}), and more came beside it: "
                "declare all of it by bm.survey."
            )
        model = survey(model, weights=weights, strata=strata, psu=psu, cluster_weights=cluster_weights)
    if missing_covariates is not None:
        if missing_covariates != "normal":
            raise ValueError(
                f"missing_covariates came as {missing_covariates!r}: give 'normal', or leave it out, which refuses "
                "rows that miss covariates."
            )
        model = with_gaps_normal(model, df)
    return estimate(Dataset.encode(model, df), settings)


def estimate(rows: Dataset, settings: Settings) -> Fit:
    """Estimate the model of encoded rows by maximum likelihood, as :func:`fit` says."""
    search, order, steps = _search(rows, settings)
    top, found = _maximum(search, order, steps)
    audit = steps.run("the audit of the nodes", partial(audit_nodes, top.data, top.theta), {})
    while settings.nodes is None and abs(audit.get("audit", 0.0)) > FINE and (better := finer(search.data)):
        found = search.again(with_methods(search.data, better), found)
        top, found = _best(search.data, found, order, steps)
        audit = steps.run("the audit of the nodes", partial(audit_nodes, top.data, top.theta), {})
    return assemble(top, found, search, audit, steps)


def maximum(rows: Dataset, settings: Settings) -> tuple[Optimum, list[Start], Steps]:
    """The maximum, without what is made of it for a reader; the starts, the best first; what failed.

    Nodes are taken as they are, without an audit.

    Raises
    ------
    RuntimeError
        Every start failed.
    KeyboardInterrupt
        Interrupted: what is not searched to the end is no maximum.
    """
    search, order, steps = _search(rows, settings)
    top, found = _maximum(search, order, steps)
    if search.interrupted:
        raise KeyboardInterrupt
    return top, found, steps


def _search(rows: Dataset, settings: Settings) -> tuple[Search, dict[str, Array] | None, Steps]:
    """Prepare a search: what is climbed, the order of the classes that is wanted, given starts and simpler ones."""
    target = checked_target(rows, settings)
    order, (split, given) = _pivot(settings.like, target), _starts(settings, target)
    began, steps = time.perf_counter(), Steps()
    if settings.simpler:
        make = partial(simpler_starts, target, settings.seed, split, settings.executor, settings.progress)
        given += steps.attempt("starts from simpler models", make, [])
    search = Search(target, settings, given)
    search.seconds = time.perf_counter() - began
    return search, order, steps


def checked_target(rows: Dataset, settings: Settings) -> Target:
    """What a search climbs; what rows or settings cannot be is refused here, and not start by start."""
    if rows.sampling is not None:
        _check_design(settings)
    target = Target.of(rows, settings.nodes)
    check_gradient(target.nodes)
    target = replace(target, priors=checked(settings.priors, target.model), smallest_sd=settings.smallest_sd)
    stated(target.on_user_scale(), target.priors)
    return target


def _check_design(settings: Settings) -> None:
    """Refuse what has no meaning under the design of a survey."""
    if settings.priors:
        raise ValueError(
            "priors= came with the design of a survey: a pseudo log-likelihood and a prior make no posterior, and "
            "errors of the design know nothing of priors; leave one of them out."
        )
    if settings.standard_errors == "hessian":
        raise ValueError(
            "standard_errors='hessian' came with the design of a survey: the inverse Hessian of a pseudo "
            "log-likelihood is no covariance matrix; leave it out for the errors of the design."
        )


def _maximum(search: Search, order: dict[str, Array] | None, steps: Steps) -> tuple[Optimum, list[Start]]:
    """Search, and take the best start to its maximum."""
    found = search.run()
    found = _by_detours(search, found, search.settings.seed, steps) if search.settings.rounds > 1 else found
    if not any(np.isfinite(s.loglik) or np.isfinite(s.short) for s in found):
        raise RuntimeError(
            f"All {len(found)} starts failed ({found[0].status if found else 'none ran'}): check the scale of the "
            "covariates, or take fewer classes."
        )
    return _best(search.data, ranked(found), order, steps)


def _starts(settings: Settings, target: Target) -> tuple[Split, list[tuple[str, Array]]]:
    """Take apart what was handed in as `start`, and add a start from classes of individuals."""
    start = settings.start
    split = start if isinstance(start, Split) else Split()
    given = [("simpler model", t) for t in split.points]
    given += [("given", t) for t in _given(None if split is start else start, target)]
    return split, given + [("simpler model", t) for t in _from_classes(target, settings)]


def _best(
    data: Target, found: list[Start], order: dict[str, Array] | None, steps: Steps
) -> tuple[Optimum, list[Start]]:
    """The maximum of the best start; one whose last steps let a residual SD collapse ranks behind all that are sound.

    From a class that nobody is in, where a search may stop, they may lead to one of a few equal answers.
    """
    while True:
        top = _polished(data, found[0], order, steps)
        gone = collapsed(data, ranges(data), top.theta)
        if not gone:
            return top, found
        before, found = found[0], ranked([at_end(data, found[0], top), *found[1:]])
        if before.collapsed:
            return top, found


def _polished(data: Target, best: Start, order: dict[str, Array] | None, steps: Steps) -> Optimum:
    """The maximum to the last digit, classes in order; the point that the search ended at where that fails."""
    top = steps.run("the last digits and the order of the classes", partial(polish_maximum, data, best.theta, order))
    return top or as_searched(data, best.theta)


def _by_detours(search: Search, found: list[Start], seed: int, steps: Steps) -> list[Start]:
    """Further starts by way of one class more, while there may be a better end and there is time.

    Interrupted, or where the way fails, what was found before stays.
    """
    for k in range(DETOURS):
        left = search.left + (RARE - 1) * search.settings.budget * mostly_collapse(found)
        if search.interrupted or left <= 0 or not (uncertain(search.data, found) or mostly_collapse(found)):
            break
        before = different_ends(found)[: MOST_SOLVED if mostly_collapse(found) else 1]
        began = time.perf_counter()
        way = partial(detours, search.data, before, seed + 1000 * k, search.executor, search.settings.progress)
        try:
            points = steps.attempt("starts by way of one class more", way, [])
        except KeyboardInterrupt:
            search.interrupted = True
            warnings.warn("Interrupted: going on with the starts that are finished.", stacklevel=4)
            break
        finally:
            search.seconds += time.perf_counter() - began
        if not points:
            break
        found = search.more(points, found)
        same = bool(before) and sound(found)[0].theta is before[0]
        if same and times_reached(found) > 1:
            break
    return found


def _given(start, data: Target) -> list[Array]:
    """Starts handed in, as points of theta."""
    if start is None:
        return []
    several = start if isinstance(start, Sequence) and not isinstance(start, str) else [start]
    out = []
    for one in several:
        out.append(data.pack({str(k): np.asarray(v) for k, v in _by_name(one, "start").items()}))
    return out


def _by_name(values: Any, setting: str) -> Mapping[Any, Any]:
    """Parameters by name, of a fit or as they came.

    Raises
    ------
    TypeError
        They are no mapping.
    """
    if isinstance(values, Fit):
        return values.params
    if not isinstance(values, Mapping):
        raise TypeError(
            f"{setting}= came as {values!r}, expected a fit, or values of its parameters by name: give one of these, "
            "such as fit.params."
        )
    return values


def _pivot(like: Fit | Mapping[str, Any] | None, data: Target) -> dict[str, Array] | None:
    """Parameters whose order of the classes is wanted."""
    if like is None:
        return None
    known = {p.name: data.packing.shape(p) for p in data.model.parameters}
    values = {str(k): np.asarray(v) for k, v in _by_name(like, "like").items()}
    for name, x in values.items():
        if name not in known:
            raise ValueError(f"like= came with '{name}'; the parameters are {', '.join(known)}: name these.")
        if x.shape != known[name]:
            raise ValueError(f"like= came with '{name}' of shape {x.shape}, expected {known[name]}: give it so.")
    for p in (p for p in data.model.parameters if p.name in values):
        data.packing.check_fixed(p, values[p.name])
    return values


def _from_classes(data: Target, settings: Settings) -> list[Array]:
    """For classes of items a start from classes of individuals, as section 7 of the 2006 paper advises.

    What responses load on stays: grades of membership start from a latent class model, with factors from a factor
    mixture.
    """
    model = data.model
    own = {e.name for e in model.effects_at("individual") if e.column is None}
    predictors = [t for c in model.classes_at("item") for t in c.predictor]
    if not predictors or any(r.item_dim in t.parameter.dims for r in model.responses for t in predictors):
        return []
    classes = tuple(
        replace(c, level="individual", predictor=tuple(t for t in c.predictor if not set(t.effects) & own))
        for c in model.classes
        if c.level == "item"
    )
    used = {e for r in model.responses for t in r.terms for e in t.effects}
    effects = tuple(e for e in model.effects if e.level == "cluster" or e.name in used or e.column)
    classes = (*model.classes_at("cluster"), *classes)
    plain = replace(model, classes=classes, effects=effects, constraints=Constraints())
    with quietly():
        few = Settings(
            5, 2, 1, settings.seed, settings.nodes, executor=settings.executor, progress=settings.progress,
            smallest_sd=data.smallest_sd,
        )  # fmt: skip
        simple = estimate(data.rows.under(plain), few)
    values = data.natural(ranges(data).center)
    return [data.pack(data.packing.near(values | {p.name: simple.params[p.name].values for p in plain.parameters}))]
