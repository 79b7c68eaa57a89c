"""Replicate weights: a refit for each set of them from the solution of the full sample, and how these spread."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.graph import adapt_nodes, is_adaptive
from bayesmix.ml.newton import newton
from bayesmix.ml.objective import Target
from bayesmix.parallel import finished, run_all
from bayesmix.spec import class_labels as labels
from bayesmix.typing import Array

FAILURES = (ValueError, ArithmeticError, np.linalg.LinAlgError)
STEPS = 50
"""Of Newton's method, at most."""


@dataclass(frozen=True)
class Replicates:
    """Estimates under replicate weights.

    Attributes
    ----------
    thetas : array (replicate, theta)
        Of those that ended at a maximum.
    which : array of int (replicate,)
        Which they are.
    failed : int
        How many did not; they are left out.
    missing : int
        How many were not run: somebody interrupted.
    """

    thetas: Array
    which: NDArray[np.int64]
    failed: int
    missing: int

    def covariance(self, theta: Array, said: Mapping[str, Any]) -> Array:
        """scale * sum_r rscales_r (theta_r - theta)(theta_r - theta)', those that are lost as the others on average."""
        every = np.ones(said["replicates"]) if said["rscales"] is None else np.array(said["rscales"])
        factors = every[self.which] * (every.sum() / max(float(every[self.which].sum()), 1e-300)) * said["scale"]
        apart = self.thetas - theta
        return (apart * factors[:, None]).T @ apart


def replicate(target: Target, theta: Array, executor: Executor | None = None, progress: bool = True) -> Replicates:
    """Refit a model under each set of replicate weights, from the solution `theta` of the full sample.

    Parameters
    ----------
    target : Target
        Its rows have a design with replicate weights.
    theta : array
    executor : concurrent.futures.Executor, optional
        Where they run. Left out: here, or in processes when they would take long.
    progress : bool

    Raises
    ------
    ValueError
        Fewer than two ended at a maximum.
    KeyboardInterrupt
        Interrupted before two were finished.
    """
    sampling = target.rows.sampling
    assert sampling is not None
    values = target.natural(theta)
    run = partial(_refit, target=target, values=values)
    tasks = [*range(len(sampling.replicates))]
    done = finished(run_all(run, tasks, executor), len(tasks), "replicates", progress, lambda x: x[1] is not None)
    good = sorted(((k, x) for k, x in done if x is not None), key=lambda pair: pair[0])
    if len(good) < 2:
        raise ValueError(
            f"{len(good)} of {len(tasks)} replicates ended at a maximum: there is no variance between them."
        )
    names = [p.name for p in target.model.parameters]
    matched, _ = labels.relabel(
        target.model, {n: np.stack([x[n] for _, x in good]) for n in names}, {n: values[n] for n in names}
    )
    thetas = np.array([target.pack({n: matched[n][k] for n in names}) for k in range(len(good))])
    return Replicates(thetas, np.array([k for k, _ in good]), len(done) - len(good), len(tasks) - len(done))


def _refit(k: int, target: Target, values: Mapping[str, Array]) -> tuple[int, dict[str, Array] | None]:
    """Estimate under one set of weights; natural parameters, None where there is no maximum."""
    try:
        data = replace(Target.of(target.rows.replicate(k), target.nodes or None), smallest_sd=target.smallest_sd)
        theta = data.pack(values)
        for _ in range(2 if is_adaptive(data) else 1):
            theta, value, c = newton(adapt_nodes(data, theta), theta, iterations=STEPS)
        finished = np.isfinite(value) and c.gradient @ np.linalg.pinv(c.information, hermitian=True) @ c.gradient < 1e-4
        return k, data.natural(theta) if finished else None
    except FAILURES:
        return k, None
