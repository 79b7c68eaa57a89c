"""How sure a fit is of all its numbers at once: covariances of theta, and what each number makes of them.

By the delta method Cov(g) = J' V J with V the covariance matrix of theta (the free parameters as the optimiser moves
them) and J the derivatives of the numbers g by theta (Wasserman, All of Statistics, 2004, theorem 9.28). Both are kept,
so that any function of parameters, probabilities and derived quantities has a standard error, after loading too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.results.imputations import degrees_of_freedom
from bayesmix.results.labels import entries
from bayesmix.typing import Array

Errors = Literal["robust", "hessian"]


def uncertainty_table(
    parts: Sequence[tuple[Mapping[str, xr.DataArray], Mapping[str, Array]]],
    covariances: Mapping[Errors, Array],
    boundary: NDArray[np.bool_],
    names: Sequence[str],
) -> xr.Dataset:
    """Lay out what :class:`Uncertainty` reads.

    Parameters
    ----------
    parts : sequence of (mapping of str to xarray.DataArray, mapping of str to array)
        Values and their derivatives (theta, ...): of the parameters, the probabilities, the derived quantities.
    covariances : mapping of str to array (theta, theta)
    boundary : array of bool (theta,)
        Entries of theta without an error: at a boundary, or in a flat direction.
    names : sequence of str
        Those of the entries of theta.
    """
    labels: dict[str, Array] = {}
    for values, slopes in parts:
        for name, x in values.items():
            labels |= {k: s for k, s in zip(entries(name, x), slopes[name].reshape(len(names), -1).T, strict=True)
                       if k not in labels}  # fmt: skip
    slopes_of = np.array([*labels.values()]).reshape(len(labels), len(names)).T
    held = {k: (("theta", "theta_"), v) for k, v in covariances.items()}
    held |= {"slopes": (("theta", "entry"), slopes_of), "boundary": (("theta",), boundary.astype(np.int8))}
    return xr.Dataset(held, coords={"theta": np.array(names, dtype=str), "entry": np.array([*labels], dtype=str)})


@dataclass(frozen=True)
class Uncertainty:
    """The numbers of a fit and how they move together.

    Attributes
    ----------
    names : list of str
        Of the entries of theta: each that of a free parameter.
    labels : list of str
        Of all numbers: parameters, probabilities, derived quantities, as ``class_logit[1]``.
    values : array (number,)
    slopes : array (theta, number)
        J.
    covariance : array (theta, theta)
        V.
    boundary : array of bool (theta,)
        Entries of theta that have no error.
    design_df : int, optional
        Degrees of freedom of the design of a survey.
    within : array (theta, theta), optional
        Of pooled imputations the average covariance matrix.
    imputations, complete : int, float
        Their number, and the degrees of freedom that complete data would have.
    """

    names: list[str]
    labels: list[str]
    values: Array
    slopes: Array
    covariance: Array
    boundary: NDArray[np.bool_]
    design_df: int | None = None
    within: Array | None = None
    imputations: int = 0
    complete: float = np.inf

    @classmethod
    def of(cls, fit: Any, errors: Errors | None = None) -> Uncertainty:
        """Read it off a fit, with the chosen errors or those of `errors`.

        Raises
        ------
        ValueError
            The fit was saved without it; robust errors are wanted of a penalised fit.
        """
        held = fit.uncertainty
        if "slopes" not in held:
            raise ValueError(
                "This fit has no covariance matrix: it was saved by an earlier version of bayesmix, or its errors "
                "could not be made. Fit again from it, bm.fit(fit.model, df, start=fit)."
            )
        errors = errors or fit.info.get("standard_errors", "robust")
        if errors == "robust" and fit.info.get("priors"):
            raise ValueError(
                "The fit is penalised by priors, of which the scores of robust errors know nothing: take "
                "fit.covariance_hessian."
            )
        known: dict[str, float] = {}
        for ds in (fit.params, fit.probabilities, fit.derived):
            for name, x in ds.data_vars.items():
                known = dict(zip(entries(str(name), x), x.values.ravel().tolist(), strict=True)) | known
        labels, names = ([str(k) for k in held[d].values] for d in ("entry", "theta"))
        boundary, slopes = held["boundary"].values.astype(bool), held["slopes"].values.copy()
        places = {k: i for i, k in enumerate(labels)}
        for k in np.flatnonzero(boundary):  # an SD of zero, |theta|, has no derivative: what asks for it is to be told
            slopes[k, places[names[k]]] = max(abs(slopes[k, places[names[k]]]), 1.0)
        pooled: Mapping[str, Any] = fit.info.get("pooled") or {}
        return cls(
            names, labels, np.array([known[k] for k in labels]), slopes, held[errors].values, boundary, fit.design_df,
            held["within"].values if pooled else None, int(pooled.get("m", 0)),
            float(pooled.get("complete") or np.inf),
        )  # fmt: skip

    def t_df(self, slopes: Array) -> Any:
        """Degrees of freedom of t for numbers with these `slopes`, (theta, number); None where the normal one holds.

        Those of the design of a survey; of pooled imputations those of Barnard and Rubin (1999), one a number.
        """
        if self.within is None:
            return self.design_df
        within, total = (
            np.einsum("ik,ij,jk->k", slopes, np.nan_to_num(v), slopes) for v in (self.within, self.covariance)
        )
        df, _ = degrees_of_freedom(within, total, self.imputations, self.complete)
        return np.where(np.isfinite(df), df, np.inf)

    def positions(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Where numbers stand among :attr:`labels`."""
        places = {k: i for i, k in enumerate(self.labels)}
        return np.array([places[k] for k in labels], dtype=np.int64)

    def at_boundary(self, slopes: Array) -> list[str]:
        """The free parameters without an error that move numbers with these `slopes`, (theta, number)."""
        weight = np.abs(slopes)
        moved = (weight > 1e-5 * np.maximum(weight.max(axis=0, initial=0.0), 1e-300)).any(axis=1)
        return [n for n, b, m in zip(self.names, self.boundary, moved, strict=True) if b and m]
