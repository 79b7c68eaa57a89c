"""Where a model's parameters stand in Mplus's language: one table, for reading results and for writing statements.

Of the entries theta of a parameter, Mplus's parameter is m = g(sum_k a_k theta_k): the threshold of a binary item is
minus its intercept, a variance the square of an SD; a class regressed on another has the logits of the last class
as its means, and differences to these as its slopes. What Mplus has no words for is refused, by the part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from bayesmix.spec import LatentClass, Model, Response, Term, parse_formula

Entry = tuple[str, tuple[int, ...]]
"""A parameter's name, and the position in it."""


@dataclass(frozen=True)
class Form:
    """A function g, its inverse, and the derivative of the inverse by m."""

    of: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


PLAIN = Form(lambda x: x, lambda m: m, lambda m: 1.0)
VARIANCE = Form(lambda sd: sd**2, lambda m: float(np.sqrt(m)) if m >= 0 else np.nan,
                lambda m: 0.5 / np.sqrt(m) if m > 0 else np.nan)  # fmt: skip
GUESSING = Form(
    lambda g: float(np.log1p(-g) - np.log(g)),
    lambda m: float(1 / (1 + np.exp(m))),
    lambda m: float(np.exp(-abs(m)) / (1 + np.exp(-abs(m))) ** 2),
)


INFLATION = Form(
    lambda w: float(np.log(w) - np.log1p(-w)) if 0 < w < 1 else (-np.inf if w <= 0 else np.inf),
    lambda m: float(1 / (1 + np.exp(-m))),
    lambda m: float(np.exp(-abs(m)) / (1 + np.exp(-abs(m))) ** 2),
)


@dataclass(frozen=True)
class Place:
    """A parameter of Mplus.

    Attributes
    ----------
    heading, outcome, variable : str
        As in MODEL RESULTS: ``Thresholds``, empty, ``U1$1``; ``ON``, ``C#1``, ``X``.
    combination : tuple of (float, Entry)
        The entries it is made of.
    scope : tuple of (str, int), optional
        The class it is stated for, by the Mplus name of its variable, from 0.
    between : bool
        Whether it is of the level of clusters.
    form : Form
    """

    heading: str
    outcome: str
    variable: str
    combination: tuple[tuple[float, Entry], ...]
    scope: tuple[str, int] | None = None
    between: bool = False
    form: Form = PLAIN


def refusal(part: str, hint: str = "") -> ValueError:
    """What is raised of a part that Mplus's language, as far as it is known here, does not have."""
    return ValueError(f"Mplus cannot be told {part}{': ' + hint if hint else ''}. Write the rest without it.")


@dataclass(frozen=True)
class Words:
    """What is known beside the declaration.

    Attributes
    ----------
    names : mapping of str to str
        The Mplus name of each column, class variable and effect.
    categories : mapping of str to int
        The number of categories of each item that has some.
    """

    names: Mapping[str, str]
    categories: Mapping[str, int]


def places(model: Model, words: Words) -> list[Place]:
    """Every parameter of `model`, as Mplus has it.

    Raises
    ------
    ValueError
        A part that Mplus cannot be told.
    """
    check(model)
    out = [p for r in model.responses for p in _response(model, r, words)]
    out += [p for c in model.classes for p in _class(model, c, words)]
    out += [p for e in model.effects for p in _effect(model, e.name, e.terms, words)]
    return out


def check(model: Model) -> None:
    """Refuse what has no place.

    Raises
    ------
    ValueError
        The part, and what may be done.
    """
    if own := [str(e.column) for e in model.normal_covariates]:
        x = own[0]
        hint = (
            f"write the model without bm.with_covariates, and add '[{x}] (m); {x} (v);' to %OVERALL% and '[{x}] (m);' "
            f"to every class, so that '{x}' is a variable whose mean and variance are the same in all of them, and its "
            "regression on the complete covariates by ON"
        )
        raise refusal(f"normal covariates ({', '.join(own)})", hint)
    if model.group is not None:
        hint = "KNOWNCLASS makes a class variable of groups, whose sizes are in Mplus's log-likelihood"
        raise refusal(f"the groups of '{model.group}'", hint)
    if model.known:
        raise refusal(f"the known classes of '{model.known[0][1]}'", "TRAINING takes columns of 0 and 1 by class")
    if model.classes_at("item"):
        raise refusal("a class for every response", "memberships of single responses need data with a row a response")
    if model.lasting:
        raise refusal("classes of chains", "a class variable above those of the occasions is put in by hand")
    for t in (t for part in (*model.classes, *model.effects, *model.responses) for t in part.terms):
        if t.covariates and t.covariates.offset:
            raise refusal(
                f"the offset '{t.covariates.formula}'",
                "Mplus has none; fix the slope of a covariate at 1: fix={'coefficient[..., x]': 1}",
            )
        if t.covariates and (odd := [x for x in parse_formula(t.covariates.formula) if not _is_column(t, x)]):
            raise refusal(f"the formula '{t.covariates.formula}'", f"make '{odd[0]}' a column of its own")
        if t.covariates and t.covariates.times:
            raise refusal("random slopes on covariates of clusters")
    if (
        model.is_regression
        and not _intercept_varies(model)
        and any(t.covariates and t.covariates.level == "cluster" for r in model.responses for t in r.terms)
    ):
        raise refusal("covariates of clusters in an intercept that does not vary", "name them in the formula itself")
    if (some := random_intercepts(model)) and (rest := [y for y in model.items if y not in some]):
        raise refusal(f"random intercepts of some outcomes alone, not of '{rest[0]}'", "give all of them one, or none")
    if len(model.classes_at("cluster")) > 0 and any(
        "D" in t.dims and c.level == "individual" and t.effects for c in model.classes for t in c.terms
    ):
        raise refusal("random effects whose covariance depends on the classes of clusters")


def _is_column(t: Term, column: str) -> bool:
    """Whether `column` stands in the formula as itself: a sum of names."""
    assert t.covariates
    return column in [w.strip() for w in t.covariates.formula.split("+")] and column.isidentifier()


def columns(t: Term) -> list[str]:
    """The covariates of a term, in the order of its parameter."""
    assert t.covariates
    named = [w.strip() for w in t.covariates.formula.split("+")]
    return [w for w in named if w != "1" and (t.covariates.only is None or w in t.covariates.only)]


class _Index:
    """Positions in a parameter by names of dims, as the term names them."""

    def __init__(self, t: Term) -> None:
        self.name, self.dims = t.parameter.name, t.dims

    def __call__(self, **at: int) -> Entry:
        return self.name, tuple(at[d] for d in self.dims)


def _over(model: Model, dims: Sequence[str]) -> tuple[LatentClass | None, range]:
    """The one class variable among `dims`, and its classes.

    Raises
    ------
    ValueError
        Two of them.
    """
    hit = [c for c in model.classes if c.name in dims]
    if len(hit) > 1:
        raise refusal(f"parameters that depend on {hit[0].name} and {hit[1].name} both")
    return (hit[0], range(hit[0].size)) if hit else (None, range(1))


# responses ----------------------------------------------------------------------------------------


def _response(model: Model, r: Response, words: Words) -> Iterator[Place]:
    """The parameters of items or of an outcome."""
    for t, role in [*((t, "") for t in r.predictor), *zip(r.auxiliary, r.family.auxiliary, strict=True)]:
        c, classes = _over(model, t.dims)
        if role == "covariance":
            for k, (p, (a, b)) in product(classes, enumerate(r.pair_places)):
                entry = _Index(t)(**{r.pair_dim: p} | ({c.name: k} if c else {}))
                scope = (words.names[c.name], k) if c else None
                yield Place("WITH", words.names[r.items[b]], words.names[r.items[a]], ((1.0, entry),), scope)
            continue
        for p, item in enumerate(r.items):
            for k in classes:
                at = {r.item_dim: p} | ({c.name: k} if c else {})
                scope = (words.names[c.name], k) if c else None
                yield from _item(model, r, t, role, item, at, scope, words)


def _item(
    model: Model, r: Response, t: Term, role: str, item: str, at: dict[str, int], scope: tuple[str, int] | None,
    words: Words,
) -> Iterator[Place]:  # fmt: skip
    """The parameters of one item in one class by one term."""
    here = _Index(t)
    if role:
        yield from _auxiliary(model, r, t, role, item, at, scope, words)
    elif t.effects:
        yield from _loadings(model, t, item, words.names[item], here, at, scope, words)
    elif t.covariates:
        by_category = r.family.by_category
        if words.categories.get(item, 0) > 2 and by_category:
            raise refusal(f"direct effects on the nominal item '{item}'")
        for j, x in enumerate(columns(t)):
            entry = here(**at, **({r.category_dim: 1} if by_category else {}), **{t.covariates.name: j})
            between = t.covariates.level == "cluster"
            if fixed_value(t.parameter, entry[1]) is None:
                yield Place("ON", words.names[item], words.names[x], ((1.0, entry),), scope, between)
    elif not r.of_outcomes or fixed_value(t.parameter, here(**at)[1]) is None:
        yield from _location(model, r, item, here, at, scope, words)


def _auxiliary(
    model: Model, r: Response, t: Term, role: str, item: str, at: dict[str, int], scope: tuple[str, int] | None,
    words: Words,
) -> Iterator[Place]:  # fmt: skip
    """The further parameters of a family: thresholds, variances, dispersions, guessing."""
    y, here = words.names[item], _Index(t)
    if role == "threshold":
        between = _intercept_varies(model)
        for k in range(words.categories[item] - 1):
            entry = here(**at, **{r.threshold_dim: k})
            yield Place("Thresholds", "", f"{y}${k + 1}", ((1.0, entry),), scope, between)
    elif role == "sigma" and not t.covariates:
        yield Place("Variances", "", y, ((1.0, here(**at)),), scope, form=VARIANCE)
    elif role == "dispersion":
        yield Place("Dispersion", "", y, ((1.0, here(**at)),), scope)
    elif role == "inflation":
        yield Place("Means", "", f"{y}#1", ((1.0, here(**at)),), scope, form=INFLATION)
    elif role == "inflation_logit":
        yield Place("Means", "", f"{y}#1", ((1.0, here(**at)),), scope)
    elif role == "inflation_slope" and t.covariates:
        for j, x in enumerate(columns(t)):
            yield Place("ON", f"{y}#1", words.names[x], ((1.0, here(**at, **{t.covariates.name: j})),), scope)
    elif role == "guessing":
        yield Place("Thresholds", "", f"{y}$2", ((1.0, here(**at)),), scope, form=GUESSING)
    else:
        raise refusal(f"the {role} of '{item}'")


def _location(
    model: Model, r: Response, item: str, here: _Index, at: dict[str, int], scope: tuple[str, int] | None, words: Words
) -> Iterator[Place]:
    """Thresholds of binary items, means of category logits to the last one, means."""
    y, kind, n = words.names[item], r.family.name, words.categories.get(item, 0)
    between = _intercept_varies(model)
    if kind == "bernoulli":
        yield Place("Thresholds", "", f"{y}$1", ((-1.0, here(**at)),), scope, between)
    elif kind == "nominal" and n == 2:
        yield Place("Thresholds", "", f"{y}$1", ((-1.0, here(**at, **{r.category_dim: 1})),), scope)
    elif kind == "nominal":
        last = here(**at, **{r.category_dim: n - 1})
        for k in range(n - 1):
            mine = (((1.0, here(**at, **{r.category_dim: k})),) if k else ()) + ((-1.0, last),)
            yield Place("Means", "", f"{y}#{k + 1}", mine, scope)
    else:
        yield Place("Means", "", y, ((1.0, here(**at)),), scope, between)


def _intercept_varies(model: Model) -> bool:
    """Whether the intercept of an outcome varies between clusters: then it is a variable of theirs."""
    return model.is_regression and any(e.name.startswith("u_") for e in model.effects_at("cluster"))


def _loadings(
    model: Model, t: Term, item: str, y: str, here: _Index, at: dict[str, int], scope: tuple[str, int] | None,
    words: Words,
) -> Iterator[Place]:  # fmt: skip
    """Loadings of an item on factors of individuals; the random intercept of an outcome needs none."""
    clusters = [e.name for e in model.effects_at("cluster") if e.name in t.effects]
    if clusters:
        if t.covariates or (len(t.effects) > 1 and not any(r.of_outcomes for r in model.responses)):
            raise refusal("random slopes", "declare random='1'")
        return
    if any(d.startswith("category") for d in t.dims):
        raise refusal(f"loadings of the nominal item '{item}'")
    for j, name in enumerate(t.effects):
        entry = here(**at, **({t.loading_dim: j} if t.loading_dim else {}))
        if fixed_value(t.parameter, entry[1]) != 0.0:
            yield Place("BY", words.names[name], y, ((1.0, entry),), scope)


def fixed_value(parameter, at: tuple[int, ...], sizes: Mapping[str, int] | None = None) -> float | None:
    """The value at which the entry `at` of a parameter is fixed; None of a free one.

    A position of -1 is the last one, for which `sizes` of dims must be known.
    """
    for f in parameter.fixed:
        hits = []
        for dim, k in f.positions:
            i = at[parameter.dims.index(dim)]
            hits.append(i == (k if k >= 0 else (sizes or {}).get(dim, -1) + k))
        if all(hits):
            return f.value
    return None


# classes and effects ------------------------------------------------------------------------------


def _class(model: Model, c: LatentClass, words: Words) -> Iterator[Place]:
    """The logits of a class variable: means, regressions on classes and covariates, random parts."""
    name, free = words.names[c.name], range(c.size - 1)
    for t in c.terms:
        here = _Index(t)
        parents = [d for d in t.dims if d != c.name and any(d == o.name for o in model.classes)]
        sizes = {o.name: o.size for o in model.classes}
        if len(parents) > 1:
            raise refusal(f"logits of {c.name} for every pair of {' and '.join(parents)}", "an order of 1 can be said")
        parent = parents[0] if parents else None
        between = c.level == "cluster" or bool(parent and _level(model, parent) == "cluster")
        if t.effects:
            yield from _random_logits(model, c, t, parent, words)
        elif t.covariates:
            between = between or t.covariates.level == "cluster"
            for j, x in enumerate(columns(t)):
                for k in free:
                    for p in range(sizes[parent]) if parent else (None,):
                        at = {c.name: k, t.covariates.name: j} | ({parent: p} if parent and p is not None else {})
                        scope = (words.names[parent], p) if parent and p is not None else None
                        entry = ((1.0, here(**at)),)
                        yield Place("ON", f"{name}#{k + 1}", words.names[x], entry, scope, between)
        elif not parent:
            for k in free:
                yield Place("Means", "", f"{name}#{k + 1}", ((1.0, here(**{c.name: k})),), None, model.two_level)
        else:
            yield from _on_parent(model, c, t, parent, words)


def _on_parent(model: Model, c: LatentClass, t: Term, parent: str, words: Words) -> Iterator[Place]:
    """A class variable regressed on another: its means are the logits in the last class of that one.

    Of a class before the last one (main effects alone) the last class is the reference: its logits are no parameters.
    """
    here, name, sizes = _Index(t), words.names[c.name], {o.name: o.size for o in model.classes}
    last, between = sizes[parent] - 1, c.level == "cluster" or _level(model, parent) == "cluster"
    for k in range(c.size - 1):
        base = here(**{c.name: k, parent: last})
        fixed = fixed_value(t.parameter, base[1], sizes) is not None
        if not fixed:
            yield Place("Means", "", f"{name}#{k + 1}", ((1.0, base),), None, between)
        for p in range(last):
            mine = ((1.0, here(**{c.name: k, parent: p})), *(() if fixed else ((-1.0, base),)))
            yield Place("ON", f"{name}#{k + 1}", f"{words.names[parent]}#{p + 1}", mine, None, between)


def _level(model: Model, name: str) -> str:
    return next(c.level for c in model.classes if c.name == name)


def _random_logits(model: Model, c: LatentClass, t: Term, parent: str | None, words: Words) -> Iterator[Place]:
    """Loadings of class logits on one factor of clusters; of unrestricted effects the variance where there is one."""
    if parent or any(e.terms for e in model.effects if e.name in t.effects):
        raise refusal(f"the random effects of the logits of {c.name}", "those of bm.models.lca can be said")
    here, name = _Index(t), words.names[c.name]
    if len(t.effects) == 1 and c.size == 2:
        entry = here(**{c.name: 0, **({t.loading_dim: 0} if t.loading_dim else {})})
        yield Place("Variances", "", f"{name}#1", ((1.0, entry),), None, True, VARIANCE)
    elif len(t.effects) == 1:
        for k in range(c.size - 1):
            entry = here(**{c.name: k, **({t.loading_dim: 0} if t.loading_dim else {})})
            yield Place("BY", words.names[t.effects[0]], f"{name}#{k + 1}", ((1.0, entry),), None, True)


def _effect(model: Model, name: str, terms: Sequence[Term], words: Words) -> Iterator[Place]:
    """Covariates of factors, and the variance of a random intercept."""
    e = next(e for e in model.effects if e.name == name)
    for t in terms:
        here = _Index(t)
        if t is e.sd and e.level == "cluster" and not t.dims and model.is_regression:
            y = words.names[_outcome_of(model, name)]
            yield Place("Variances", "", y, ((1.0, here()),), None, True, VARIANCE)
        elif t.covariates and not t.effects and e.level == "individual" and len(t.dims) == 1:
            for j, x in enumerate(columns(t)):
                yield Place("ON", words.names[name], words.names[x], ((1.0, here(**{t.covariates.name: j})),))
        elif e.standard and t.effects and e.level == "individual":
            continue  # the correlation of two factors: a WITH
        elif e.level == "cluster" and t.effects and any(r.of_outcomes for r in model.responses):
            raise refusal(
                "the covariances of random parts of several outcomes",
                "here they are regressions on each other; declare covariance='independent', and free 'WITH' by hand",
            )
        else:
            raise refusal(f"the parameter '{t.parameter.name}' of the effect '{name}'")


def _outcome_of(model: Model, effect: str) -> str:
    """The outcome of which an effect is the random intercept."""
    of = {e: r.items[i] for r in model.responses if r.of_outcomes for t in r.predictor for e, i, _ in r.coefficients(t)}
    return of.get(effect, model.items[0])


def random_intercepts(model: Model) -> list[str]:
    """The outcomes with a random intercept of clusters, where there are several outcomes."""
    own = {e.name for e in model.effects_at("cluster")}
    found = [(r, x) for r in model.responses if r.of_outcomes for t in r.predictor for x in r.coefficients(t)]
    return [r.items[i] for r, (e, i, _) in found if e in own]
