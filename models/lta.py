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
class. On all earlier classes instead of the last: nu_t has a dim for each of them; with their main effects alone,

    eta_tcd = nu_tcd + sum_(l = 2..order) delta_tl,C_t-l,d + ...,        delta_tlK = 0,

and on none of them (order 0) nu_t has none. Without a cluster column there are no j, w and alpha.

Three kinds of individuals' differences that last over all occasions. A random intercept f of the items (Muthen &
Asparouhov 2022), whose loadings are the same in all classes and at all occasions, so that moves are those of a person,

    eta_tpi (of the item, given c) = tau_pc + lambda_p f_i,        f_i ~ N(0, 1);

classes of chains, G = 1..M (mixture latent Markov), on which the first class, the transitions and, if asked for, the
items depend,

    P(G_i = g) = exp(kappa_g + phi_g x_i) / sum_s exp(kappa_s + phi_s x_i),        kappa_M = phi_M = 0,
    nu_1, nu_t, delta_t (and pi) with a further dim for G;

and movers and stayers, where in the last of these classes P(C_t = d | C_t-1 = c, G = M) is 1 for d = c and 0 else.
Covariates of an occasion with direct effects on its items add beta_p x_ti, the same in all classes, to the item's eta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from bayesmix import Model, constrain
from bayesmix.checks import needs_clusters
from bayesmix.spec import Equal, Fix
from bayesmix.spec.blocks import (
    ByGroup,
    Families,
    Formula,
    KnownColumn,
    Measurement,
    Occasions,
    check_chain_identified,
    class_logits,
    known_pairs,
    over_groups,
)


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
    additive: bool = False,
    covariates_by_origin: bool = False,
    random_intercept: str | None = None,
    chain_classes: int | None = None,
    stayers: bool = False,
    chain_covariates: Formula = None,
    initial_by_chain: bool = True,
    items_by_chain: bool = False,
    item_covariates: Mapping[str, str | Sequence[str]] | None = None,
    offset: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    cluster: str | None = None,
    effects: str | None = None,
    regressions: str = "first-order",
    cluster_covariates: Formula = None,
    group: str | None = None,
    measurement_by_group: Measurement = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    transitions_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a latent transition model, single-level or two-level: classes C1, C2, ..., effects alpha1, alpha2, ...

    Beside them, if asked for: a factor `f` of the individual at all occasions, and a class G of its chain.

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
        On how many classes before it a class depends; T - 1 for all of them, 0 for none (no transitions).
    additive : bool
        Whether the classes before the last one have main effects on the logits alone, instead of a full table.
    random_intercept : {"item", "one"}, optional
        A factor of the individual in the items of all occasions, with a loading for each item or one for all.
    chain_classes : int, optional
        Number M of classes of chains, G, of which first classes and transitions are apart; 1 if left out.
    stayers : bool
        Whether members of the last class of chains never move: movers and stayers, with 2 of them if left out.
    chain_covariates : str, optional
        Formula of the logits of G.
    initial_by_chain, items_by_chain : bool
        Whether the logits of the first class, the parameters of the items, depend on G.
    item_covariates : mapping of item to formula or formulas, optional
        Covariates with a direct effect on an item, one formula or one for each occasion; equal in all classes, and over
        time where the item's parameters are.
    offset : str, sequence of str, or mapping of item to these, optional
        What is added to the predictor of all items, or of each, with the coefficient one, such as the log of an
        exposure: one for all occasions, or one for each, ``["log(hours1)", "log(hours2)"]``.
    effects : {"factor", "unrestricted", "none"}, optional
        Random effects of clusters on the class logits: one an occasion, one for each class but the
        last (the same for two classes), or none. Left out: one, in a two-level model.
    regressions : {"first-order", "all", "none"}
        Of the effects of an occasion on those of the occasion before (10), (15), on all earlier ones.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the effects (5), of every occasion.
    group, measurement_by_group, sizes_by_group, slopes_by_group, known
        As in :func:`bayesmix.models.lca`, items by their names; known classes by class variable, ``{"C1": "column"}``.
    transitions_by_group : bool
        Whether the logits of the transitions differ by group; the slopes go with `slopes_by_group`.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        Occasions, numbers of classes and items that do not fit each other; an unknown or contradictory setting; classes
        of chains that the classes of the occasions cannot tell apart.

    Examples
    --------
    >>> model = bm.models.lta([["a1", "b1"], ["a2", "b2"]], 2)
    >>> [c.name for c in model.classes], model.responses[0].labels
    (['C1', 'C2'], ('a', 'b'))
    """
    occasions = Occasions.of(waves, classes, names, measurement)
    effects = effects or ("factor" if cluster else "none")
    chain = occasions.chain_class(chain_classes, stayers, chain_covariates, items_by_chain=items_by_chain)
    f = occasions.random_intercept(random_intercept)
    by_items, by_first = chain.names * items_by_chain, chain.names * initial_by_chain
    responses = occasions.responses(family, variance, by_items, item_covariates, random_intercept, offset)  # (6), (11)
    first = class_logits("C1", "C1", by_first, individual=covariates)  # (8), (12)
    later = [
        chain.of_movers(logits)
        for logits in occasions.transitions(
            transition_covariates, order, stationary, covariates_by_origin, additive, chain.movers
        )
    ]  # (9), (13)
    alphas, loadings = occasions.random_class_logits(effects, regressions, cluster_covariates)  # (10), (15)
    needs_clusters(cluster, effects=effects)
    c = occasions.classes(first, later, loadings, chain.stayers)
    declared = Model("lta", responses, (*chain.classes, *c), (*alphas, *f), cluster, freq)
    check_chain_identified(declared)
    by_group = ByGroup(measurement_by_group, sizes_by_group, slopes_by_group, transitions_by_group, factors=False)
    declared = known_pairs(over_groups(declared, group, by_group), known)
    return constrain(declared, fix=fix, equal=equal)
