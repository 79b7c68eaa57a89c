r"""Latent class analysis, equations (1), (4) and (27).

For item p of individual i,

    P(y_pi = k | C_i = c) = pi_pkc,          independently over items given the class,
    P(C_i = c) = exp(alpha_c + beta_c x_i) / sum_s exp(alpha_s + beta_s x_i),   alpha_K = beta_K = 0,

with pi written by the family: category logits (nominal), an intercept (bernoulli), thresholds
(ordinal), a mean and SD (normal), a log rate (poisson).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import (
    Covariates,
    Family,
    LatentClass,
    Model,
    Parameter,
    Prior,
    Response,
    Term,
    at,
    nominal,
)

LOGIT = Prior("ExchangeableLogit", sigma=1.5)


def lca(
    items: Sequence[str],
    classes: int,
    covariates: str | None = None,
    family: Family | Mapping[str, Family] | None = None,
    variance: str = "equal",
    freq: str | None = None,
) -> Model:
    """Declare a latent class model.

    Parameters
    ----------
    items : sequence of str
        Columns of the items.
    classes : int
        Number of classes K.
    covariates : str, optional
        Formula of the class logits (4), e.g. ``"age + sex"``; the last class is the reference.
    family : Family or mapping of item to Family, optional
        Distribution of the items, `nominal()` for all of them (or for those not in the mapping)
        if left out; several families may stand in one model.
    variance : {"equal", "class"}
        Residual SD of normal items: the same in all classes, or one for each.
    freq : str, optional
        Column of frequency weights.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        No items, a duplicate item, a number of classes below one, a family for no item.
    """
    if isinstance(items, str):
        raise ValueError(f"The items came as the text {items!r}: give a list of column names.")
    if variance not in ("equal", "class"):
        raise ValueError(f"The variance came as {variance!r}: give 'equal' or 'class'.")
    by_family: dict[Family, list[str]] = {}
    chosen = family if isinstance(family, Mapping) else dict.fromkeys(items, family or nominal())
    if unknown := [i for i in chosen if i not in items]:
        raise ValueError(f"A family came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    for item in items:
        by_family.setdefault(chosen.get(item, nominal()), []).append(item)
    responses = tuple(_response(f, tuple(i), variance, len(by_family) > 1) for f, i in by_family.items())
    logits = [Term(Parameter("class_logit", ("C",), prior=LOGIT, fixed=(at(0.0, C=-1),)))]
    if covariates is not None:
        slope = Parameter("class_slope", ("C", "covariate"), prior=LOGIT, fixed=(at(0.0, C=-1),))
        logits.append(Term(slope, covariates=Covariates("covariate", covariates)))
    return Model("lca", responses, (LatentClass("C", classes, "individual", tuple(logits)),), freq=freq)


def _response(family: Family, items: tuple[str, ...], variance: str, several: bool) -> Response:
    name = type(family).__name__.lower()
    suffix = f"_{name}" if several else ""
    item, category, threshold = f"item{suffix}", f"category{suffix}", f"threshold{suffix}"
    predictor: tuple[Term, ...] = ()
    auxiliary: tuple[Term, ...] = ()
    if name == "nominal":
        p = Parameter(f"item_logit{suffix}", ("C", item, category), prior=LOGIT, fixed=(at(0.0, **{category: 0}),))
        predictor = (Term(p),)
    elif name == "ordinal":
        p = Parameter(f"item_threshold{suffix}", ("C", item, threshold), "ordered", Prior("Normal", mu=0, sigma=3))
        auxiliary = (Term(p),)
    else:
        prior = {
            "normal": Prior("DataNormal", sigma=2.5),
            "poisson": Prior("Normal", mu=0, sigma=3),
        }.get(name, Prior("Normal", mu=0, sigma=2))
        predictor = (Term(Parameter(f"item_intercept{suffix}", ("C", item), prior=prior)),)
    if name == "normal":
        dims = ("C", item) if variance == "class" else (item,)
        sigma = Parameter(f"item_sd{suffix}", dims, "positive", Prior("DataHalfNormal", sigma=2.5))
        auxiliary = (Term(sigma),)
    return Response(name, items, family, predictor, auxiliary, item, category, threshold)
