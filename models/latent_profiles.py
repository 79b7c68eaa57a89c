r"""The six structures of latent profile models: variances and covariances of the items, equal or by class.

    y_i | C_i = c ~ N(mu_c, Sigma_c)

with the diagonal of Sigma_c, the residual variances, the same in all classes or not, and beside it no covariances, the
same in all classes, or others in each. As tidyLPA and users of Mplus number them: 1 (equal, none), 2 (class, none),
3 (equal, equal), 4 (class, equal), 5 (equal, class), 6 (class, class).
"""

from __future__ import annotations

from typing import Any

from bayesmix.models.lca import lca

from bayesmix import Model, normal
from bayesmix.spec.blocks import Items

STRUCTURES = (
    ("equal", "none"), ("class", "none"), ("equal", "equal"),
    ("class", "equal"), ("equal", "class"), ("class", "class"),
)  # fmt: skip


def profile_structures(items: Items, classes: int = 2, **arguments: Any) -> dict[str, Model]:
    """Declare latent profile models with each of the six structures of variances and covariances.

    Parameters
    ----------
    items : sequence of str
        Columns of the items, all normal.
    classes : int
        Number of classes; :func:`bayesmix.enumerate_structures` replaces it.
    **arguments
        Further ones of :func:`bayesmix.models.lca`, but for `family`, `variance` and `covariance`.

    Returns
    -------
    dict of str to Model
        By the variances and the covariances, ``"class, equal"`` and so on, in the order above.

    Raises
    ------
    TypeError
        An argument that the structures give themselves.
    ValueError
        As :func:`bayesmix.models.lca`.

    Examples
    --------
    >>> list(bm.models.profile_structures(["a", "b"]))[:3]
    ['equal, none', 'class, none', 'equal, equal']
    """
    if own := [k for k in ("family", "variance", "covariance", "covariance_by_class") if k in arguments]:
        raise TypeError(
            f"{own[0]}= came, which the structures have of their own: declare one model with bm.models.lca."
        )
    return {
        f"{variance}, {covariance}": lca(
            items, classes, family=normal(), variance=variance, covariance=covariance, **arguments
        )
        for variance, covariance in STRUCTURES
    }
