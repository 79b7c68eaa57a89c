"""Pieces of a declaration that templates share: measured items, class logits, random effects of the logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, cast

from bayesmix.spec.families import Bernoulli, Family, Ordinal, nominal
from bayesmix.spec.model import Covariates, Effect, LatentClass, Level, Response, Term
from bayesmix.spec.parameters import Parameter, Prior, at

LOGIT = Prior("ExchangeableLogit", sigma=1.5)
LOADING = Prior("CholeskyNormal", sigma=1.5)
LOADING_FREE = Prior("Normal", mu=0.0, sigma=1.5)
REGRESSION = Prior("DataNormal", sigma=1.0)
SLOPE, LOGIT_SLOPE = Prior("DataNormal", sigma=2.0), Prior("DataExchangeableLogit", sigma=1.5)
ITEM_LOADING, DATA_SD = Prior("DataNormal", sigma=1.5), Prior("DataHalfNormal", sigma=1.5)
SD = Prior("HalfNormal", sigma=1.5)
GUESSING = Prior("Beta", alpha=5.0, beta=17.0)
COVARIANCES = ("unrestricted", "factor", "none")


def listed(items: Iterable[str], what: str = "items") -> tuple[str, ...]:
    """Columns as a tuple, of any iterable that has an order.

    Raises
    ------
    ValueError
        One text, a set, or something that is no name.
    """
    if isinstance(items, str):
        raise ValueError(f"The {what} came as the text {items!r}: give a list of column names.")
    if isinstance(items, set | frozenset) or not isinstance(items, Iterable):
        raise ValueError(f"The {what} came as {items!r}, expected a list of column names, in an order.")
    out = tuple(items)
    if odd := [i for i in out if not isinstance(i, str)]:
        raise ValueError(
            f"The {what} came with {odd[0]!r}, expected names of columns as text: df.columns = df.columns.map(str)."
        )
    return out


def whole(value: Any, words: str, least: int = 1) -> int:
    """A whole number of at least `least`, NumPy's too.

    Parameters
    ----------
    value : int
    words : str
        What is said of anything else.

    Raises
    ------
    ValueError
        Anything else.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(words)
    return int(value)


def class_number(value: Any, least: int = 1, more: str = "") -> int:
    """A number of classes.

    Raises
    ------
    ValueError
        No whole number of at least `least`.
    """
    return whole(
        value, f"The number of classes came as {value!r}: give a whole number of at least {least}{more}.", least
    )


def cluster_class_number(value: Any) -> int:
    """A number of classes of clusters: 0, or at least 2.

    Raises
    ------
    ValueError
        Anything else.
    """
    words = f"cluster_classes came as {value!r}: give a whole number of at least 2, or 0 for no classes of clusters."
    return whole(value, words, 2) if value != 0 or isinstance(value, bool) else 0


def needs_clusters(cluster: str | None, asked: Mapping[str, object]) -> None:
    """What was asked of clusters, where there are none.

    Parameters
    ----------
    cluster : str or None
        The column of the cluster labels.
    asked : mapping of str to object
        Settings as text, and whether they ask for clusters.

    Raises
    ------
    ValueError
        The first of them that does, without a column.
    """
    if not cluster and (came := [k for k, v in asked.items() if v]):
        raise ValueError(f"{came[0]} came without clusters: give cluster='the column of cluster labels'.")


def measured(
    items: Sequence[str],
    family: Family | Mapping[str, Family] | None,
    classes: Sequence[str],
    variance: str = "equal",
    covariates: Mapping[str, str] | None = None,
    default: Family | None = None,
) -> tuple[Response, ...]:
    """Items whose parameters depend on `classes`, a response for each family among them.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    family : Family or mapping of item to Family, optional
        The default for all items, or for those not in the mapping, if left out.
    classes : sequence of str
        Names of class variables.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    covariates : mapping of item to formula, optional
        Covariates with an effect on an item that is the same in all classes.
    default : Family, optional
        Of items of which nothing is said: `nominal()` if left out.

    Raises
    ------
    ValueError
        Items as one text, an unknown variance, a family or covariates for no item.
    """
    items = listed(items)
    if variance not in ("equal", "class"):
        raise ValueError(f"The variance came as {variance!r}: give 'equal' or 'class'.")
    default = default or nominal()
    chosen = family if isinstance(family, Mapping) else dict.fromkeys(items, family or default)
    for what, given in (("A family", chosen), ("A formula", covariates or {})):
        if unknown := [i for i in given if i not in items]:
            raise ValueError(f"{what} came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    by_family: dict[Family, list[str]] = {}
    for item in items:
        by_family.setdefault(chosen.get(item, default), []).append(item)
    kinds = [_kind(f) for f in by_family]
    names = [f"{kind}_{_link(f)}" if kinds.count(kind) > 1 else kind for kind, f in zip(kinds, by_family, strict=True)]
    suffixes = [f"_{name}" if len(names) > 1 else "" for name in names]
    out = (
        _response(f, tuple(i), tuple(classes), variance, name, suffix)
        for (f, i), name, suffix in zip(by_family.items(), names, suffixes, strict=True)
    )
    return tuple(_with_covariates(r, covariates or {}) for r in out)


def _kind(family: Family) -> str:
    """The name of a response of this family."""
    return "guessed" if isinstance(family, Bernoulli) and family.guessing else type(family).__name__.lower()


def _link(family: Family) -> str:
    """What else tells two responses of one kind apart."""
    return family.link if isinstance(family, Bernoulli | Ordinal) else "linear"


def _response(
    family: Family, items: tuple[str, ...], classes: tuple[str, ...], variance: str, name: str, suffix: str
) -> Response:
    kind = type(family).__name__.lower()
    guessing = isinstance(family, Bernoulli) and family.guessing
    item, category, threshold = f"item{suffix}", f"category{suffix}", f"threshold{suffix}"
    predictor: tuple[Term, ...] = ()
    auxiliary: tuple[Term, ...] = ()
    if kind == "nominal":
        dims, fixed = (*classes, item, category), (at(0.0, **{category: 0}),)
        predictor = (Term(Parameter(f"item_logit{suffix}", dims, prior=LOGIT, fixed=fixed)),)
    elif kind == "ordinal":
        dims, prior = (*classes, item, threshold), Prior("Normal", mu=0, sigma=3)
        auxiliary = (Term(Parameter(f"item_threshold{suffix}", dims, "ordered", prior)),)
    else:
        spread = {"normal": Prior("DataNormal", sigma=2.5), "poisson": Prior("DataNormal", sigma=3)}
        prior = spread.get(kind, Prior("Normal", mu=0, sigma=2))
        predictor = (Term(Parameter(f"item_intercept{suffix}", (*classes, item), prior=prior)),)
    if kind == "normal":
        dims = (*classes, item) if variance == "class" else (item,)
        auxiliary = (Term(Parameter(f"item_sd{suffix}", dims, "positive", Prior("DataHalfNormal", sigma=2.5))),)
    if guessing:
        auxiliary = (Term(Parameter(f"guessing{suffix}", (item,), "probability", GUESSING)),)
    return Response(name, items, family, predictor, auxiliary, item, category, threshold)


def _with_covariates(r: Response, covariates: Mapping[str, str]) -> Response:
    """The response with slopes of its items: one parameter a formula, zero for the items that do not have it."""
    formulas = list(dict.fromkeys(covariates.values()))
    terms = []
    for k, formula in enumerate(formulas, start=1):
        without = tuple(at(0.0, **{r.item_dim: i}) for i, item in enumerate(r.items) if covariates.get(item) != formula)
        if len(without) == len(r.items):
            continue
        number = f"_{k}" if len(formulas) > 1 else ""
        dim, nominal_dims = f"item_covariate{number}", (r.category_dim,) if r.family == nominal() else ()
        reference = tuple(at(0.0, **{d: 0}) for d in nominal_dims)
        name = f"item_slope{number}{r.item_dim.removeprefix('item')}"
        slope = Parameter(name, (r.item_dim, *nominal_dims, dim), prior=SLOPE, fixed=(*without, *reference))
        terms.append(Term(slope, Covariates(dim, formula)))
    return replace(r, predictor=(*r.predictor, *terms))


def logits(
    variable: str, prefix: str, parents: Sequence[str] = (), *, slopes_by: Sequence[str] = (), **covariates: str | None
) -> tuple[Term, ...]:
    """Intercepts and slopes of class logits, the last class the reference: (4), (8)-(9), (17), (24), (26).

    Parameters
    ----------
    variable : str
        The class variable.
    prefix : str
        Of the parameters' names: ``<prefix>_logit`` and, by level, ``<prefix>_slope``.
    parents : sequence of str
        Class variables that the intercepts depend on.
    slopes_by : sequence of str
        Class variables that the slopes depend on.
    **covariates
        A formula by level: ``individual="age + sex"``, ``cluster="sector"``; None for none.
    """
    reference = (at(0.0, **{variable: -1}),)
    out = [Term(Parameter(f"{prefix}_logit", (*parents, variable), prior=LOGIT, fixed=reference))]
    for level, formula in covariates.items():
        if formula is not None:
            own = {"individual": "", "cluster": "cluster_"}[level] if prefix == "class" else f"{prefix}_"
            dim, name = f"{own}covariate", f"{own}slope" if own else f"{prefix}_slope"
            slope = Parameter(name, (*slopes_by, variable, dim), prior=LOGIT_SLOPE, fixed=reference)
            out.append(Term(slope, Covariates(dim, formula, cast(Level, level))))
    return tuple(out)


def random_logits(
    variable: str, classes: int, level: Level, covariance: str, by: Sequence[str] = ()
) -> tuple[tuple[Effect, ...], tuple[Term, ...]]:
    """Random parts of class logits: alpha_c + sum_k lambda_kc z_k with z ~ N(0, I), (4)-(5), (34)-(35).

    Unrestricted, there are K - 1 effects and the loadings are the Cholesky factor of the covariance
    matrix of the logits; with one factor there is one effect, lambda_1 > 0.

    Parameters
    ----------
    variable : str
        The class variable, with `classes` classes.
    level : {"individual", "cluster"}
        Where the effects live.
    covariance : {"unrestricted", "factor", "none"}
    by : sequence of str
        Class variables that the covariance matrix depends on, (18), (25).
    """
    if covariance not in COVARIANCES:
        raise ValueError(f"The covariance came as {covariance!r}: give {', '.join(map(repr, COVARIANCES))}.")
    if covariance == "none" or classes < 2:
        return (), ()
    n = 1 if covariance == "factor" else classes - 1
    own = "class" if level == "individual" else "cluster"
    dim = "effect" if level == "individual" else "cluster_effect"
    effects = tuple(Effect(f"{'a' if level == 'individual' else 'u'}{k + 1}", level) for k in range(n))
    loading = Parameter(f"{own}_loading", (*by, dim, variable), "cholesky", LOADING, (at(0.0, **{variable: -1}),))
    return effects, (Term(loading, effects=tuple(e.name for e in effects), effect_dim=dim),)


def cluster_class(classes: int, covariates: str | None) -> tuple[LatentClass, ...]:
    """The classes D of clusters, predicted by covariates of clusters: (17), (26)."""
    if not classes:
        return ()
    return (LatentClass("D", classes, "cluster", logits("D", "cluster_class", cluster=covariates)),)


# factors ------------------------------------------------------------------------------------------


def named_factors(
    items: Sequence[str], factors: Mapping[str, Sequence[str]] | Sequence[str] | None, loadings: str = "item"
) -> dict[str, tuple[str, ...]]:
    """The items that load on each factor: all of them on one, `f`, if nothing is said.

    Raises
    ------
    ValueError
        A factor without items, with an unknown item, or with the name of something else; one loading for several.
    """
    if loadings not in ("item", "one"):
        raise ValueError(f"loadings came as {loadings!r}: give 'item' or 'one'.")
    if factors is None:
        return {"f": tuple(items)}
    if not isinstance(factors, Mapping) or not factors:
        raise ValueError(
            f"factors came as {factors!r}: give the items of each factor by its name, such as "
            "{'inattention': ['i1', 'i2', 'i3'], 'hyperactivity': ['h1', 'h2', 'h3']}."
        )
    out = {name: tuple(own) if not isinstance(own, str) else (own,) for name, own in factors.items()}
    for name, own in out.items():
        if not own:
            raise ValueError(f"The factor '{name}' came without items: name those that load on it.")
        if unknown := [i for i in own if i not in items]:
            raise ValueError(f"The factor '{name}' came with '{unknown[0]}', which is not among the items.")
        if name in items or name in ("C", "D") or not name.isidentifier():
            raise ValueError(f"A factor came with the name '{name}': give a word that nothing else is named by.")
    if loadings == "one" and len(out) > 1:
        raise ValueError("loadings='one' came with several factors: one loading for all items is of one factor.")
    return out


def factor_effects(
    names: Sequence[str],
    *,
    correlated: bool = True,
    means: Sequence[str] = (),
    variances: Sequence[str] = (),
    covariates: str | None = None,
    cluster: bool = False,
) -> tuple[Effect, ...]:
    """Factors of individuals, (36): eta_f = mu_cf + beta_f x + sigma_u u_fj + sigma_cf r, with Var(r) = 1.

    Parameters
    ----------
    names : sequence of str
        Of the factors.
    correlated : bool
        Whether their residuals r are.
    means, variances : sequence of str
        Class variables that mu and sigma depend on; 0 and 1 in the last class.
    covariates : str, optional
        Formula of covariates that predict the factors.
    cluster : bool
        Whether clusters have a random part u_fj ~ N(0, 1) of the factors.
    """
    own, shared = [], []
    for k, name in enumerate(names):
        mean: list[Term] = []
        if means:
            fixed = (at(0.0, **dict.fromkeys(means, -1)),)
            mean.append(Term(Parameter(f"{name}_mean", tuple(means), prior=LOADING_FREE, fixed=fixed)))
        if covariates is not None:
            x = Covariates("factor_covariate", covariates)
            mean.append(Term(Parameter(f"{name}_slope", (x.name,), prior=REGRESSION), x))
        if cluster:
            shared.append(Effect(f"u_{name}", "cluster"))
            mean.append(Term(Parameter(f"{name}_cluster_sd", (), "sd", SD), effects=(f"u_{name}",)))
        if correlated and k:
            mean.append(regressed(name, names[:k]))
        sd = None
        if variances:
            fixed = (at(1.0, **dict.fromkeys(variances, -1)),)
            sd = Term(Parameter(f"{name}_sd", tuple(variances), "sd", SD, fixed))
        own.append(Effect(name, "individual", tuple(mean), sd, correlated and len(names) > 1))
    return (*shared, *own)


def loading_on(
    r: Response, factors: Mapping[str, Sequence[str]], by: Sequence[str] = (), one: bool = False
) -> Response:
    """The response with its items' loadings lambda on factors, (36), (38), (42): `loading`.

    Parameters
    ----------
    factors : mapping of str to sequence of str
        The items that load on each factor; the other loadings are zero.
    by : sequence of str
        Class variables that the loadings depend on.
    one : bool
        One positive loading for all items.
    """
    several, names = len(factors) > 1, tuple(factors)
    if one:
        loading = Parameter("loading", tuple(by), "sd", DATA_SD)
        return replace(r, predictor=(*r.predictor, Term(loading, effects=names)))
    lead, suffix = (("factor",) if several else ()), r.item_dim.removeprefix("item")
    none = tuple(
        at(0.0, **({"factor": f} if several else {}), **{r.item_dim: i})
        for f, name in enumerate(names)
        for i, item in enumerate(r.items)
        if item not in factors[name]
    )
    if len(none) == len(names) * len(r.items):
        return r
    category = (r.category_dim,) if r.family == nominal() else ()
    reference = tuple(at(0.0, **{d: 0}) for d in category)
    dims = (*lead, *by, r.item_dim, *category)
    loading = Parameter(f"loading{suffix}", dims, "real", ITEM_LOADING, (*none, *reference))
    return replace(r, predictor=(*r.predictor, Term(loading, None, names, "factor" if several else "effect")))


# regressions --------------------------------------------------------------------------------------


def random_coefficients(
    names: Sequence[str], covariance: str, by: Sequence[str] = (), prior: Prior = SD
) -> tuple[Effect, ...]:
    """Residuals u_kj of the random coefficients of a regression: u = B u + sigma z, R(14)-R(16), R(20)-R(22).

    Each is regressed on those before it, so that their covariance matrix is what is asked for. The
    intercept comes first: its variance is not near zero, that of a slope often is, and then the slope's
    covariance is still a regression on the intercept.

    Parameters
    ----------
    names : sequence of str
        Of the effects: the intercept first.
    covariance : {"unrestricted", "slopes apart", "independent"}
        All covariances; those of the first effect with each other, as Table 1 of the 2009 paper has them
        (then it comes last); none.
    by : sequence of str
        Class variables that the covariance matrix depends on, (18).
    prior : Prior
        Of the SDs.
    """
    apart = covariance == "slopes apart"
    order = [*names[1:], *names[:1]] if apart else list(names)
    effects = []
    for k, name in enumerate(order):
        on = order[:k] if covariance == "unrestricted" or (apart and k == len(order) - 1) else []
        mean = (regressed(name, on, by),) if on else ()
        effects.append(Effect(name, "cluster", mean, Term(Parameter(f"{name}_sd", tuple(by), "sd", prior))))
    return tuple(effects)


def regressed(name: str, on: Sequence[str], by: Sequence[str] = ()) -> Term:
    """The regression of an effect on others."""
    if len(on) == 1:
        return Term(Parameter(f"{name}_on_{on[0]}", tuple(by), prior=REGRESSION), effects=tuple(on))
    dim = f"{name}_regressor"
    return Term(Parameter(f"{name}_on", (*by, dim), prior=REGRESSION), None, tuple(on), dim)


# several occasions --------------------------------------------------------------------------------


def at_occasion(
    r: Response, t: int, items: Sequence[str], shared: Mapping[str, str], own: Mapping[str, str]
) -> Response:
    """A response at occasion `t`: the same items in other columns.

    Parameters
    ----------
    r : Response
        Declared with the classes' common names.
    t : int
        The number of the occasion, which ends the response's name.
    items : sequence of str
        The columns there, in the order of the response's items.
    shared : mapping of str to str
        The classes' names there, for parameters that all occasions share.
    own : mapping of str to str
        The classes' names there, for parameters of this occasion alone; one of the two is empty.
    """

    def here(term: Term) -> Term:
        p = term.parameter
        if own:
            dims = tuple(own.get(d, d) for d in p.dims)
            return replace(term, parameter=replace(p, name=f"{p.name}_{t}", dims=dims))
        return replace(term, rename=tuple((k, v) for k, v in shared.items() if k in p.dims))

    predictor, auxiliary = (tuple(here(x) for x in some) for some in (r.predictor, r.auxiliary))
    return replace(
        r, name=f"{r.name}_{t}", items=tuple(items), labels=r.items, predictor=predictor, auxiliary=auxiliary
    )


def random_occasion(
    variable: str, names: Sequence[str], earlier: Sequence[str], covariates: str | None = None
) -> tuple[tuple[Effect, ...], Term]:
    """Random logits of a class variable, regressed on those of earlier occasions: (10), (15).

    alpha_k = sum_e beta_ke alpha_e + gamma_k w + sigma_k z_k over the earlier effects e and those of the
    same occasion before it, so that their covariance matrix is unrestricted. The class logits load on
    alpha_k with 1 in class k and 0 in the classes of other effects.

    Parameters
    ----------
    variable : str
        The class variable.
    names : sequence of str
        Of its effects: one (a factor; for two classes all there is), or one for each class but the last.
    earlier : sequence of str
        Effects of earlier occasions.
    covariates : str, optional
        Formula of covariates of clusters (5).
    """
    effects = []
    for k, name in enumerate(names):
        mean, on = [], (*earlier, *names[:k])
        if on:
            mean.append(regressed(name, on))
        if covariates is not None:
            dim = f"{variable}_cluster_covariate"
            mean.append(Term(Parameter(f"{name}_slope", (dim,), prior=SLOPE), Covariates(dim, covariates, "cluster")))
        effects.append(Effect(name, "cluster", tuple(mean), Term(Parameter(f"{name}_sd", (), "sd", SD))))
    dim = f"{variable}_effect"
    loading = Parameter(f"{variable}_loading", (dim, variable), "unit", LOADING_FREE, (at(0.0, **{variable: -1}),))
    return tuple(effects), Term(loading, None, tuple(names), dim)
