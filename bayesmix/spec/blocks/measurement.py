"""Items: their parameters by family and class, covariates of items, loadings on factors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bayesmix.checks import one_of
from bayesmix.spec.blocks.priors import DATA_SD, ITEM_LOADING, SLOPE
from bayesmix.spec.families import Family, Place, bernoulli, check_family, nominal
from bayesmix.spec.formulas import parse_formula
from bayesmix.spec.model import Covariates, Response, Term
from bayesmix.spec.parameters import Parameter, at

Items = Sequence[str]
"""Columns of items."""
Formula = str | None
"""Covariates, such as ``"age + sex"``; none where it is left out."""
Families = Family | Mapping[str, Family] | None
"""The distribution of all items, or of each by its name; the template's own where it is left out."""


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


def item_responses(
    items: Sequence[str],
    family: Family | Mapping[str, Family] | None,
    classes: Sequence[str],
    variance: str = "equal",
    covariates: Mapping[str, str] | None = None,
    default: Family | None = None,
    beside: str = "",
    covariates_by: Sequence[str] = (),
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
    beside : str
        A word that the names of responses and parameters end with, where others stand beside them.
    covariates_by : sequence of str
        Class variables over which the effects of covariates on items differ.

    Raises
    ------
    ValueError
        Items as one text, an unknown variance, a family or covariates for no item.
    """
    items = listed(items)
    one_of("The variance", variance, ("equal", "class"))
    default = default or nominal()
    chosen = family if isinstance(family, Mapping) else dict.fromkeys(items, family or default)
    for what, given in (("A family", chosen), ("A formula", covariates or {})):
        if unknown := [i for i in given if i not in items]:
            raise ValueError(f"{what} came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    by_family: dict[Family, list[str]] = {}
    for item in items:
        check_family(own := chosen.get(item, default))
        by_family.setdefault(own, []).append(item)
    kinds = [f.response_name for f in by_family]
    names = [f"{kind}_{f.detail}" if kinds.count(kind) > 1 else kind for kind, f in zip(kinds, by_family, strict=True)]
    suffixes = [f"_{name}" if len(names) > 1 else "" for name in names]
    if beside:
        names, suffixes = [f"{name}_{beside}" for name in names], [f"{s}_{beside}" for s in suffixes]
    out = (
        _response(f, tuple(i), tuple(classes), variance, name, suffix)
        for (f, i), name, suffix in zip(by_family.items(), names, suffixes, strict=True)
    )
    if covariates_by and not covariates:
        raise ValueError("item_covariates_by_class=True came without item_covariates: give a formula by item.")
    return tuple(_with_covariates(r, covariates or {}, covariates_by) for r in out)


def _response(
    family: Family, items: tuple[str, ...], classes: tuple[str, ...], variance: str, name: str, suffix: str
) -> Response:
    """Items of one family, with the parameters that it declares."""
    place = Place(classes, f"item{suffix}", f"category{suffix}", f"threshold{suffix}", suffix, variance)
    predictor, auxiliary = (tuple(map(Term, p)) for p in (family.item_location(place), family.item_auxiliary(place)))
    return Response(name, items, family, predictor, auxiliary, place.item, place.category, place.threshold)


def _with_covariates(r: Response, covariates: Mapping[str, str], by: Sequence[str] = ()) -> Response:
    """The response with slopes of its items: one parameter a formula, zero for the items that do not have it."""
    formulas = list(dict.fromkeys(covariates.values()))
    terms = []
    for k, formula in enumerate(formulas, start=1):
        without = tuple(at(0.0, **{r.item_dim: i}) for i, item in enumerate(r.items) if covariates.get(item) != formula)
        if len(without) == len(r.items):
            continue
        number = f"_{k}" if len(formulas) > 1 else ""
        dim, nominal_dims = f"item_covariate{number}", (r.category_dim,) if r.family.by_category else ()
        reference = tuple(at(0.0, **{d: 0}) for d in nominal_dims)
        name = f"item_slope{number}{r.item_dim.removeprefix('item')}"
        slope = Parameter(name, (*by, r.item_dim, *nominal_dims, dim), prior=SLOPE, fixed=(*without, *reference))
        terms.append(Term(slope, Covariates(dim, formula)))
    return replace(r, predictor=(*r.predictor, *terms))


BETWEEN = "\x1f"
"""Between the formulas of several occasions, while they are one: no text that a formula may have."""
Offset = str | Mapping[str, str] | None
"""An offset of all items, a column or an expression such as ``"log(hours)"``; or of each by its name."""


def with_offset(responses: Iterable[Response], offset: Offset) -> tuple[Response, ...]:
    """Responses with an offset in their predictors: a column on their scale whose coefficient is one.

    Parameters
    ----------
    responses : iterable of Response
    offset : str or mapping of item to str, optional
        A column, or an expression of formulas, for all items or by item; items that are not in a mapping have none.

    Raises
    ------
    ValueError
        An offset for no item, an empty one, or one of nominal items.
    """
    responses = tuple(responses)
    if offset is None:
        return responses
    items = [i for r in responses for i in r.items]
    given = dict(offset) if isinstance(offset, Mapping) else dict.fromkeys(items, offset)
    if unknown := [i for i in given if i not in items]:
        raise ValueError(f"An offset came for '{unknown[0]}', which is not among the items: {', '.join(items)}.")
    formulas = list(dict.fromkeys(given.values()))
    for formula in formulas:
        if not isinstance(formula, str) or not formula.strip():
            raise ValueError(f"The offset came as {formula!r}: give a column, or an expression such as 'log(hours)'.")
        for one in formula.split(BETWEEN):
            parse_formula(one)
    out = []
    for r in responses:
        terms = []
        for k, formula in enumerate(formulas, start=1):
            without = [i for i, item in enumerate(r.items) if given.get(item) != formula]
            if len(without) == len(r.items):
                continue
            if r.family.by_category:
                raise ValueError(
                    f"The offset '{formula}' came for nominal items ({', '.join(r.items)}), which have a predictor for "
                    "each category: give item_covariates, or leave it out."
                )
            name = "offset" if len(formulas) == 1 else f"offset_{k}"
            by_item = (r.item_dim,) if without else ()
            ones = (at(1.0), *(at(0.0, **{r.item_dim: i}) for i in without))
            one = Parameter(f"{name}{r.suffix if by_item else ''}_coefficient", (*by_item, name), fixed=ones)
            terms.append(Term(one, Covariates(name, formula, offset=True)))
        out.append(replace(r, predictor=(*r.predictor, *terms)))
    return tuple(out)


def items_on_factors(
    items: Sequence[str],
    factors: Mapping[str, Sequence[str]],
    varying: Collection[str],
    loadings: str,
    family: Families,
    variance: str,
    covariates: Mapping[str, str] | None,
) -> tuple[Response, ...]:
    """Items that load on factors, (36), (38); ``bernoulli("probit")`` if nothing is said of their family.

    Parameters
    ----------
    items, family, variance, covariates
        As in :func:`item_responses`.
    factors : mapping of str to sequence of str
        The items that load on each factor.
    varying : collection of str
        Which of "intercepts" and "loadings" vary over the classes C.
    loadings : {"item", "one"}
    """
    intercepts, slopes = (("C",) if what in varying else () for what in ("intercepts", "loadings"))
    responses = item_responses(items, family, intercepts, variance, covariates, bernoulli("probit"))
    return tuple(loading_on(r, factors, slopes, loadings == "one") for r in responses)


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

    Raises
    ------
    ValueError
        One loading for nominal items, of which each category has one.
    """
    several, names = len(factors) > 1, tuple(factors)
    if one and r.family.by_category:
        raise ValueError(
            f"One loading for all items came with nominal items ({', '.join(map(str, r.items[:3]))}), whose categories "
            "have one each: give family=bm.bernoulli() for items with two categories, or a loading for each item."
        )
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
    category = (r.category_dim,) if r.family.by_category else ()
    reference = tuple(at(0.0, **{d: 0}) for d in category)
    dims = (*lead, *by, r.item_dim, *category)
    loading = Parameter(f"loading{suffix}", dims, "real", ITEM_LOADING, (*none, *reference))
    return replace(r, predictor=(*r.predictor, Term(loading, None, names, "factor" if several else "effect")))
