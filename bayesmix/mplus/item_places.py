"""Where the parameters of items and outcomes stand: thresholds, means, loadings, variances, slopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bayesmix.mplus.places import (
    GUESSING,
    INFLATION,
    VARIANCE,
    Index,
    Place,
    Scope,
    Words,
    columns,
    fixed_value,
    grows,
    held,
    intercept_varies,
    refusal,
    scopes,
    sizes,
)
from bayesmix.spec import Model, Response, Term


def of_response(model: Model, r: Response, words: Words) -> Iterator[Place]:
    """The parameters of items or of an outcome."""
    for t, role in [*((t, "") for t in r.predictor), *zip(r.auxiliary, r.family.auxiliary, strict=True)]:
        if role == "covariance":
            yield from _covariances(model, r, t, words)
            continue
        for p, item in enumerate(r.items):
            for at, scope in scopes(model, words, t, {r.item_dim: p}):
                yield from _item(model, r, t, role, item, {r.item_dim: p} | at, scope, words)
    if growing(model, r) and r.family.name == "bernoulli":
        for item in r.items:  # the intercept factor has a mean in every class instead
            yield Place("Thresholds", "", f"{words.names[item]}$1", (), (), model.two_level)


def growing(model: Model, r: Response) -> bool:
    """Whether a response has growth factors."""
    return any(grows(model, t.effects) for t in r.predictor)


def adjacent(r: Response) -> bool:
    """Whether a partial credit item has a predictor: without one it is a nominal item."""
    return r.family.name == "partial_credit" and bool(r.predictor)


def _covariances(model: Model, r: Response, t: Term, words: Words) -> Iterator[Place]:
    """The residual covariances of pairs of items."""
    for at, scope in scopes(model, words, t):
        for p, (a, b) in enumerate(r.pair_places):
            entry = Index(t)(**{r.pair_dim: p} | at)
            yield Place("WITH", words.names[r.items[b]], words.names[r.items[a]], ((1.0, entry),), scope)


def _item(
    model: Model, r: Response, t: Term, role: str, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """The parameters of one item in one class by one term."""
    if role:
        yield from _auxiliary(model, r, t, role, item, at, scope, words)
    elif t.effects:
        yield from _loadings(model, r, t, item, at, scope, words)
    elif t.covariates:
        yield from _slopes(model, r, t, item, at, scope, words)
    elif not r.of_outcomes or fixed_value(t.parameter, Index(t)(**at)[1]) is None:
        yield from _location(model, r, t, item, at, scope, words)


def _auxiliary(
    model: Model, r: Response, t: Term, role: str, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """The further parameters of a family: thresholds, variances, dispersions, guessing."""
    y, here = words.names[item], Index(t)
    if role == "threshold":
        yield from _thresholds(model, r, t, item, at, scope, words)
    elif role == "sigma" and not t.covariates:
        yield Place("Variances", "", y, ((1.0, here(**at)),), scope, form=VARIANCE)
    elif role == "dispersion":
        yield Place("Dispersion", "", y, ((1.0, here(**at)),), scope)
    elif role == "inflation_logit":
        yield Place("Means", "", f"{y}#1", ((1.0, here(**at)),), scope)
    elif role == "inflation_slope" and t.covariates:
        for j, x in enumerate(columns(t)):
            yield Place("ON", f"{y}#1", words.names[x], ((1.0, here(**at, **{t.covariates.name: j})),), scope)
    elif role == "inflation":
        yield Place("Means", "", f"{y}#1", ((1.0, here(**at)),), scope, form=INFLATION)
    elif role == "guessing":
        yield Place("Thresholds", "", f"{y}$2", ((1.0, here(**at)),), scope, form=GUESSING)
    else:
        raise refusal(f"the {role} of '{item}'")


def _thresholds(
    model: Model, r: Response, t: Term, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """Thresholds of ordered categories; steps of partial credit are sums of them where there is no predictor."""
    y, n, here = words.names[item], words.categories[item], Index(t)
    between = intercept_varies(model) or (growing(model, r) and model.two_level)
    entries = [(1.0, here(**at, **{r.threshold_dim: k})) for k in range(n - 1)]
    steps = r.family.name == "partial_credit" and n > 2
    for k, entry in enumerate(entries):
        if steps and not adjacent(r):
            yield Place("Means", "", f"{y}#{k + 1}", tuple(entries[k:]), scope, between)
        else:
            yield Place("Thresholds", "", f"{y}${k + 1}", (entry,), scope, between)


def _slopes(
    model: Model, r: Response, t: Term, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """Direct effects of covariates, those of a nominal item by category; an offset is a slope of 1."""
    assert t.covariates
    between, here = t.covariates.level == "cluster", Index(t)
    for j, x in enumerate(columns(t)):
        at_x = {**at, t.covariates.name: j}
        for y, combination in _by_category(r, t, item, at_x, words):
            value = fixed_value(t.parameter, here(**at_x, **{r.category_dim: 1})[1])
            if value is None or (t.covariates.offset and value):
                yield Place("ON", y, words.names[x], combination, scope, between)


def _by_category(r: Response, t: Term, item: str, at: Mapping[str, int], words: Words) -> Iterator[tuple[str, tuple]]:
    """What predicts an item: the item, or each category of a nominal one, to the last of them."""
    y, here = words.names[item], Index(t)
    if not r.family.by_category:
        yield y, ((1.0, here(**at)),)
        return
    n = words.categories.get(item, 2)
    entries = [here(**at, **{r.category_dim: k}) for k in range(n)]
    if n == 2:
        yield y, ((1.0, entries[1]),)
        return
    for k in range(n - 1):
        yield f"{y}#{k + 1}", (*(((1.0, entries[k]),) if k else ()), (-1.0, entries[-1]))


def _location(
    model: Model, r: Response, t: Term, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """Thresholds of binary items, means of category logits to the last one, means."""
    y, kind, between = words.names[item], r.family.name, intercept_varies(model)
    if kind == "bernoulli":
        yield Place("Thresholds", "", f"{y}$1", ((-1.0, Index(t)(**at)),), scope, between)
    elif kind == "nominal":
        for name, combination in _by_category(r, t, item, at, words):
            if name == y:
                yield Place("Thresholds", "", f"{y}$1", ((-1.0, combination[0][1]),), scope)
            else:
                yield Place("Means", "", name, combination, scope)
    else:
        yield Place("Means", "", y, ((1.0, Index(t)(**at)),), scope, between)


def _loadings(
    model: Model, r: Response, t: Term, item: str, at: Mapping[str, int], scope: Scope, words: Words
) -> Iterator[Place]:
    """Loadings of an item on factors of individuals; the random intercept of an outcome needs none."""
    clusters = [e.name for e in model.effects_at("cluster") if e.name in t.effects]
    if clusters:
        if t.covariates or (len(t.effects) > 1 and not any(k.of_outcomes for k in model.responses)):
            raise refusal("random slopes", "declare random='1'")
        return
    here, known = Index(t), sizes(model, words)
    for j, name in enumerate(t.effects):
        at_factor = {**at, **({t.loading_dim: j} if t.loading_dim else {})}
        value = held(t, here(**at_factor, **{r.category_dim: 1}), known)
        if grows(model, [name]):
            if value is None:
                yield Place("|", words.names[name], words.names[item], ((1.0, here(**at_factor)),), scope)
        elif value != 0.0:
            for y, combination in _by_category(r, t, item, at_factor, words):
                yield Place("BY", words.names[name], y, combination, scope)
