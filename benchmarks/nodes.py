"""Nodes for integrals of several steep effects: the error of each method beside the finest, and what it costs.

    python benchmarks/nodes.py

At the true parameters of generated data: Fig. 3 of the 2009 paper (two effects of clusters), grade of membership with
three and four classes (two and three effects of individuals) whose logits have an SD of 4. Errors are of the
log-likelihood, beside a grid that is much finer; milliseconds are those of one log-likelihood with its gradient.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time
import warnings

import numpy as np
from bayesmix.models import gom
from jobs import figure_three, items, script

import bayesmix as bm
from bayesmix.graph import LogLikelihood, adapt_nodes

warnings.simplefilter("ignore")


def memberships(classes: int, n: int, sd: float = 4.0):
    """Grade of membership with normal effects of an unrestricted covariance, ten items."""
    rng, names = np.random.default_rng(classes), items(10)
    logits = np.stack([np.zeros((classes, 10)), rng.choice([-2.5, 0.0, 2.5], (classes, 10))], axis=-1)
    model = gom(names, classes)
    truth = {"class_logit": np.zeros(classes), "item_logit": logits}
    shape = next(p for p in model.parameters if p.name == "class_loading")
    truth["class_loading"] = np.pad(sd * np.eye(classes - 1), ((0, 0), (0, 1)))
    assert len(shape.dims) == 2
    return model, bm.simulate(model, truth, n=n, seed=1)[names], truth


def table(title: str, model, df, truth, methods, finest) -> None:
    """Error and cost of each method."""
    print(title)
    best = None
    for method in (finest, *methods):
        problem = bm.prepare(model, df, method)
        theta = problem.pack({k: np.asarray(v, dtype=float) for k, v in truth.items()})
        problem = adapt_nodes(problem, theta)
        graph = LogLikelihood(problem)
        value, _ = graph.value_and_gradient(theta)
        began = time.perf_counter()
        for _ in range(3):
            graph.value_and_gradient(theta)
        each = (time.perf_counter() - began) / 3
        best = value if best is None else best
        print(f"  {method!s:32s} {value:14.4f}  error {value - best:10.4f}  {1e3 * each:9.2f} ms", flush=True)


def main() -> None:
    """Three models."""
    mixture = script("studies").MIXTURE
    table(
        "Fig. 3, 200 x 15, two effects of clusters",
        *figure_three(),
        mixture,
        [bm.adaptive(n) for n in (3, 5, 7, 10)] + [bm.trapezoid(15), bm.monte_carlo(500)],
        bm.adaptive(25),
    )
    table(
        "GoM, 3 classes, 1,000 x 10, two effects of individuals",
        *memberships(3, 1000),
        [bm.trapezoid(n) for n in (15, 21, 31)] + [bm.adaptive(n) for n in (7, 11)] + [bm.monte_carlo(2000)],
        bm.trapezoid(101, 6.0),
    )
    table(
        "GoM, 4 classes, 300 x 10, three effects of individuals",
        *memberships(4, 300),
        [bm.trapezoid(n) for n in (11, 17)] + [bm.adaptive(7), bm.monte_carlo(2000), bm.monte_carlo(8000)],
        bm.trapezoid(41, 6.0),
    )


if __name__ == "__main__":
    main()
