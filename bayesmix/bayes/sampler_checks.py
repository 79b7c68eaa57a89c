"""What may be asked of the sampler: settings, a fit and a PyMC model that belong to the model and the data."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm

from bayesmix.bayes.built import Built, built
from bayesmix.bayes.observed import NODES, is_sampled
from bayesmix.bayes.pymc_model import check_effects
from bayesmix.checks import one_of, whole
from bayesmix.graph import Problem, is_of_nodes
from bayesmix.results import Fit
from bayesmix.spec import Named


def check_sampler(
    draws: int, tune: int | None, chains: int, seed: int, cores: int | None = None, predictive: int = 0
) -> None:
    """What NUTS may be asked for.

    Raises
    ------
    ValueError
        Anything else.
    """
    asked = [
        ("draws", draws, 4),
        ("chains", chains, 1),
        ("seed", seed, 0),
        ("predictive", predictive, 0),
    ]
    for name, value, least in [*asked, *((k, x, 1) for k, x in (("tune", tune), ("cores", cores)) if x is not None)]:
        whole(name, value, least)


def check_method(
    method: Any, effects: Any, backend: str | None, nuts: Mapping[str, Any], model: Any, pm_model: Any
) -> None:
    """What importance sampling cannot do.

    Raises
    ------
    ValueError, TypeError
        Another method, or settings that are of NUTS alone.
    """
    one_of("method", method, ("nuts", "importance"))
    if method == "nuts":
        return
    if pm_model is not None or isinstance(model, pm.Model):
        raise ValueError(
            "method='importance' came with a PyMC model: it samples what is declared. Give the model or the fit and "
            "the data, or take method='nuts'."
        )
    if effects == "sample":
        raise ValueError(
            "method='importance' came with effects='sample': it integrates effects. Leave effects= out, or take "
            "method='nuts'."
        )
    if unknown := [*nuts, *(["backend"] if backend is not None else [])]:
        raise TypeError(f"{unknown[0]}= came with method='importance', but is a setting of NUTS: leave it out.")


def check_settings(effects: Any, nuts: Mapping[str, Any], pm_model: Any, priors: Any) -> None:
    """What does not depend on the data: refused before anything is computed."""
    import nutpie

    check_effects(effects)
    known = {*inspect.signature(nutpie.sample).parameters, *dir(nutpie._lib.PyNutsSettings.LowRank(0))}
    ours = {"compiled_model", "blocking", "return_raw_trace", "progress_bar", "num_draws", "num_tune", "num_chains"}
    if unknown := [k for k in nuts if k not in known - ours or k.startswith("_")]:
        raise TypeError(
            f"{unknown[0]}= came, which is no setting of bm.sample or of nutpie.sample: leave it out, or look up its "
            "name there (target_accept, maxdepth, ...)."
        )
    if pm_model is None:
        return
    if not isinstance(pm_model, pm.Model):
        raise TypeError(f"pm_model came as {type(pm_model).__name__}: give what bm.build returns, extended by hand.")
    if priors is not None:
        raise ValueError("pm_model came with priors=, but has its own: give the priors to bm.build.")


def alone(model: Any, df: Any, pm_model: pm.Model | None) -> tuple[pm.Model, Built]:
    """The PyMC model that came without a model and data of its own, and what it was built of.

    Raises
    ------
    TypeError, ValueError
        More came beside it, or another model than :func:`build` makes.
    """
    made = pm_model if model is None else model
    if not isinstance(made, pm.Model):
        raise TypeError(f"pm_model came as {type(made).__name__}: give what bm.build returns, extended by hand.")
    if (model is not None and pm_model is not None) or df is not None:
        raise TypeError(
            "A PyMC model came with more beside it: give it alone, bm.sample(pm_model), or the fit (or model) and the "
            "data with pm_model=."
        )
    if (before := built(made)) is None:
        raise ValueError(
            "The PyMC model does not know what it was built of (it is another's, or a copy by pm.do or pm.observe): "
            "give the fit or the model, and the data: bm.sample(fit, df, pm_model=...)."
        )
    return made, before


def check_fit(fit: Fit, data: Problem) -> None:
    """Refuse `data` that cannot be those of `fit`: other shapes of its parameters, another number of individuals.

    Raises
    ------
    ValueError
        They are others.
    """
    known = {p.name: data.packing.shape(p) for p in data.model.parameters}
    came = {str(k): x.shape for k, x in fit.params.data_vars.items()}
    if wrong := [k for k in {**known, **came} if known.get(k) != came.get(k)]:
        raise ValueError(
            f"The fit is of another model or other data: '{wrong[0]}' has the shape {came.get(wrong[0], 'none')} "
            f"there, expected {known.get(wrong[0], 'none')}; give the fit of these data, or the model alone."
        )
    if fit.n_individuals != data.n_individuals or fit.n_clusters != data.n_clusters:
        raise ValueError(
            f"The fit is of other data: {fit.n_individuals} individuals there, {data.n_individuals} here; give the "
            "fit of these data, or the model alone."
        )


def as_built(pm_model: pm.Model, data: Problem) -> Problem:
    """The data with the nodes of a PyMC model, if it was built from them.

    Raises
    ------
    ValueError
        It was built from others.
    """
    held = {k.removeprefix("data:"): v for k, v in pm_model.named_vars.items() if k.startswith("data:")}
    names = {p.name for p in data.model.parameters}
    if missing := [k for k in names if k not in pm_model.named_vars]:
        raise ValueError(
            f"pm_model has no '{missing[0]}': it is of another model; give what bm.build makes of this one."
        )
    own = {k for k in data.arrays if not is_of_nodes(k)}
    there = {k for k in held if not is_of_nodes(k)}
    drawn = [k for k in NODES if (k in pm_model.named_vars) != (k in data.arrays and is_sampled(k, data))]
    if own != there or drawn:
        raise ValueError(
            "pm_model was built with other nodes= or effects= than came here: give bm.sample those that bm.build had."
        )
    values = {k: np.asarray(v.get_value()) for k, v in held.items()}
    if other := [k for k in own if not np.array_equal(values[k], data.arrays[k].values)]:
        raise ValueError(
            f"pm_model was built from other data ('{other[0]}' differs): build it from these, bm.build(model, df)."
        )
    arrays = {k: v for k, v in data.arrays.items() if k in own or is_sampled(k, data)}
    for k, v in values.items():
        if k not in own:
            arrays[k] = Named(pm_model.named_vars_to_dims[f"data:{k}"], v)  # pyright: ignore[reportArgumentType]
    return replace(data, arrays=arrays)


def backend_settings(wanted: str | None) -> dict[str, Any]:
    """Settings of nutpie's compilation."""
    there = importlib.util.find_spec("jax") is not None
    if wanted is not None:
        one_of("backend", wanted, ("jax", "numba"))
    if wanted == "jax" and not there:
        raise ValueError("backend='jax' came, but JAX is not installed: pip install 'bayesmix[jax]', or give 'numba'.")
    if wanted == "numba" or not there:
        return {"backend": "numba"}
    return {"backend": "jax", "gradient_backend": "pytensor"}
