r"""Mixtures of negative binomial counts, single-level and two-level: :mod:`bayesmix.models.lca` for counts.

For item p of individual i in cluster j, given the class C_ij = c,

    E(y_pij) = mu_pc = exp(tau_pc),        Var(y_pij) = mu_pc + alpha_pc mu_pc^2,
    P(C_ij = c) as in latent class analysis, (4)-(5),

with alpha the same in all classes or one for each: clusters of counts that differ in their level, in how much they
vary, or in both. A Poisson mixture needs a class more for every count that varies within its classes.
"""

from __future__ import annotations

from dataclasses import replace

from bayesmix.models.lca import lca

from bayesmix import Model, constrain
from bayesmix.checks import one_of
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import Formula, Items, KnownColumn, Measurement, Offset
from bayesmix.spec.families.negative_binomial import NegativeBinomial


def count_mixture(
    items: Items,
    classes: int,
    covariates: Formula = None,
    dispersion: str = "equal",
    freq: str | None = None,
    *,
    cluster: str | None = None,
    effects: str | None = None,
    cluster_covariates: Formula = None,
    offset: Offset = None,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a mixture of counts.

    Parameters
    ----------
    items : sequence of str
        Columns of counts 0, 1, 2, ...
    classes, covariates, freq, cluster, effects, cluster_covariates, offset
        As in :func:`bayesmix.models.lca`.
    dispersion : {"equal", "class"}
        alpha: the same in all classes, or one for each.
    group, measurement_by_group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`; dispersions are the residuals.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        As :func:`bayesmix.models.lca`.

    Examples
    --------
    >>> bm.models.count_mixture(["n1", "n2"], 2, dispersion="class").name
    'count_mixture'
    """
    one_of("dispersion", dispersion, ("equal", "class"))
    counts = NegativeBinomial()
    declared = lca(
        items, classes, covariates, counts, dispersion, freq,
        cluster=cluster, effects=effects, cluster_covariates=cluster_covariates, offset=offset,
        group=group,
        measurement_by_group=measurement_by_group, sizes_by_group=sizes_by_group, slopes_by_group=slopes_by_group,
        known=known,
    )  # fmt: skip
    return constrain(replace(declared, name="count_mixture"), fix=fix, equal=equal)
