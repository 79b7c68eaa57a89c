"""Residual covariance matrices of normal items within classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit
from bayesmix.spec import Response
from bayesmix.spec.families import Normal, covariance_matrices

CLASS, ITEM, OTHER = "class", "item", "other item"


def residual_covariances(result: Fit | xr.DataTree, *, correlations: bool = False) -> pd.DataFrame:
    """The residual covariance matrix of the normal items in each class.

    Parameters
    ----------
    result : Fit or xarray.DataTree
        What :func:`bayesmix.fit` or :func:`bayesmix.sample` returns; of a posterior at the means of SDs and
        covariances.
    correlations : bool
        Correlations instead; ones on the diagonal.

    Returns
    -------
    pandas.DataFrame
        A row a class (or combination of classes) and item, a column an item; zero where the model has no covariance.

    Raises
    ------
    ValueError
        No normal items with residual SDs of their own.

    Examples
    --------
    >>> normal_fit = bm.fit(bm.models.lca(["y", "x"], 1, family=bm.normal(), covariance="equal"), df, progress=False)
    >>> bm.residual_covariances(normal_fit, correlations=True).shape
    (2, 2)
    """
    estimates = Estimates.of(result)
    found = [matrices(estimates, r) for r in estimates.model.distinct_responses if has_matrices(r)]
    if not found:
        raise ValueError("The model has no normal items with residual SDs: there are no residual covariances.")
    frames = []
    for x in found:
        item = x.dims[-2]
        classes = [str(d) for d in x.dims[:-2]]
        names = [str(i) for i in x[item].values]
        for at in np.ndindex(x.shape[:-2]):
            own = x.values[at]
            if correlations:
                sd = np.sqrt(np.diag(own))
                own = own / np.outer(sd, sd)
            label = ", ".join(f"{d} = {x[d].values[k]}" for d, k in zip(classes, at, strict=True))
            index = pd.MultiIndex.from_product([[label], names], names=[CLASS, ITEM])
            frames.append(pd.DataFrame(own, index=index, columns=pd.Index(names, name=OTHER)))
    return pd.concat(frames)


def has_matrices(r: Response) -> bool:
    """Whether a response is of normal items with an SD each."""
    sigma = r.auxiliary_term("sigma") if isinstance(r.family, Normal) else None
    return sigma is not None and r.item_dim in sigma.parameter.dims and not sigma.covariates


def matrices(estimates: Estimates, r: Response) -> xr.DataArray:
    """The matrices of a response, (classes..., item, item_), over the classes that its parameters vary with."""
    sigma = r.auxiliary[0].parameter
    varying = [t.parameter for t in r.terms if not t.covariates and not t.effects]
    sd = estimates[sigma.name].value
    dims = dict.fromkeys(d for p in varying for d in estimates.model.class_dims(p.dims))
    coords = {d: x for p in varying for d, x in estimates[p.name].value.coords.items()}
    sizes = {d: len(coords[d]) for d in dims}
    sd = sd.expand_dims({d: coords[d].values for d in sizes if d not in sd.dims}).transpose(*dims, r.item_dim)
    beside = np.zeros((*sizes.values(), 0))
    if r.family.joint:
        x = estimates[r.auxiliary[1].parameter.name].value
        x = x.expand_dims({d: coords[d].values for d in sizes if d not in x.dims})
        beside = x.transpose(*dims, r.pair_dim).values
    made = covariance_matrices(sd.values, beside, r.pair_places)
    names = sd[r.item_dim].values
    own = {**{d: coords[d].values for d in dims}, r.item_dim: names, f"{r.item_dim}_": names}
    return xr.DataArray(made, dims=(*dims, r.item_dim, f"{r.item_dim}_"), coords=own)
