"""The jobs of the table of timings: one model and one generated data set of each kind, by the size that is usual."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bayesmix.models import fma, gom, irt_3pl, lca, lta
from bayesmix.models.nels import figure_3
from bayesmix.models.regression_mixture import regression_mixture

import bayesmix as bm

Made = tuple[bm.Model, pd.DataFrame]


def script(name: str) -> Any:
    """A script of `data/`."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "data" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def items(n: int) -> list[str]:
    return [f"u{k}" for k in range(n)]


def latent_classes(n: int = 2000) -> Made:
    """Three classes, ten binary items."""
    model, rng = lca(items(10), 3), np.random.default_rng(1)
    logits = np.stack([np.zeros((3, 10)), rng.choice([-1.5, 0.0, 1.5], (3, 10))], axis=-1)
    truth = {"class_logit": np.array([0.5, 0.2, 0.0]), "item_logit": logits}
    return model, bm.simulate(model, truth, n=n, seed=2)[items(10)]


def classes_of_clusters(n: int = 2000, clusters: int = 100) -> Made:
    """Two classes of clusters, two of individuals, ten items."""
    model = lca(items(10), 2, cluster="g", cluster_classes=2)
    truth = {"cluster_class_logit": [0.2, 0.0], "class_logit": [[1.0, 0.0], [-1.0, 0.0]]}
    truth["item_logit"] = np.stack([np.zeros((2, 10)), np.array([[1.2] * 10, [-1.2] * 10])], axis=-1)
    return model, bm.simulate(model, truth, n=n, clusters=clusters, seed=2)[[*items(10), "g"]]


def random_logits(n: int = 2000, clusters: int = 100) -> Made:
    """Two classes, whose logit varies between clusters by a normal effect; ten items."""
    model = lca(items(10), 2, cluster="g")
    truth = {"class_logit": np.array([0.3, 0.0]), "cluster_loading": np.array([[1.0, 0.0]])}
    truth["item_logit"] = np.stack([np.zeros((2, 10)), np.array([[1.2] * 10, [-1.2] * 10])], axis=-1)
    return model, bm.simulate(model, truth, n=n, clusters=clusters, seed=2)[[*items(10), "g"]]


def transitions(n: int = 1000) -> Made:
    """Two classes on two occasions, ten items each."""
    source = script("toca")
    two = source.model()
    df = bm.simulate(two, source.truth(), n=n, clusters=n // 10, seed=1)
    waves = [list(two.items[:10]), list(two.items[10:])]
    return lta(waves, 2), df[list(two.items)]


def two_level_transitions(n: int = 1000) -> Made:
    """The same in a hundred clusters, with effects on both class logits."""
    source = script("toca")
    two = source.model()
    return two, bm.simulate(two, source.truth(), n=n, clusters=n // 10, seed=1)[[*two.items, two.cluster]]


def mixture(n: int = 10_000) -> Made:
    """R(1)-(2) at the values of section 2.1 of the 2009 paper."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"x": rng.standard_normal(n)})
    model = regression_mixture("y ~ x", 2, "x")
    truth = {
        "class_logit": [0.0, 0.0],
        "class_slope": [[1.0], [0.0]],
        "intercept": [3.0, 0.0],
        "coefficient": [[-1.1], [0.5]],
        "residual_sd": 1.0,
    }
    return model, bm.simulate(model, truth, df=df, seed=1)[["x", "y"]]


def between(clusters: int = 100, size: int = 10) -> Made:
    """Model 5 of the 2006 paper, (19): a class of clusters and a random intercept."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"j": np.repeat(np.arange(clusters), size), "x": rng.standard_normal(clusters * size)})
    model = regression_mixture("y ~ x", cluster="j", cluster_classes=2)
    truth = {
        "cluster_class_logit": [0.0, 0.0],
        "u_intercept_sd": np.sqrt(0.2),
        "intercept": [1.0, 0.0],
        "coefficient": [[0.2], [0.8]],
        "random": [1.0],
        "residual_sd": 1.0,
    }
    return model, bm.simulate(model, truth, df=df, seed=1)[["j", "x", "y"]]


def conventional(clusters: int = 200, size: int = 15) -> Made:
    """R(10)-R(16): a two-level regression without classes, a random intercept."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"j": np.repeat(np.arange(clusters), size), "x": rng.standard_normal(clusters * size)})
    u = rng.normal(0.0, 0.5, clusters)
    df["y"] = 1.0 + 0.5 * df["x"] + u[df["j"]] + rng.standard_normal(len(df))
    return regression_mixture("y ~ x", cluster="j"), df


def grades(n: int = 2000) -> Made:
    """Grade of membership, two classes, seventeen items."""
    model, rng = gom(items(17), 2), np.random.default_rng(0)
    sides = np.stack([rng.normal(1.5, 0.5, 17), rng.normal(-2, 0.5, 17)])
    truth = {
        "class_logit": np.array([-0.5, 0.0]),
        "class_loading": np.array([[2.0, 0.0]]),
        "item_logit": np.stack([np.zeros((2, 17)), sides], axis=-1),
    }
    return model, bm.simulate(model, truth, n=n, seed=1)[items(17)]


def three_parameters(n: int = 2000) -> Made:
    """The 3PL, twenty items."""
    rng, names = np.random.default_rng(3), [f"q{k}" for k in range(1, 21)]
    model, a = irt_3pl(names), rng.uniform(0.8, 2.0, 20)
    truth = {"item_intercept": -a * rng.uniform(-1.5, 1.5, 20), "loading": a, "guessing": rng.uniform(0.1, 0.25, 20)}
    return model, bm.simulate(model, truth, n=n, seed=3)[names]


def factor_mixture(n: int = 425) -> Made:
    """Two classes and a factor, eighteen items."""
    rng, model = np.random.default_rng(4), fma(items(18), 2)
    intercepts = np.stack([rng.uniform(0.5, 2.0, 18), rng.uniform(-1.5, 0.5, 18)])
    truth = {"class_logit": [-0.4, 0.0], "item_intercept": intercepts, "loading": rng.uniform(0.6, 1.0, 18)}
    return model, bm.simulate(model, truth, n=n, seed=4)[items(18)]


def figure_three(clusters: int = 200, size: int = 15) -> Made:
    """Fig. 3 of the 2009 paper, R(3)-R(9), generated as in its section 2.2."""
    rng, source = np.random.default_rng(1), script("studies")
    df = pd.DataFrame({"j": np.repeat(np.arange(clusters), size), "x": rng.standard_normal(clusters * size)})
    df["w"] = np.repeat(rng.standard_normal(clusters), size)
    model = figure_3("y ~ x", "w", "j")
    return model, bm.simulate(model, source.MIXTURE, df=df, seed=1)[["j", "x", "w", "y"]]


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    title: str
    make: Callable[[], Made]
    settings: dict[str, Any] = field(default_factory=dict)


ONE = {"starts": 1, "finals": 1, "rounds": 1}
JOBS = {
    "lca": Job("LCA, 3 classes, 10 items, 20 starts", latent_classes),
    "two_by_two": Job("two-level LCA, 2 x 2 discrete classes, 1 start", classes_of_clusters, ONE),
    "random_logits": Job("two-level LCA, normal effect", random_logits),
    "lta": Job("LTA, 2 x 10 items, n = 1,000", transitions),
    "mixture": Job("regression mixture, n = 10,000", mixture),
    "between": Job("classes of clusters, random intercept, 100 x 10", between),
    "conventional": Job("conventional two-level regression, 200 x 15", conventional),
    "gom": Job("GoM, 17 items, 31 nodes", grades, {"nodes": bm.trapezoid(31)}),
    "3pl": Job("3PL, 20 items", three_parameters),
    "fma": Job("FMA, 425 x 18", factor_mixture),
    "two_level_lta": Job("two-level LTA, 1,000 in 100 clusters", two_level_transitions),
    "fig3": Job("two-level regression mixture (Fig. 3), 200 x 15", figure_three),
}
