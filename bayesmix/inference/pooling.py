"""Fits of multiply imputed data, pooled to one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.inference.reordered import orders_to, reordered
from bayesmix.results import Fit, Uncertainty
from bayesmix.typing import Array

TABLES = ("params", "probabilities", "derived")
SINGULAR = 1e-10
"""A reciprocal condition number below which the derivatives of the parameters have no inverse."""


def pool(fits: Sequence[Fit]) -> Fit:
    """Pool the fits of one model to several imputed data sets, by Rubin's rules.

    Estimates are averages over the m fits; their covariance matrix is T = W + (1 + 1/m) B with W the average of the
    covariance matrices and B the covariance matrix of the estimates between the fits (Rubin, 1987), on the natural
    scales of the parameters; probabilities and derived quantities are averages too, with errors by the delta method.

    Parameters
    ----------
    fits : sequence of Fit
        Of one model, each to the same rows imputed anew: two or more, better twenty. Classes that came in another order
        are put in that of the first fit, by what tells them apart (as ``like=fits[0]`` does in a fit), with a warning
        that says which.

    Returns
    -------
    Fit
        `pooling` has variances within and between, degrees of freedom (Barnard and Rubin, 1999, where the sample is
        known), fractions of missing information and relative efficiencies. `summary` takes t with these degrees of
        freedom; :func:`bayesmix.test` is D1 (Li, Raghunathan and Rubin, 1991), and :func:`bayesmix.likelihood_ratio` of
        two pooled fits D2 (Li, Meng, Raghunathan and Rubin, 1991). Class probabilities of rows are averages. `loglik`,
        and the criteria that are made of it, are averages over the imputations: they are those of no data set.

    Raises
    ------
    TypeError, ValueError
        Fewer than two fits; other models, rows, errors or priors; a fit that has collapsed, was interrupted or has no
        errors; classes in another order where it is not clear which is which, or where effects come with them.

    Warns
    -----
    UserWarning
        Classes were put in the order of the first fit.

    Examples
    --------
    >>> pooled = bm.pool([fit, fit])
    >>> bool(abs(pooled.se["class_logit"] - fit.se["class_logit"]).max() < 1e-8)
    True
    """
    fits, each, turned = _in_one_order(_checked(fits))
    first, m = fits[0], len(fits)
    at = each[0].positions(each[0].names)
    slopes = np.mean([_by_natural(u, at) for u in each], axis=0)
    covariances = np.array([_natural(u, at) for u in each])
    within = covariances.mean(axis=0)
    between = np.atleast_2d(np.cov(np.array([u.values[at] for u in each]).T, ddof=1))
    total = within + (1 + 1 / m) * between
    boundary = np.any([u.boundary for u in each], axis=0)
    kind = first.info.get("standard_errors", "robust")
    held = {kind: total, "within": within}
    uncertainty = xr.Dataset(
        {k: (("theta", "theta_"), v) for k, v in held.items()}
        | {"slopes": (("theta", "entry"), slopes), "boundary": (("theta",), boundary.astype(np.int8))},
        coords={k: first.uncertainty[k].values for k in ("theta", "entry")},
    )
    errors = np.sqrt(np.maximum(np.einsum("ik,ij,jk->k", slopes, np.nan_to_num(total), slopes), 0.0))
    errors[(np.abs(slopes[boundary]) > 1e-12).any(axis=0)] = np.nan
    by_label = dict(zip(each[0].labels, errors, strict=True))
    means: dict[str, Any] = {k: _mean([getattr(f, k) for f in fits]) for k in TABLES}
    own = {f"{k}_se" if k != "params" else "se": _errors(means[k], by_label) for k in TABLES}
    own["se_hessian"] = _mean([f.se_hessian for f in fits])
    own["se"] = own["se"].where(first.free & own["se"].notnull())
    design = {f.design_df for f in fits}
    units = first.n_clusters or first.n_individuals
    complete = design.pop() if design != {None} else max(units - first.n_parameters, 1)
    pooled = {
        "m": m,
        "complete": complete,
        "logliks": [f.loglik for f in fits],
        "scalings": [float(f.quality["scaling"]) for f in fits],
        "boundaries": [len(f.quality["boundary"]) for f in fits],
        "reordered": turned,
    }
    identity = {**first.info.get("identity", {}), "data": f"pooled over {m}", "answers": f"pooled over {m}"}
    return replace(
        first, **means, **own, uncertainty=uncertainty, loglik=float(np.mean(pooled["logliks"])),
        classes=_mean([f.classes for f in fits]), effect_scores=_mean([f.effect_scores for f in fits]),
        info={**first.info, "pooled": pooled, "identity": identity}, solutions=xr.Dataset(),
        quality={**first.quality, "boundary": [n for n, b in zip(each[0].names, boundary, strict=True) if b]},
    )  # fmt: skip


def _checked(fits: Any) -> list[Fit]:
    """Take fits that can be pooled."""
    if isinstance(fits, (Fit, str, dict)):
        raise TypeError("bm.pool came with one result: give the fits of all imputed data sets as a list.")
    fits = list(fits)
    for k, f in enumerate(fits, 1):
        if not isinstance(f, Fit):
            raise TypeError(f"The fit of imputation {k} came as {type(f).__name__}, expected what bm.fit returns.")
    if len(fits) < 2:
        raise ValueError(
            f"bm.pool came with {len(fits)} fits: there is no variance between imputations; give two or more."
        )
    for k, f in enumerate(fits, 1):
        _check_sound(f"The fit of imputation {k}", f)
        _check_alike(f"The fit of imputation {k}", f, fits[0])
    return fits


def _check_sound(said: str, f: Fit) -> None:
    """Refuse a fit that is pooled already, or that did not come to its end."""
    if f.info.get("pooled"):
        raise ValueError(f"{said} is a pooled one: give the fits themselves, all in one list.")
    if f.collapsed:
        raise ValueError(f"{said} has collapsed: its estimates mean nothing; fit it again (more starts=).")
    if f.quality.get("interrupted") or f.starts["status"].iloc[0] == "unfinished":
        raise ValueError(f"{said} did not come to its end (interrupted, or unfinished): fit it again.")
    lost = f.quality.get("failed", {}).get("standard errors")
    if lost or "slopes" not in f.uncertainty:
        raise ValueError(f"{said} has no standard errors ({lost or 'of an earlier version'}): fit it again.")


def _check_alike(said: str, f: Fit, first: Fit) -> None:
    """Refuse fits of other models, rows, entries or settings."""
    if f.info["identity"]["model"] != first.info["identity"]["model"] or f.n_parameters != first.n_parameters:
        raise ValueError(
            f"{said} is of another model than the first ({f.n_parameters} parameters and {first.n_parameters}): pool "
            "fits of one model."
        )
    sizes = [(x.info["n_rows"], x.n_individuals, x.n_clusters) for x in (f, first)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"{said} has {sizes[0][0]} rows ({sizes[0][1]} individuals), the first {sizes[1][0]} ({sizes[1][1]}): "
            "imputations have the same rows, of which all but what was imputed is equal."
        )
    if list(f.uncertainty["entry"].values) != list(first.uncertainty["entry"].values):
        raise ValueError(
            f"{said} has other entries than the first: some category or level occurs in one of the data sets alone; "
            "declare the categories (pd.Categorical) alike in all."
        )
    for what in ("standard_errors", "priors"):
        if f.info.get(what) != first.info.get(what):
            raise ValueError(f"{said} has other {what} than the first: fit all alike.")
    if f.model.survey != first.model.survey:
        raise ValueError(f"{said} has another design of a survey than the first: declare all alike.")


def _in_one_order(fits: list[Fit]) -> tuple[list[Fit], list[Uncertainty], list[int]]:
    """The fits with their classes in the order of the first, how sure they are, and which were put in order."""
    out, each, turned = [fits[0]], [Uncertainty.of(fits[0])], list[int]()
    for k, f in enumerate(fits[1:], 2):
        orders = orders_to(fits[0], f) if f.model.classes else {}
        moved, known = reordered(fits[0], f, orders, f"The fit of imputation {k}") if orders else (f, Uncertainty.of(f))
        turned += [k] * bool(orders)
        out.append(moved)
        each.append(known)
    if turned:
        one = len(turned) == 1
        warnings.warn(
            f"The classes of imputation{'' if one else 's'} {', '.join(map(str, turned))} came in another order than "
            "those of the first, and were put in that order.",
            stacklevel=3,
        )
    return out, each, turned


def _by_natural(u: Uncertainty, at: NDArray[np.int64]) -> Array:
    """Derivatives of all numbers by the free parameters on their natural scales, instead of theta."""
    own = u.slopes[:, at]
    if np.linalg.cond(own) > 1 / SINGULAR:
        return np.linalg.pinv(own) @ u.slopes
    return np.linalg.solve(own, u.slopes)


def _natural(u: Uncertainty, at: NDArray[np.int64]) -> Array:
    """The covariance matrix of the free parameters on their natural scales."""
    own = u.slopes[:, at]
    return own.T @ u.covariance @ own


def _mean(each: Sequence[xr.Dataset]) -> xr.Dataset:
    """Averages of tables, name by name; what is no number is that of the first."""
    out = {}
    for name, x in each[0].data_vars.items():
        if x.dtype.kind == "f":
            out[name] = x.copy(data=np.mean([d[name].values for d in each], axis=0))
    return each[0].assign(out).drop_vars([k for k in ("path",) if k in each[0]])


def _errors(table: xr.Dataset, by_label: dict[str, float]) -> xr.Dataset:
    """The errors of the entries of a table; none where nothing moves them."""
    from bayesmix.results import entries

    out = {}
    for name, x in table.data_vars.items():
        found = np.array([by_label[k] for k in entries(str(name), x)]).reshape(x.shape)
        out[name] = x.copy(data=np.where(found > 1e-12, found, np.nan))
    return xr.Dataset(out)
