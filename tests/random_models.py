"""Small random declarations over the columns of :func:`declare.frame`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayesmix.spec.model import LatentClass, Model, Parameter, Response, Term
from declare import W, X, effect, logits, mean, measure, model, on_logits


def some(rng, names, most: int = 2) -> tuple:
    """A random subset, in order."""
    names = list(names)
    kept = rng.choice(len(names), size=min(len(names), rng.integers(0, most + 1)), replace=False) if names else []
    return tuple(names[k] for k in sorted(kept))


def random_effects(rng, two_level: bool, between: tuple, within: tuple) -> list:
    """Up to two effects of clusters and one of persons; means by classes, effects, covariates."""
    out: list = []
    for name in ("u1", "u2")[: rng.integers(0, 3)] if two_level else ():
        terms = [mean(name, *some(rng, between, 1))]
        terms += [mean(name, effects=(e.name,)) for e in out] if rng.random() < 0.5 else []
        terms += [mean(name, covariates=W)] if rng.random() < 0.3 else []
        out.append(effect(name, "cluster", tuple(terms), some(rng, between, 1)))
    if rng.random() < 0.5:
        terms = [mean("f", *some(rng, (*between, *within)))]
        terms += [mean("f", effects=tuple(e.name for e in out))] if out and rng.random() < 0.5 else []
        terms += [mean("f", covariates=W if two_level and rng.random() < 0.5 else X)] if rng.random() < 0.4 else []
        out.append(effect("f", "individual", tuple(terms), some(rng, within, 1)))
    return out


def random_class(rng, name: str, parents: tuple, level: str, two_level: bool, effects: tuple) -> LatentClass:
    """A class with covariates, effects and random slopes in its logits, each with luck."""
    covariates = [W] if level == "cluster" else [X, W] if two_level else [X]
    pick = covariates[rng.integers(len(covariates))]
    more = [on_logits(name, covariates=pick)] if rng.random() < 0.3 else []
    if loads := some(rng, effects):
        more += [on_logits(name, *some(rng, parents, 1), effects=loads, tag="e")]
        more += [on_logits(name, covariates=pick, effects=loads[:1], tag="s")] if rng.random() < 0.3 else []
    return logits(name, *parents, level=level, size=int(rng.integers(2, 4)) if level != "item" else 2, more=tuple(more))


def random_response(rng, kind: str, classes: tuple, effects: tuple, two_level: bool) -> Response:
    """A response by some of the classes, effects and covariates."""
    by, x = some(rng, classes), (None, X, W)[rng.integers(0, 2 + two_level)]
    r = measure(kind, *by, covariates=x, effects=some(rng, effects), sd_by=by[:1], items=int(rng.integers(1, 3)))
    if effects and x and kind != "nominal" and rng.random() < 0.5:
        slope = Parameter(f"random_{kind}", (x.name, r.item_dim, *by[:1]))
        return replace(r, predictor=(*r.predictor, Term(slope, x, effects[:1])))
    return r


def random_model(seed: int):
    """A small model of any shape that the declaration allows."""
    rng = np.random.default_rng(seed)
    two_level, item = bool(rng.random() < 0.6), rng.random() < 0.4
    between = ("D",) if two_level and rng.random() < 0.6 else ()
    within = ("C1", "C2")[: rng.integers(0, 3)]
    effects = random_effects(rng, two_level, between, within)
    names, of_clusters = tuple(e.name for e in effects), tuple(e.name for e in effects if e.level == "cluster")
    classes = [random_class(rng, n, (), "cluster", two_level, ()) for n in between]
    for k, name in enumerate(within):
        parents = (*some(rng, between, 1), *within[:k])
        classes.append(random_class(rng, name, parents, "individual", two_level, of_clusters))
    classes += [random_class(rng, "G", some(rng, within, 1), "item", two_level, names)] if item else []
    kinds = rng.choice(["binary", "probit", "nominal", "ordinal", "oprobit", "normal", "count"], 2, replace=False)
    known = tuple(c.name for c in classes)
    responses = [random_response(rng, str(k), known, names, two_level) for k in kinds]
    return model(responses, classes, effects, two_level, freq=bool(rng.random() < 0.5))


def by_group(declared: Model, rng) -> Model:
    """The model with some of its parameters differing between the groups of the column ``grp``."""
    chosen = {p.name for p in declared.parameters if rng.random() < 0.5}

    def here(t: Term) -> Term:
        p = t.parameter
        return replace(t, parameter=replace(p, dims=("group", *p.dims))) if p.name in chosen else t

    def all_of(some):
        return tuple(map(here, some))

    return replace(
        declared,
        group="grp",
        classes=tuple(replace(c, predictor=all_of(c.predictor)) for c in declared.classes),
        effects=tuple(replace(e, mean=all_of(e.mean), sd=here(e.sd) if e.sd else None) for e in declared.effects),
        responses=tuple(
            replace(r, predictor=all_of(r.predictor), auxiliary=all_of(r.auxiliary)) for r in declared.responses
        ),
    )


def of_clusters_by_group(declared: Model) -> bool:
    """Whether something of clusters differs by group."""
    parts = (*declared.classes_at("cluster"), *declared.effects_at("cluster"))
    return any("group" in t.dims for part in parts for t in part.terms)


def with_known(declared: Model, df, rng):
    """Model and data with columns of known classes, about half of them missing."""
    df, known = df.copy(), []
    for c in (c for c in declared.classes if c.level != "item"):
        n = len(df) if c.level == "individual" else df["g"].nunique()
        y = rng.permutation(np.arange(n) % (c.size + 2)) + 1.0
        y[y > c.size] = np.nan
        df[f"is_{c.name}"] = y if c.level == "individual" else y[df["g"].rank(method="dense").astype(int) - 1]
        known.append((c.name, f"is_{c.name}"))
    return replace(declared, known=tuple(known)), df
