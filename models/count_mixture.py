r"""Mixtures of counts, single-level and two-level: :mod:`bayesmix.models.lca` for counts that vary within classes.

For item p of individual i in cluster j, given the class C_ij = c,

    E(y_pij) = mu_pc = exp(tau_pc),        Var(y_pij) = mu_pc + alpha_pc mu_pc^2,
    P(C_ij = c) as in latent class analysis, (4)-(5),

with alpha the same in all classes or one for each: clusters of counts that differ in their level, in how much they
vary, or in both. A Poisson mixture needs a class more for every count that varies within its classes.

Of counts with more zeros than that, a part never counts: P(y_pij = 0) = w_pc + (1 - w_pc) p_0, with

    logit w_pcij = a_pc + b_p z_ij        (b_pc: by class), or w_pc one number.
"""

from __future__ import annotations

from dataclasses import replace

from bayesmix.models.lca import lca

from bayesmix import (
    Model,
    constrain,
    negative_binomial,
    poisson,
    zero_inflated_negative_binomial,
    zero_inflated_poisson,
)
from bayesmix.checks import one_of
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import Formula, Items, KnownColumn, Measurement, Offset

FAMILIES = {
    (False, False): negative_binomial(), (False, True): zero_inflated_negative_binomial(),
    (True, False): poisson(), (True, True): zero_inflated_poisson(),
}  # fmt: skip
"""By whether there is no dispersion, and whether there is inflation."""


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
    inflation: Formula = None,
    inflation_slopes_by_class: bool = False,
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
    dispersion : {"equal", "class", "none"}
        alpha: the same in all classes, or one for each; with ``"none"`` the counts are Poisson ones.
    inflation : str, optional
        Counts with more zeros: ``"1"`` for an inflation w of each item and class, or the formula of its logit,
        ``"x + z"``. None if left out.
    inflation_slopes_by_class : bool
        Whether the slopes of this formula differ by class; each item has its own.
    group, measurement_by_group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`; dispersions and inflations are the residuals.
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
    >>> [p.name for p in bm.models.count_mixture(["n1", "n2"], 2, dispersion="none", inflation="x").parameters]
    ['class_logit', 'item_intercept', 'item_inflation_logit', 'item_inflation_slope']
    """
    one_of("dispersion", dispersion, ("equal", "class", "none"))
    counts = FAMILIES[dispersion == "none", inflation is not None]
    variance = "class" if dispersion == "class" else "equal"
    declared = lca(
        items, classes, covariates, counts, variance, freq,
        cluster=cluster, effects=effects, cluster_covariates=cluster_covariates, offset=offset,
        inflation=None if inflation == "1" else inflation, inflation_slopes_by_class=inflation_slopes_by_class,
        group=group,
        measurement_by_group=measurement_by_group, sizes_by_group=sizes_by_group, slopes_by_group=slopes_by_group,
        known=known,
    )  # fmt: skip
    return constrain(replace(declared, name="count_mixture"), fix=fix, equal=equal)
