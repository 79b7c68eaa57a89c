"""One item of a posterior, in the shape that functions of ArviZ for a single outcome take."""

from __future__ import annotations

from typing import cast

import numpy as np
import xarray as xr

from bayesmix.checks import nearest
from bayesmix.results import RESPONSES

OF_DATA = ("observed_data", "posterior_predictive", "prior_predictive")


def of_item(post: xr.DataTree, item: str) -> xr.DataTree:
    """The posterior with the responses of one item, as those of a single outcome.

    Pictures of predictions and of leave-one-out (``az.plot_loo_pit``, ``az.plot_ppc_rootogram``, ``az.plot_ppc_pava``,
    ...) are of one outcome a row. Rows without an answer to the item are left out.

    Parameters
    ----------
    post : xarray.DataTree
        What :func:`sample` returned.
    item : str

    Returns
    -------
    xarray.DataTree
        The same draws; in `observed_data`, `posterior_predictive` and `prior_predictive` the variable ``y`` (row) is
        the item's. `log_likelihood` stays that of all answers of a person: what is left out is the person. Where the
        units are clusters there is none, since it has no value for a row.

    Raises
    ------
    ValueError, TypeError
        No such item, or no posterior of :func:`sample`.

    Examples
    --------
    >>> post = bm.sample(fit, df, draws=20, tune=20, chains=1, progress=False)
    >>> bm.of_item(post, "a")["observed_data"]["y"].dims
    ('row',)
    """
    if not isinstance(post, xr.DataTree) or "observed_data" not in post.children:
        raise TypeError(f"post came as {type(post).__name__}: give what bm.sample returns.")
    y = cast(xr.DataTree, post["observed_data"]).to_dataset()[RESPONSES]
    dims = [str(d) for d in y.dims if d != "row"]
    if not dims:
        raise ValueError("The model has one item: its posterior is one of a single outcome already.")
    (dim,) = dims
    known = [str(k) for k in y[dim].values]
    if item not in known:
        near = nearest(item, known)
        hint = f"did you mean '{near}'?" if near else f"give one of {', '.join(known)}."
        raise ValueError(f"There is no item {item!r}: {hint}")
    answered = ~np.isnan(y.sel({dim: item}).astype(float).values)
    out = {}
    for name, group in post.children.items():
        ds = group.to_dataset()
        if name in OF_DATA:
            own = ds[RESPONSES].sel({dim: item}, drop=True).isel(row=answered)
            ds = ds.drop_vars(RESPONSES).drop_dims(dim, errors="ignore").isel(row=answered, missing_dims="ignore")
            ds[RESPONSES] = own.astype(np.int64) if (own == own.round()).all() else own
        elif name == "log_likelihood" and "row" not in ds[RESPONSES].dims:
            continue
        elif "row" in ds.dims and ds.sizes["row"] == len(answered):
            ds = ds.isel(row=answered)
        out[f"/{name}"] = ds
    tree = xr.DataTree.from_dict(out)
    tree.attrs.update(post.attrs)
    return tree
