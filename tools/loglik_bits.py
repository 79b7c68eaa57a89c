"""Print the log-likelihood of many models at given parameters to the last bit, to be held against another version.

    python tools/loglik_bits.py                       # names and bits
    python tools/loglik_bits.py --write bits.txt      # kept, with the parameters that were drawn
    python tools/loglik_bits.py --compare bits.txt    # at the parameters of the file: which differ, by how many ulp

Only public names of the package are used, and a comparison needs nothing but models and log-likelihoods. Bits are
those of one machine and one set of libraries: write and compare in the same environment.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import bayesmix as bm

Values = dict[str, np.ndarray]
Case = tuple[str, bm.Model, pd.DataFrame, Any]
BINARY, NOMINAL, ORDINAL, NORMAL, COUNT = (tuple(f"{kind}{i}" for i in range(1, 5)) for kind in "bnoyk")
BINARY_LATER, ORDINAL_LATER = tuple(f"{b}_later" for b in BINARY), tuple(f"{o}_later" for o in ORDINAL)
FAR = {"age": 0.05, "w": 0.05, "year": 0.002}
"""By what slopes are multiplied in formulas with covariates far from zero, so that no probability is 0 or 1."""
FAMILIES = {"b1": bm.bernoulli(), "o1": bm.ordinal(), "n1": bm.nominal(), "y1": bm.normal(), "k1": bm.poisson()}


# data ---------------------------------------------------------------------------------------------


def seed_of(name: str) -> int:
    """Give the case `name` a seed that no other case can shift."""
    return zlib.crc32(name.encode())


def frame(seed: int, clusters: int = 12, rows: int = 8, missing: float = 0.12) -> pd.DataFrame:
    """Draw items of every kind, some missing, and covariates of both levels: numbers far from zero, and text."""
    rng, n = np.random.default_rng(seed), clusters * rows
    sizes = {**dict.fromkeys((*BINARY, *BINARY_LATER), 2), **dict.fromkeys((*ORDINAL, *ORDINAL_LATER), 3)} | dict(
        zip(NOMINAL, (3, 4, 2, 3), strict=True)
    )
    items = {item: rng.permutation(np.arange(n) % k).astype(float) for item, k in sizes.items()}
    items |= {y: rng.normal(0.5 * i, 1.0 + 0.2 * i, n).round(3) for i, y in enumerate(NORMAL)}
    items |= {k: rng.poisson(1.0 + 0.5 * i, n).astype(float) for i, k in enumerate(COUNT)}
    df = pd.DataFrame({k: np.where(rng.random(n) < missing, np.nan, y) for k, y in items.items()})
    df.iloc[-1] = np.nan  # a row without any answer
    df["x"], df["z"] = rng.normal(size=n).round(2), rng.normal(1.0, 2.0, n).round(1)
    df["age"], df["year"] = rng.normal(50.0, 6.0, n).round(1), 2000.0 + rng.integers(0, 20, n)
    df["s"] = rng.permutation(np.array(["low", "mid", "top"])[np.arange(n) % 3])
    df["g"] = np.repeat(np.arange(clusters) + 7, rows)
    df["w"] = np.repeat(rng.normal(30.0, 3.0, clusters).round(1), rows)
    df["v"] = np.repeat(np.array(["in", "out"])[np.arange(clusters) % 2], rows)
    df["count"] = rng.integers(1, 4, n)
    return df.sample(frac=1, random_state=seed).reset_index(drop=True)


# models declared by hand --------------------------------------------------------------------------


def class_of(name: str, *parents: str, size: int = 2, level: Any = "individual", more: tuple = ()) -> bm.LatentClass:
    """Declare a class with an intercept for each path of its `parents`, and `more` terms."""
    alpha = bm.Parameter(f"alpha_{name}", (*parents, name), fixed=(bm.at(0.0, **{name: -1}),))
    return bm.LatentClass(name, size, level, (bm.Term(alpha), *more))


def in_logits(name: str, covariates: bm.Covariates | None = None, effects: tuple[str, ...] = ()) -> bm.Term:
    """Declare slopes or loadings in the logits of the class `name`."""
    dims = (*((covariates.name,) if covariates else ()), *(("effect",) if len(effects) > 1 else ()), name)
    beta = bm.Parameter("_".join(("beta", *dims, *effects)), dims, fixed=(bm.at(0.0, **{name: -1}),))
    return bm.Term(beta, covariates, effects)


def items_of(name: str, items: tuple[str, ...], family: bm.Family, *by: str, more: tuple = ()) -> bm.Response:
    """Declare items of one family that depend on the classes `by`; `more` are terms of their predictor."""
    item, category, threshold = (f"{dim}_{name}" for dim in ("item", "category", "threshold"))
    nominal = family == bm.nominal()
    nu = bm.Parameter(f"nu_{name}", (item, *by, category) if nominal else (item, *by))
    nu = replace(nu, fixed=(bm.at(0.0, **{category: 0}),)) if nominal else nu
    ordered = family in (bm.ordinal(), bm.ordinal("probit"))
    tau = bm.Parameter(f"tau_{name}", (item, *by, threshold), "ordered")
    auxiliary = (bm.Term(tau),) if ordered else ()
    if family == bm.normal():
        auxiliary = (bm.Term(bm.Parameter(f"sigma_{name}", (item, *by), "positive")),)
    return bm.Response(
        name, items, family, (*(() if ordered else (bm.Term(nu),)), *more), auxiliary, item, category, threshold
    )


def loading(name: str, *effects: str, covariates: bm.Covariates | None = None) -> bm.Term:
    """Declare loadings of the items of the response `name` on `effects`, times `covariates`."""
    dims = (*((covariates.name,) if covariates else ()), *(("effect",) if len(effects) > 1 else ()), f"item_{name}")
    return bm.Term(bm.Parameter("_".join(("lambda", *dims, *effects)), dims), covariates, effects)


def effect(name: str, level: Any = "cluster", mean: tuple = (), by: tuple[str, ...] = ()) -> bm.Effect:
    """Declare a random effect with an SD of its own for the classes `by`."""
    return bm.Effect(name, level, mean, bm.Term(bm.Parameter(f"sd_{name}", by, "positive")))


def mean(name: str, *by: str, covariates: bm.Covariates | None = None, effects: tuple[str, ...] = ()) -> bm.Term:
    """Declare a term of the mean of the effect `name`."""
    dims = (*((covariates.name,) if covariates else ()), *by)
    return bm.Term(bm.Parameter("_".join(("mean", name, *dims, *effects)), dims), covariates, effects)


def by_hand() -> Iterator[tuple[str, bm.Model, Any]]:
    """Declare models that no template has, with the nodes at which each is evaluated."""
    x, w = bm.Covariates("x", "age + s"), bm.Covariates("w", "w + v", "cluster")
    logit, probit, normal, count = bm.bernoulli(), bm.bernoulli("probit"), bm.normal(), bm.poisson()

    c = class_of("C", size=3, more=(in_logits("C", x),))
    mixed = [items_of("n", NOMINAL, bm.nominal(), "C"), items_of("o", ORDINAL[:2], bm.ordinal("probit"), "C")]
    yield "kinds of items", bm.Model("hand", (*mixed, items_of("y", NORMAL[:2], normal, "C")), (c,), freq="count"), None

    d, c = class_of("D", level="cluster", more=(in_logits("D", w),)), class_of("C", "D", size=3)
    u = effect("u", mean=(mean("u", "D"), mean("u", covariates=w)), by=("D",))
    y = items_of("y", NORMAL[:2], normal, "D", "C", more=(loading("y", "u"),))
    between = bm.Model("hand", (y, items_of("k", COUNT[:2], count, "C")), (d, c), (u,), "g", "count")
    yield "classes of both levels, adaptive", between, bm.adaptive(5)
    yield "classes of both levels, trapezoid", between, bm.trapezoid(9)

    f = effect("f", "individual", (mean("f", effects=("u",)), mean("f", covariates=x), mean("f", "C")))
    c = class_of("C", more=(in_logits("C", effects=("u",)),))
    of_factor = items_of("b", BINARY, probit, more=(loading("b", "f"),))
    of_clusters = items_of("y", NORMAL[:2], normal, "C", more=(loading("y", "u"),))
    both = bm.Model("hand", (of_factor, of_clusters), (c,), (effect("u"), f), "g")
    yield "effects of both levels, gauss_hermite", both, bm.gauss_hermite(5)
    yield "effects of both levels, by level", both, {"cluster": bm.adaptive(5), "individual": bm.trapezoid(11)}
    yield "effects of both levels, monte_carlo", both, bm.monte_carlo(20)

    c = class_of("C", more=(in_logits("C", x, ("b",)),))
    slopes = items_of("y", NORMAL[:2], normal, "C", more=(loading("y", "u", "b", covariates=x),))
    random = bm.Model("hand", (slopes,), (c,), (effect("u"), effect("b")), "g")
    yield "random slopes of items and logits, adaptive", random, bm.adaptive(4)
    yield "random slopes of items and logits, monte_carlo", random, bm.monte_carlo(50, seed=3)

    c = class_of("C", level="item", more=(in_logits("C", effects=("m", "u")),))
    own = (effect("u"), effect("m", "individual", (mean("m", effects=("u",)),)))
    memberships = bm.Model(
        "hand", (items_of("b", BINARY, logit, "C"), items_of("k", COUNT[:2], count, "C")), (c,), own, "g"
    )
    yield "classes of items in clusters", memberships, bm.gauss_hermite(5)

    c = class_of("A", level="item", more=(in_logits("A", effects=("f",)),)), class_of("B", "A", level="item")
    chain = bm.Model("hand", (items_of("b", BINARY, logit, "B"),), c, (effect("f", "individual"),))
    yield "a chain of classes of items", chain, bm.trapezoid(15, 4.0)

    c = class_of("C", size=3, more=(in_logits("C", effects=("f",)),))
    on_factor = items_of("o", ORDINAL, bm.ordinal("probit"), more=(loading("o", "f"),))
    factor = bm.Model("hand", (items_of("b", BINARY, logit, "C"), on_factor), (c,), (effect("f", "individual"),))
    yield "class logits on a factor", factor, None

    none = items_of("y", NORMAL[:3], normal, more=(loading("y", "u", "t"),))
    yield "normal, two effects of clusters", bm.Model("hand", (none,), (), (effect("u"), effect("t")), "g"), bm.exact()


# models of the templates --------------------------------------------------------------------------


def of_classes() -> Iterator[tuple[str, bm.Model, Any]]:
    """Declare latent class, transition and grade-of-membership models, with the nodes at which each is evaluated."""
    m = bm.models
    yield "lca, one class", m.lca(BINARY, 1), None
    yield "lca, nominal, freq", m.lca(NOMINAL, 3, freq="count"), None
    yield "lca, five families", m.lca(list(FAMILIES), 2, "x + s", FAMILIES), None
    yield "lca, far covariates", m.lca(BINARY, 3, "year + x:z", bm.bernoulli("probit")), None
    yield "lca, variance by class", m.lca(NORMAL, 3, "year", bm.normal(), "class"), None
    two = {"family": bm.bernoulli(), "cluster": "g"}
    yield "lca, cholesky", m.lca(BINARY, 3, **two, cluster_covariates="w + v"), None
    yield "lca, cholesky, trapezoid", m.lca(BINARY, 3, **two, cluster_covariates="w + v"), bm.trapezoid(9)
    yield "lca, one factor, gauss_hermite", m.lca(BINARY, 3, "age", **two, effects="factor"), bm.gauss_hermite(11)
    yield "lca, one factor, monte_carlo", m.lca(BINARY, 3, "age", **two, effects="factor"), bm.monte_carlo(64)
    normal = m.lca(NORMAL, 2, family=bm.normal(), variance="class", cluster="g")
    yield "lca, two levels, variance by class", normal, bm.adaptive()
    by_d = {"cluster_classes": 2, "effects_by_cluster_class": True, "items_by_cluster_class": True}
    d = m.lca(ORDINAL, 2, family=bm.ordinal(), cluster="g", effects="factor", cluster_class_covariates="w", **by_d)
    yield "lca, classes of clusters", d, bm.adaptive(5)
    yield "lca, classes of clusters, no effects", m.lca(BINARY, 2, **two, cluster_classes=3), None

    waves = {"waves": [BINARY, BINARY_LATER], "classes": 2, "family": bm.bernoulli()}
    three = {
        "waves": [BINARY[:2], BINARY_LATER[:2], BINARY[2:]],
        "names": ["p", "q"],
        "classes": 2,
        "family": bm.bernoulli(),
    }
    yield "lta", m.lta(**waves, covariates="x", transition_covariates="age + s", covariates_by_origin=True), None
    yield "lta, second order", m.lta(**three, order=2), None
    yield "lta, stationary", m.lta(**three, stationary=True, transition_covariates="age"), None
    yield (
        "lta, ordinal, free",
        m.lta([ORDINAL, ORDINAL_LATER], [2, 3], family=bm.ordinal("probit"), measurement="free"),
        None,
    )
    yield "lta, one item free", m.lta(**three, measurement=["q"], freq="count"), None
    yield "lta, two levels", m.lta(**waves, cluster="g", cluster_covariates="w"), bm.adaptive(5)
    several = m.lta([ORDINAL, ORDINAL_LATER], 3, family=bm.ordinal(), cluster="g", effects="unrestricted")
    yield "lta, two levels, four effects", several, bm.monte_carlo(100)

    kinds = {"y1": bm.normal(), "y2": bm.normal(), "k1": bm.poisson()}
    yield "gom", m.gom(BINARY, 2, family=bm.bernoulli("probit")), bm.trapezoid(31)
    yield "gom, normal and counts", m.gom(["y1", "y2", "k1"], 3, "age", kinds, "class"), None
    dif = m.gom(NOMINAL, 3, "x", effects="factor", item_covariates={"n2": "age"}, cluster="g", cluster_covariates="w")
    yield "gom, two levels", dif, {"cluster": bm.gauss_hermite(7), "individual": bm.trapezoid(11)}


def of_factors_and_regressions() -> Iterator[tuple[str, bm.Model, Any]]:
    """Declare factor mixtures, item response models and regression mixtures, likewise."""
    m = bm.models
    yield "fma", m.fma(BINARY, 2, "x", by_class="intercepts + loadings"), bm.trapezoid(31)
    yield (
        "fma, means and variances",
        m.fma(ORDINAL, 3, family=bm.ordinal(), by_class="means + variances"),
        bm.gauss_hermite(),
    )
    factors = {"p": ["y1", "y2", "y3"], "q": ["y4", "k1", "k2"]}
    kinds = dict.fromkeys(NORMAL, bm.normal()) | dict.fromkeys(COUNT[:2], bm.poisson())
    more = {"factor_covariates": "age", "item_covariates": {"y2": "z"}}
    pattern = m.fma([*NORMAL, *COUNT[:2]], 2, family=kinds, factors=factors, **more)
    yield "fma, two factors", pattern, bm.gauss_hermite(7)
    one = {"family": bm.normal(), "factor_covariates": "age"}
    yield "fma, normal, exact", m.fma(NORMAL, 2, **one, variance="class"), bm.exact()
    yield "fma, one class, two levels, exact", m.fma(NORMAL, 1, **one, cluster="g"), bm.exact()
    yield "fma, two levels", m.fma(BINARY, 2, cluster="g", effects="factor", cluster_covariates="w"), bm.adaptive(3)
    yield "fma_gom", m.fma_gom(BINARY, 2, "age", effects_on_factors=True), bm.gauss_hermite(9)
    yield "fma_gom, two levels", m.fma_gom(ORDINAL, 2, family=bm.ordinal(), cluster="g"), bm.gauss_hermite(4)

    yield "irt_3pl", m.irt_3pl(BINARY), bm.trapezoid(21)
    yield "irt_3pl, mixture", m.irt_3pl(BINARY, "common", link="probit", classes=2, covariates="age"), None
    yield (
        "irt_3pl, 1PL, two levels",
        m.irt_3pl(BINARY, "none", "common", cluster="g", factor_covariates="x"),
        bm.adaptive(5),
    )
    yield "guessing_as_membership", m.guessing_as_membership(BINARY), bm.gauss_hermite(15)

    regression, r = "y2 ~ x + age", m.regression_mixture
    yield "regression", r(regression, 3, "z", variance="class", freq="count"), None
    yield "regression, linear variance", r(regression, 2, variance="x + age"), None
    random = r(regression, cluster="g", random="1 + x + age", cluster_covariates="w")
    yield "regression, random slopes, exact", random, bm.exact()
    yield "regression, random slopes, adaptive", random, bm.adaptive(3)
    mixed = r(regression, 2, "z", cluster="g", random="1 + x", cluster_covariates={"1": "w", "x": "w", "class": "v"})
    yield "regression, class logits with slopes", mixed, bm.adaptive(3)
    apart = r(regression, 2, cluster="g", random="1 + x", covariance="slopes apart", by_class="1 + x")
    yield "regression, slopes apart, trapezoid", apart, bm.trapezoid(7)
    yield "regression, counts", r("k1 ~ x + s", 2, family=bm.poisson(), cluster="g"), None
    yield "regression, ordinal", r("o1 ~ x", 2, family=bm.ordinal(), cluster="g", covariance="independent"), None
    d = r(regression, cluster="g", cluster_classes=2, cluster_class_covariates="w", effects_by_cluster_class=True)
    yield "regression, classes of clusters", d, None
    yield "nels", m.nels("C", 2, "y2 ~ x + z", "w", "g", "x"), bm.adaptive(3)


def cases() -> Iterator[Case]:
    """Put every declared model before its data: most before rows of their own, two before many rows that are equal."""
    for name, model, nodes in (*of_classes(), *of_factors_and_regressions(), *by_hand()):
        yield name, model, frame(seed_of(name)), nodes
    m, often = bm.models, frame(99, clusters=60, rows=40, missing=0.03)
    yield "lca, many rows", m.lca(BINARY, 3, family=bm.bernoulli(), freq="count"), often, None
    yield "gom, many rows, two levels", m.gom(BINARY, 2, family=bm.bernoulli(), cluster="g"), often, bm.trapezoid(15)
    more = {"cluster": "g", "effects": "factor", "factor_clusters": False}
    yield "fma, many rows, batches", m.fma(NORMAL, 2, family=bm.normal(), **more), often, bm.gauss_hermite(15)
    yield "lca, many rows, adaptive", m.lca(NORMAL, 2, family=bm.normal(), variance="class", cluster="g"), often, None


# values -------------------------------------------------------------------------------------------


def layout(model: bm.Model, df: pd.DataFrame) -> Mapping[str, tuple[tuple[int, ...], np.ndarray | bool]]:
    """Give the shape of every parameter and which of its entries no item has; only `--write` asks for it."""
    packing = bm.prepare(model, df).packing
    return {p.name: (packing.shape(p), packing.absent.get(p.name, False)) for p in model.parameters}


def drawn(model: bm.Model, df: pd.DataFrame, seed: int) -> Values:
    """Draw a value of every parameter inside its support, fixed entries as declared, NaN where no item has it."""
    rng, shapes, out = np.random.default_rng(seed), layout(model, df), {}
    predictors = [p for r in model.responses for p in (r.predictor, r.auxiliary)]
    predictors += [c.predictor for c in model.classes] + [e.mean for e in model.effects]
    formulas = {t.parameter.name: f"{c.formula} {c.times}" for p in predictors for t in p if (c := t.covariates)}
    for p in model.parameters:
        shape, absent = shapes[p.name]
        words = re.findall(r"\w+", formulas.get(p.name, ""))
        x = rng.normal(0.0, 0.7 * math.prod(FAR.get(word, 1.0) for word in words), shape)
        draws: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "positive": lambda x: np.exp(0.5 * x),
            "sd": lambda x: np.exp(0.5 * x),
            "probability": lambda x: 1 / (1 + np.exp(1.5 - x)),
            "ordered": lambda x: np.cumsum(np.abs(x) + 0.3, axis=-1) - 1.0,
            "cholesky": lambda x: np.where(np.eye(*x.shape[-2:]) > 0, np.exp(0.5 * x), np.triu(x)),
            "unit": lambda x: np.concatenate([np.eye(x.shape[-2]), x[..., x.shape[-2] :]], axis=-1),
        }
        x = draws.get(str(p.support), np.array)(x)
        x = np.abs(x) + 3.0 if p.name == "residual_variance" else x  # its slopes would take it below zero
        for f in p.fixed:
            x[tuple(dict(f.positions).get(d, slice(None)) for d in p.dims)] = f.value
        out[p.name] = np.where(absent, np.nan, x)
    return out


def to_text(values: Values) -> str:
    """Write arrays as JSON, each number by its bits."""
    return json.dumps({k: [v.shape, [float(x).hex() for x in v.ravel()]] for k, v in values.items()})


def from_text(text: str) -> Values:
    """Read what :func:`to_text` wrote."""
    return {k: np.reshape([float.fromhex(x) for x in each], shape) for k, (shape, each) in json.loads(text).items()}


def ulps(a: float, b: float) -> int:
    """Count the floating-point numbers from `a` to `b`."""
    first, second = (int(np.array(x).view(np.int64)) for x in (a, b))
    first, second = (x if x >= 0 else -(x & (2**63 - 1)) for x in (first, second))
    return abs(first - second)


def main() -> None:
    """Evaluate each case; write, compare, or print alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep bits and parameters in this file")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="say what differs from this file (exit with 1)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the models whose names have this text")
    parser.add_argument("--times", action="store_true", help="print the seconds that each takes")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    text = given.compare.read_text() if given.compare else ""
    before = {line.split("\t")[0]: line.split("\t")[1:] for line in text.splitlines()}
    lines, differ = [], 0
    for name, model, df, nodes in (c for c in cases() if given.only in c[0]):
        began = time.perf_counter()
        values = from_text(before[name][1]) if given.compare else drawn(model, df, seed_of(name))
        with threadpool_limits(1):  # sums over several threads depend on how many there are
            value: Any = bm.log_likelihood(model, df, values, nodes=nodes)
        bits = float(value).hex()
        apart = ulps(float.fromhex(bits), float.fromhex(before[name][0])) if given.compare else 0
        differ += apart > 0
        seconds = f"  {time.perf_counter() - began:.1f} s" if given.times else ""
        print(f"{name:48s}{bits:24s}{f'  differs by {apart} ulp' if apart else ''}{seconds}", flush=True)
        lines.append(f"{name}\t{bits}\t{to_text(values)}")
    if given.write:
        given.write.write_text("\n".join(lines) + "\n")
    if given.compare:
        absent = [] if given.only else sorted(set(before) - {line.split("\t")[0] for line in lines})
        print(f"{differ} of {len(lines)} differ.", *(f"Not evaluated: {name}." for name in absent))
        sys.exit(differ > 0 or bool(absent))


if __name__ == "__main__":
    main()
