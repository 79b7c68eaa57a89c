r"""Latent transition analysis, equations (6)-(9), two-level (10)-(15).

For item p of individual i in cluster j at occasion t = 1..T,

    P(y_tpij = k | C_tij = c) = pi_tpkc, or pi_pkc invariant over time,                              (6), (11)
    P(C_1ij = c) = exp(eta_1c) / sum_s exp(eta_1s),        eta_1K = 0,                               (8), (12)
    P(C_tij = d | C_t-1,ij = c) = exp(eta_tcd) / sum_s exp(eta_tcs),        eta_tcK = 0,             (9), (13)
    eta_1c = nu_1c + beta_1c x_1ij + lambda_1c alpha_1j,
    eta_tcd = nu_tcd + beta_td x_tij + lambda_td alpha_tj        (beta_tcd: by the class left),
    alpha_tj = b_t alpha_t-1,j + g_t w_j + sigma_t z_tj,        z_tj ~ N(0, 1),                      (10), (15)

so that gamma_dc of (9) is nu_tcd - nu_tKd, and lambda_t1 = 1: with two classes alpha_tj is the random
logit of the first. With more, it is a factor of the logits (35), or one alpha_tcj stands for each
class. On all earlier classes instead of the last: nu_t has a dim for each of them. Without a cluster
column there are no j, w and alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from bayesmix import Model, constrain
from bayesmix.checks import needs_clusters
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import Families, Formula, Occasions, class_logits


def lta(
    waves: Sequence[Sequence[str]],
    classes: int | Sequence[int],
    covariates: Formula = None,
    transition_covariates: str | Sequence[str | None] | None = None,
    family: Families = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    names: Annotated[Sequence[str], "names"] | None = None,
    measurement: str | Sequence[str] = "invariant",
    stationary: bool = False,
    order: int = 1,
    covariates_by_origin: bool = False,
    cluster: str | None = None,
    effects: str | None = None,
    regressions: str = "first-order",
    cluster_covariates: Formula = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a latent transition model, single-level or two-level: classes C1, C2, ..., effects alpha1, alpha2, ...

    Parameters
    ----------
    waves : sequence of sequences of str
        Columns of the items, a list for each occasion; the same items in the same order.
    classes : int or sequence of int
        Number of classes, or one for each occasion (then `measurement` must be "free").
    covariates, family, variance, freq, cluster
        As in :func:`bayesmix.models.lca`; the covariates predict the first class (8), families go by items' names.
    transition_covariates : str or sequence of str or None, optional
        Formula of the transitions (9): one for all of them, or one for each (None for none).
    names : sequence of str, optional
        Names of the items in results; what the columns of all occasions have in common, if left out.
    measurement : {"invariant", "free"} or sequence of str
        Item parameters over time: the same, free, or the names of the items that are free.
    stationary, covariates_by_origin : bool
        Whether all transitions have the same probabilities and slopes; whether slopes differ by the class left.
    order : int
        On how many classes before it a class depends; T - 1 for all of them.
    effects : {"factor", "unrestricted", "none"}, optional
        Random effects of clusters on the class logits: one an occasion, one for each class but the
        last (the same for two classes), or none. Left out: one, in a two-level model.
    regressions : {"first-order", "all", "none"}
        Of the effects of an occasion on those of the occasion before (10), (15), on all earlier ones.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the effects (5), of every occasion.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        Occasions, numbers of classes and items that do not fit each other; an unknown or contradictory setting.

    Examples
    --------
    >>> model = bm.models.lta([["a1", "b1"], ["a2", "b2"]], 2)
    >>> [c.name for c in model.classes], model.responses[0].labels
    (['C1', 'C2'], ('a', 'b'))
    """
    occasions = Occasions.of(waves, classes, names, measurement)
    effects = effects or ("factor" if cluster else "none")
    responses = occasions.responses(family, variance)  # (6), (11)
    first = class_logits("C1", "C1", individual=covariates)  # (8), (12)
    later = occasions.transitions(transition_covariates, order, stationary, covariates_by_origin)  # (9), (13)
    alphas, loadings = occasions.random_class_logits(effects, regressions, cluster_covariates)  # (10), (15)
    needs_clusters(cluster, effects=effects)
    declared = Model("lta", responses, occasions.classes(first, later, loadings), alphas, cluster, freq)
    return constrain(declared, fix=fix, equal=equal)
