"""Whether draws of SDs and covariances make covariance matrices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec import Model, Response, Term
from bayesmix.spec.families import covariance_matrices
from bayesmix.typing import Array


def has_sound_matrices(model: Model, drawn: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Which draws, along the first axis, have positive definite residual covariance matrices only."""
    out = [_is_sound(r, drawn) for r in model.responses if r.family.joint and _there(r, drawn)]
    return np.logical_and.reduce(out) if out else np.ones(len(next(iter(drawn.values()))), dtype=bool)


def _there(r: Response, drawn: Mapping[str, Array]) -> bool:
    return all(t.parameter.name in drawn for t in r.auxiliary)


def _is_sound(r: Response, drawn: Mapping[str, Array]) -> NDArray[np.bool_]:
    sigma, covariance = r.auxiliary
    classes = list(dict.fromkeys(d for t in r.auxiliary for d in t.dims if d not in (r.item_dim, r.pair_dim)))
    sd, beside = (_over(drawn, t, classes, last) for t, last in ((sigma, r.item_dim), (covariance, r.pair_dim)))
    matrices = covariance_matrices(sd, beside, r.pair_places)
    return (np.linalg.eigvalsh(matrices)[..., 0] > 0).reshape(len(matrices), -1).all(axis=1)


def _over(drawn: Mapping[str, Array], t: Term, classes: list[str], last: str) -> Array:
    """Draws over (draw, classes..., last), of length 1 where they do not vary."""
    x, dims = np.asarray(drawn[t.parameter.name]), t.dims
    order = [d for d in (*classes, last) if d in dims]
    x = np.moveaxis(x, [1 + dims.index(d) for d in order], range(1, x.ndim))
    return x.reshape([len(x), *(x.shape[1 + order.index(d)] if d in order else 1 for d in (*classes, last))])
