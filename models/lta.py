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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from bayesmix import Effect, Family, LatentClass, Model, Response, Term, at
from bayesmix.spec.blocks import (
    COVARIANCES,
    at_occasion,
    listed,
    logits,
    measured,
    needs_clusters,
    random_occasion,
    whole,
)


def lta(
    waves: Sequence[Sequence[str]],
    classes: int | Sequence[int],
    covariates: str | None = None,
    transition_covariates: str | Sequence[str | None] | None = None,
    family: Family | Mapping[str, Family] | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    names: Sequence[str] | None = None,
    measurement: str | Sequence[str] = "invariant",
    stationary: bool = False,
    order: int = 1,
    covariates_by_origin: bool = False,
    cluster: str | None = None,
    effects: str | None = None,
    regressions: str = "first-order",
    cluster_covariates: str | None = None,
) -> Model:
    """Declare a latent transition model, single-level or two-level.

    The class variables are C1, C2, ..., the random effects alpha1, alpha2, ...

    Parameters
    ----------
    waves : sequence of sequences of str
        Columns of the items, a list for each occasion; the same items in the same order.
    classes : int or sequence of int
        Number of classes, or one for each occasion (then `measurement` must be "free").
    covariates : str, optional
        Formula of the logits of the first class (8).
    transition_covariates : str or sequence of str or None, optional
        Formula of the transitions (9): one for all of them, or one for each (None for none).
    family : Family or mapping of item to Family, optional
        Distribution of the items by their names (or columns), `nominal()` if left out.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.
    names : sequence of str, optional
        Names of the items in results; what the columns of all occasions have in common, if left out.
    measurement : {"invariant", "free"} or sequence of str
        Item parameters over time: the same, free, or the names of the items that are free.
    stationary : bool
        Whether all transitions have the same probabilities and slopes.
    order : int
        On how many classes before it a class depends; T - 1 for all of them.
    covariates_by_origin : bool
        Whether the slopes of transitions differ by the class left.
    cluster : str, optional
        Column of the cluster labels: the model is two-level.
    effects : {"factor", "unrestricted", "none"}, optional
        Random effects of clusters on the class logits: one an occasion, one for each class but the
        last (the same for two classes), or none. Left out: one, in a two-level model.
    regressions : {"first-order", "all", "none"}
        Of the effects of an occasion on those of the occasion before (10), (15), on all earlier ones.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the effects (5), of every occasion.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        No occasion, occasions with other numbers of items, numbers of classes that do not fit the
        occasions or the measurement, an item of another name, an unknown setting.
    """
    waves = _check_waves(waves)
    sizes = _check_classes(classes, len(waves), measurement, stationary)
    items = list(names) if names is not None else _common(waves)
    free = _check_names(items, waves, measurement)
    effects = effects or ("factor" if cluster else "none")
    formulas = _check_settings(len(waves), transition_covariates, stationary, order, cluster, effects, regressions)
    if cluster_covariates is not None and effects == "none":
        raise ValueError(
            f"cluster_covariates={cluster_covariates!r} came without effects of clusters: they predict these."
        )
    responses = _measurement(waves, items, free, _by_name(family, items, waves), variance)
    alphas, loadings = _alphas(sizes, effects, regressions, cluster_covariates)
    of_individuals = tuple(
        LatentClass(
            f"C{t}",
            size,
            "individual",
            (*_logits(t, covariates, formulas, order, stationary, covariates_by_origin), *more),
        )
        for t, (size, more) in enumerate(zip(sizes, loadings, strict=True), start=1)
    )
    return Model("lta", responses, of_individuals, alphas, cluster, freq)


def _measurement(waves, items, free, family, variance) -> tuple[Response, ...]:
    """(6), (11): the items of each occasion, those that are free over time apart."""
    out = []
    for which, own in (([i for i in items if i not in free], False), ([i for i in items if i in free], True)):
        some = None if family is None or isinstance(family, Family) else {i: f for i, f in family.items() if i in which}
        declared = measured(which, family if some is None else some, ("C",), variance) if which else ()
        prefix = "free_" if own and len(which) < len(items) else ""
        for r in (_apart(r) if prefix else r for r in declared):
            for t, wave in enumerate(waves, start=1):
                columns, names = [wave[items.index(i)] for i in r.items], {"C": f"C{t}"}
                out.append(at_occasion(r, t, columns, {} if own else names, names if own else {}))
    return tuple(sorted(out, key=lambda r: int(r.name.rpartition("_")[2])))


def _apart(r: Response) -> Response:
    """Dims and parameters of free items beside invariant ones have names of their own."""
    dims = {d: f"{d}_free" for d in (r.item_dim, r.category_dim, r.threshold_dim)}

    def here(term: Term) -> Term:
        p = term.parameter
        fixed = tuple(at(f.value, **{dims.get(d, d): k for d, k in f.positions}) for f in p.fixed)
        return replace(
            term, parameter=replace(p, name=f"free_{p.name}", dims=tuple(dims.get(d, d) for d in p.dims), fixed=fixed)
        )

    predictor, auxiliary = (tuple(map(here, some)) for some in (r.predictor, r.auxiliary))
    item, category, threshold = dims.values()
    return replace(
        r,
        name=f"free_{r.name}",
        predictor=predictor,
        auxiliary=auxiliary,
        item_dim=item,
        category_dim=category,
        threshold_dim=threshold,
    )


def _logits(t: int, covariates, formulas, order: int, stationary: bool, by_origin: bool) -> tuple[Term, ...]:
    """(8) of the first class, (9) of the others."""
    if t == 1:
        return logits("C1", "C1", individual=covariates)
    before = [f"C{s}" for s in range(max(1, t - order), t)]
    by = before[-1:] if by_origin else []
    if not stationary:
        return logits(f"C{t}", f"C{t}", before, slopes_by=by, individual=formulas[t - 2])
    names = (("from", before[-1]), ("to", f"C{t}"))
    return tuple(
        replace(term, rename=tuple(n for n in names if n[0] in term.parameter.dims))
        for term in logits("to", "transition", ["from"], slopes_by=["from"] * by_origin, individual=formulas[0])
    )


def _alphas(sizes, effects: str, regressions: str, covariates) -> tuple[tuple[Effect, ...], list[tuple[Term, ...]]]:
    """(10), (15): effects of each occasion, and the terms by which its class logits load on them."""
    alphas: list[Effect] = []
    loadings: list[tuple[Term, ...]] = []
    before: list[list[str]] = []
    for t, size in enumerate(sizes, start=1):
        if effects == "none" or size < 2:
            loadings.append(())
            continue
        n = 1 if effects == "factor" else size - 1
        mine = [f"alpha{t}"] if n == 1 else [f"alpha{t}_{k}" for k in range(1, n + 1)]
        earlier = {"first-order": before[-1:], "all": before, "none": []}[regressions]
        new, loading = random_occasion(f"C{t}", mine, [e for some in earlier for e in some], covariates)
        alphas += new
        loadings.append((loading,))
        before.append(mine)
    return tuple(alphas), loadings


# checks -------------------------------------------------------------------------------------------


def _check_waves(waves) -> list[list[str]]:
    several = [] if isinstance(waves, str) else list(waves)
    if not several or any(isinstance(w, str) for w in several):
        raise ValueError(f"The waves came as {waves!r}: give a list of columns for each occasion, [[...], [...]].")
    out = [list(listed(w)) for w in several]
    if len({len(w) for w in out}) > 1 or not out[0]:
        raise ValueError(
            f"The occasions came with {', '.join(str(len(w)) for w in out)} items: each has the same items in the same "
            "order, at least one."
        )
    return out


def _check_classes(classes, n: int, measurement, stationary: bool) -> list[int]:
    words = f"The numbers of classes came as {classes!r}: give one, or one for each of the {n} occasions."
    several = list(classes) if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes] * n
    out = [whole(k, words) for k in several]
    if len(out) != n:
        raise ValueError(words)
    if len(set(out)) > 1 and (measurement != "free" or stationary):
        raise ValueError(
            f"The occasions have {', '.join(map(str, out))} classes, but measurement={measurement!r} and "
            f"stationary={stationary}: with other numbers of classes measurement must be 'free' and transitions "
            "must vary."
        )
    return out


def _check_names(items: list[str], waves, measurement) -> list[str]:
    """The items that are free over time."""
    if len(items) != len(waves[0]) or len(set(items)) < len(items):
        raise ValueError(f"names came as {items!r}: give one name for each of the {len(waves[0])} items, none twice.")
    if isinstance(measurement, str):
        if measurement not in ("invariant", "free"):
            raise ValueError(
                f"measurement came as {measurement!r}: give 'invariant', 'free' or the items that are free."
            )
        return items if measurement == "free" else []
    if unknown := [i for i in measurement if i not in items]:
        raise ValueError(f"measurement came with '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    return list(measurement)


def _check_settings(n, formulas, stationary, order, cluster, effects, regressions) -> list[str | None]:
    """The formula of each transition."""
    whole(order, f"order came as {order!r}: give a whole number of at least 1, the classes that one depends on.")
    if stationary and (order > 1 or not (formulas is None or isinstance(formulas, str))):
        raise ValueError(
            "Stationary transitions are of order 1 and have one formula: give order=1, one formula or none."
        )
    for name, value, known in (
        ("effects", effects, COVARIANCES), ("regressions", regressions, ("first-order", "all", "none")),
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} came as {value!r}: give {', '.join(map(repr, known))}.")
    needs_clusters(cluster, {f"effects={effects!r}": effects != "none"})
    out = [formulas] * (n - 1) if formulas is None or isinstance(formulas, str) else list(formulas)
    if len(out) != n - 1:
        raise ValueError(
            f"transition_covariates came with {len(out)} formulas for {n - 1} transitions: give one for all, or one "
            "each."
        )
    return out


def _by_name(family, items: list[str], waves):
    """Families by the items' names, given by names or columns."""
    if not isinstance(family, Mapping):
        return family
    names = {column: item for wave in waves for column, item in zip(wave, items, strict=True)}
    if unknown := [k for k in family if k not in items and k not in names]:
        raise ValueError(f"A family came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    return {names.get(k, k) if k not in items else k: f for k, f in family.items()}


def _common(waves: list[list[str]]) -> list[str]:
    """What the columns of an item have in common: ``stubborn`` of stubborn_fall, stubborn_spring."""
    out = []
    for columns in zip(*waves, strict=True):
        ahead, behind = _beginning(columns), _beginning([c[::-1] for c in columns])[::-1]
        out.append(max(ahead, behind, key=len).strip("_.- ") if len(waves) > 1 else columns[0])
    return out if all(out) and len(set(out)) == len(out) else list(waves[0])


def _beginning(texts: Sequence[str]) -> str:
    """The letters with which all texts begin."""
    return "".join(k[0] for k in takewhile(lambda k: len(set(k)) == 1, zip(*texts, strict=False)))
