"""Three classes of six binary items in the conditions of Bakk and Kuha (2018): what is drawn, and the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

import bayesmix as bm

ITEMS = [f"u{k}" for k in range(1, 7)]
LOGITS = np.array([[0.0, 0.0], [2.3447, -1.0], [-3.6554, 1.0]])
"""Intercepts and slopes of the classes on x = 1, ..., 5: classes of about equal size."""
MEANS, SD = np.array([-1.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])


def drawn(n: int, separation: float, seed: int) -> pd.DataFrame:
    """Items, a covariate `x` that predicts the class, an outcome `y` with MEANS, and its class `c`."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 6, n).astype(float)
    eta = LOGITS[:, 0] + x[:, None] * LOGITS[:, 1]
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    c = (np.cumsum(p, axis=1) < rng.random(n)[:, None]).sum(axis=1)
    high, low = [separation] * 6, [1 - separation] * 6
    u = np.array([high, [*high[:3], *low[:3]], low])
    df = pd.DataFrame((rng.random((n, 6)) < u[c]).astype(int), columns=ITEMS)
    return df.assign(x=x, y=MEANS[c] + SD[c] * rng.normal(size=n), c=c + 1)


def truth(separation: float) -> dict[str, np.ndarray]:
    """Natural parameters of step one: class sizes are those over x."""
    s = np.log(separation / (1 - separation))
    eta = LOGITS[:, 0] + np.arange(1, 6)[:, None] * LOGITS[:, 1]
    size = (np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)).mean(axis=0)
    item = np.zeros((3, 6, 2))
    item[:, :, 1] = s * np.array([[1] * 6, [1, 1, 1, -1, -1, -1], [-1] * 6])
    return {"class_logit": np.log(size / size[2]), "item_logit": item}


def fitted(df: pd.DataFrame, separation: float) -> bm.Fit:
    """Step one from the truth, in its order of the classes."""
    at = truth(separation)
    model = bm.models.lca(ITEMS, 3)
    return bm.fit(model, df, start=at, like=at, starts=1, finals=1, rounds=1, budget=0, simpler=False, progress=False)
