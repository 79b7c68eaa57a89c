"""Bayes: the same graph in a `pm.Model`, sampled with NUTS or by importance sampling, as an ArviZ-native DataTree."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from pymc.model.transform.optimization import freeze_dims_and_data

from bayesmix.bayes import mode_weights as heights
from bayesmix.bayes.built import built
from bayesmix.bayes.datatree import PREDICTIVE, assemble, complete_draws, points, whole_draws, with_known
from bayesmix.bayes.importance_draws import Request, drawn
from bayesmix.bayes.node_audit import Audit, audit, better, some
from bayesmix.bayes.observed import NODES, is_sampled
from bayesmix.bayes.pymc_model import Effects, build_from, initial_point, prepared
from bayesmix.bayes.sampler_checks import (
    alone,
    as_built,
    backend_settings,
    check_fit,
    check_method,
    check_sampler,
    check_settings,
)
from bayesmix.data import Dataset, Priors, chosen
from bayesmix.graph import Problem
from bayesmix.ml import Settings, estimate
from bayesmix.parallel import Steps
from bayesmix.results import Fit, model_and_fit, refuse_fit_beside
from bayesmix.spec import NO_POSTERIOR, Model, Nodes, Prior, encode, refuse_survey
from bayesmix.typing import Array

FEW_STEPS, STEPS = 300, 1000
"""Steps of tuning with effects integrated and adaptation of low rank, and else: 200 to 1000 of the former gave as many
effective draws in four models, benchmarks/nuts.py."""


def sample(
    model: Model | Fit | pm.Model | None = None,
    df: pd.DataFrame | None = None,
    *,
    method: Literal["nuts", "importance"] = "nuts",
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int = 0,
    effects: Effects = "integrate",
    nodes: Nodes | None = None,
    priors: Priors | None = None,
    relabel: bool = True,
    predictive: int = PREDICTIVE,
    progress: bool = True,
    pm_model: pm.Model | None = None,
    backend: Literal["jax", "numba"] | None = None,
    **nuts: Any,
) -> xr.DataTree:
    """Sample the posterior with NUTS (nutpie), or by importance sampling.

    Parameters
    ----------
    model : Model or Fit or pymc.Model
        The declaration, or its maximum-likelihood solution: chains start near it, draws are relabelled to it. Of a
        model it is made first, with the priors that came. Other solutions that its search has seen are weighed as
        modes of the posterior (Laplace) and get chains of their own in proportion, or are spoken of. What
        :func:`build` returned, extended or not, knows its model and data: nothing else is needed.
    df, effects, nodes, priors
        As in :func:`build`. Nodes that are left out are audited at draws, and where they are too coarse draws are
        made again with finer ones that stand over these draws.
    method : {"nuts", "importance"}
        With ``"importance"`` points of a proposal that is fitted to the posterior are weighed: draws within seconds,
        and the marginal likelihood (:func:`log_marginal_likelihood`). Where the weights cannot be trusted (a Pareto
        k above 0.7), they are refused. Effects are integrated.
    draws, tune, chains, cores, seed
        Of NUTS. By importance sampling there are at least draws x chains points, from which as many draws of equal
        weight are resampled (systematically: a point comes twice only where its weight is above its share, and then
        next to itself); `tune` and `cores` say nothing. `tune`, the steps before the draws of NUTS, is 300 if left
        out, and 1000 where effects are sampled or `adaptation` is given: chains start near the mode, and with effects
        integrated there are few parameters, whose scales and correlations 300 steps find (more steps gave draws that
        were no more effective).
    relabel : bool
        Match the classes of every draw to the fit, those of a user's variables that have the dim of the classes too;
        the raw draws are kept in `posterior_raw`. A model that was extended so that its density is another one for
        another order of the classes tells them apart by itself: nothing is relabelled then, and this is said.
    predictive : int
        Replicated data sets a chain, each at another draw; 0 for none. Fewer, where they would take more than two
        gigabytes.
    progress : bool
        Show the sampler's progress. Ctrl-C ends sampling; the draws that all chains have are kept.
    pm_model : pymc.Model, optional
        The model of :func:`build`, extended by hand, beside the fit or the model and its data.
    backend : {"jax", "numba"}, optional
        What compiles the graph. JAX needs seconds, numba a minute or two the first time a shape of model
        is met, and is up to twice as fast afterwards. Left out: JAX where it is installed.
    **nuts
        Passed to ``nutpie.sample``.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `posterior_raw`, `sample_stats`, `log_likelihood` (marginal: one value a row, or a cluster
        where there are some), `observed_data`, `posterior_predictive`, `prior_predictive` (each of them with the
        variable ``y`` for all responses: row, item; of one item: row), `log_prior`, `prior`, `constant_data`. By
        importance sampling also `importance`: the points and their log weights, which add up to 1, and the log ratios
        of the densities, whose average is the marginal likelihood.

    Raises
    ------
    ImportanceFailed
        A RuntimeError: the importance weights cannot be trusted. Its attribute `points` holds what was computed.

    Examples
    --------
    >>> post = bm.sample(fit, df, draws=20, tune=20, chains=1, progress=False)
    >>> post["posterior"].sizes["draw"]
    20
    """
    refuse_fit_beside(nuts, "bm.sample(fit, df)")
    check_sampler(draws, tune, chains, seed, cores, predictive)
    check_method(method, effects, backend, nuts, model, pm_model)
    backend_settings(backend)
    if isinstance(model, pm.Model) or (model is None and pm_model is not None):
        pm_model, before = alone(model, df, pm_model)
        check_settings("integrate", nuts, pm_model, priors)
        rows, fit, priors = before.data.rows, before.fit, before.priors
        data: Problem | None = as_built(pm_model, before.data)
        effects = "sample" if any(is_sampled(k, data) for k in data.arrays) else "integrate"
    else:
        model, fit = model_and_fit(cast(Any, model))
        refuse_survey(model.survey, "bm.sample", NO_POSTERIOR)
        check_settings(effects, nuts, pm_model, priors)
        rows, data = Dataset.encode(model, cast(pd.DataFrame, df)), None
        priors = before.priors if pm_model is not None and (before := built(pm_model)) else priors
    encode(rows.model)  # a model that cannot be kept with its draws is refused before they are made
    known = chosen(priors, rows.model)
    given = {k: p for k, p in known.items() if not p.default}
    if fit is not None:
        check_fit(fit, Problem.of(rows, nodes))
    fit = fit or estimate(rows, Settings(nodes=nodes, priors=given, progress=progress))
    if data is None:
        data = prepared(rows, effects, nodes, fit)
        data = data if pm_model is None else as_built(pm_model, data)
    shown: dict[str, Any] = {"nodes": nodes, "relabel": relabel, "predictive": predictive, "seed": seed}
    if method == "importance":
        out = drawn(data, fit, Request(known, priors, draws, chains, seed, nodes is not None, progress))
        return assemble(out.raw, out.made, out.data, fit, said=out.said, about=out.found, weighed=out.points, **shown)
    settings: dict[str, Any] = {"draws": draws, "cores": cores, "seed": seed, "progress_bar": progress}
    settings["tune"] = tune or (FEW_STEPS if effects == "integrate" and "adaptation" not in nuts else STEPS)
    if effects == "integrate":
        settings["adaptation"] = "low_rank"  # few, correlated parameters: three times the effective draws
    run = _Run(data, priors, pm_model, backend, {**settings, **nuts})
    found, split, said = _modes(rows, fit, known if pm_model is None else None, nodes, chains)
    raw, made = run.sampled([(m.values, n) for m, n in zip(found, split, strict=True)])
    if effects == "integrate":
        raw, made, run, more = _mended(raw, made, run, found, split, nodes is not None)
        said += more
    return assemble(raw, made, run.data, fit, said=said, **shown)


@dataclass(frozen=True)
class _Run:
    """What NUTS is run on, and how."""

    data: Problem
    priors: Priors | None
    pm_model: pm.Model | None
    backend: str | None
    settings: Mapping[str, Any]

    def sampled(self, starts: Sequence[tuple[Mapping[str, Array], int]]) -> tuple[xr.DataTree, pm.Model]:
        """Draws of chains from each of the starts (natural parameters, number of chains), and the model."""
        made = self.pm_model or build_from(self.data, self.priors, by_row=False)
        parts: list[xr.DataTree] = []
        for k, (values, chains) in enumerate(s for s in starts if s[1]):
            initial = initial_point(made, self.data, values, self.priors)
            settings = {**self.settings, "chains": chains, "seed": self.settings["seed"] + 1000 * k}
            parts.append(with_known(_nuts(made, initial, self.backend, **settings), made, self.data))
        return (parts[0] if len(parts) == 1 else _together(parts)), made


def _together(parts: Sequence[xr.DataTree]) -> xr.DataTree:
    """The chains of several runs as those of one."""
    first = [0, *np.cumsum([p["posterior"].sizes["chain"] for p in parts])]
    groups = {
        g: xr.concat(
            [p[g].to_dataset().assign_coords(chain=p[g]["chain"] + n) for p, n in zip(parts, first, strict=False)],
            "chain",
            join="outer",
        )
        for g in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()})


def _modes(
    rows: Dataset, fit: Fit, priors: Mapping[str, Prior] | None, nodes: Nodes | None, chains: int
) -> tuple[list[heights.Mode], NDArray[np.int64], list[str]]:
    """The fit's solution and others that the search has seen, chains for each, and words.

    Without `priors`, which a PyMC model that came has for itself, others cannot be weighed.
    """
    own = {str(k): x.values for k, x in fit.params.data_vars.items()}
    alone = heights.Mode(own, fit.loglik, np.nan, np.nan, fit.loglik)
    further, steps, weighed = heights.others(fit), Steps(), []
    if further and priors is not None:
        weighed = steps.run(
            "weights of the other solutions of the search",
            lambda: heights.modes(rows, [own, *further], priors, nodes or fit.nodes),
            [],
        )
    if not weighed:
        return [alone], np.array([chains]), [f"{k}: {why}" for k, why in steps.lost.items()]
    found = [replace(weighed[0], values=own), *weighed[1:]]
    share = heights.shares(found)
    kept = [k for k in range(len(found)) if k == 0 or share[k] >= heights.MATTERS]
    found, share = [found[k] for k in kept], share[kept] / share[kept].sum()
    split = heights.chains_of(share, chains)
    return found, split, heights.words(found, share, split)


def _mended(
    raw: xr.DataTree, made: pm.Model, run: _Run, found: Sequence[heights.Mode], split: NDArray, nodes_given: bool
) -> tuple[xr.DataTree, pm.Model, _Run, list[str]]:
    """The draws, made anew where the nodes were too coarse at them and others may be taken; and what is to be said."""
    steps = Steps()
    if whole_draws(raw["posterior"].to_dataset()) < raw["posterior"].sizes["draw"]:  # interrupted: enough of it
        return raw, made, run, []
    thetas, checked = steps.run("audit of the nodes", lambda: _audited(raw, run.data), (np.zeros((0, 0)), None))
    if checked is None or not checked.is_off:
        return raw, made, run, steps.words()
    finer = steps.run("finer nodes", lambda: better(run.data, thetas)) if not nodes_given and not run.pm_model else None
    change = f"Finer nodes change the log-likelihood at draws by up to {checked.worst:+.2f}"
    if finer is None:
        return raw, made, run, [f"{change}: take more (nodes=), or effects='sample'", *steps.words()]
    warnings.warn(f"{change}: sampling again with nodes that stand over these draws.", stacklevel=3)
    again = replace(run, data=finer)
    starts = [(m.values, n) for m, n in zip(found, split, strict=True)]
    second = steps.run("draws with finer nodes", lambda: again.sampled(starts))
    if second is None:
        return raw, made, run, [change, *steps.words()]
    _, checked = steps.run("audit of the nodes", lambda: _audited(second[0], finer), (None, None))
    more = (
        []
        if checked is None or not checked.is_off
        else [f"{change}, and still by {checked.worst:+.2f} with finer ones: give effects='sample'"]
    )
    return second[0], second[1], again, [*more, *steps.words()]


def _audited(raw: xr.DataTree, data: Problem) -> tuple[Array, Audit]:
    """Some of the draws as points of theta, and the audit of the nodes there."""
    found, _ = complete_draws(raw, quiet=True)
    thetas = some(points(data, {p.name: found[p.name].values for p in data.model.parameters}))
    return thetas, audit(data, thetas)


def _nuts(made: pm.Model, initial: Mapping[str, Any], backend: str | None, /, **settings: Any) -> xr.DataTree:
    import nutpie

    how = backend_settings(backend)
    made = freeze_dims_and_data(made) if how["backend"] == "jax" else made
    own = {v for v in made.free_RVs if v.name not in {*initial, *NODES}}  # at its mode a gradient is zero: refused
    program = nutpie.compile_pymc_model(made, initial_points={**initial}, jitter_rvs=own, freeze_model=False, **how)
    return nutpie.sample(program, **settings)
