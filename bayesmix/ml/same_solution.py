"""Whether two points are one solution of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations, product

import numpy as np

from bayesmix.graph import tables
from bayesmix.ml.objective import Target
from bayesmix.ml.starts import ranges
from bayesmix.spec import class_labels as labels
from bayesmix.spec import fix_factor_signs
from bayesmix.typing import Array

FADING = 3.0
"""Natural units from the margins at which a logit's probability fades towards 0 or 1."""
TOGETHER = 0.05
"""A difference of parameters, on a scale from -1 to 1, that is none."""
NO_DISTANCE = 1e-3
"""One of all parameters, on that scale, at which classes have the same sizes without asking."""
MOST_ORDERED = 5
"""Classes of a variable that are tried in every order, at most."""


def same_solution(data: Target, a: Array, b: Array) -> bool:
    """Whether two points of theta are one solution: the same but for the order of all classes and the signs of factors.

    What responses depend on is compared, and the sizes of classes and transitions. Far out, where a logit says that a
    probability is 0 or 1, a difference is none; nor is one of logits of classes whose random part is huge.
    """
    here = fix_factor_signs(data.model, data.inside(a))
    one = data.packing.pack(here)
    return any(_same_labelled(data, one, other) for other in _in_labels_of(data, b, here))


def _in_labels_of(data: Target, theta: Array, pivot: Mapping[str, Array]) -> Iterator[Array]:
    """A point in the labels of another one; where nothing tells the classes of a variable apart, in every order."""
    model = data.model
    moved, orders = labels.relabel(model, {k: x[None] for k, x in data.inside(theta).items()}, pivot)
    values = {k: x[0] for k, x in moved.items()}
    loose = [dims for dims in labels.groups(model) if dims not in orders]
    sizes = [next(c.size for c in model.classes if c.name in dims) for dims in loose]
    for order in product(*(permutations(range(k)) if k <= MOST_ORDERED else [range(k)] for k in sizes)):
        out = values
        for dims, one in zip(loose, order, strict=True):
            out = labels.permute(model, out, dims, np.array(one))
        try:
            yield data.packing.pack(fix_factor_signs(model, out, pivot))
        except ValueError:  # relabelled to outside a support: the two do not differ by their labels alone
            continue


def _same_labelled(data: Target, one: Array, other: Array) -> bool:
    limits, own = ranges(data), np.zeros(data.packing.size, dtype=bool)
    for t in (t for r in data.model.responses for t in r.terms):
        i = data.packing.index[t.parameter.name]
        own[i[i >= 0]] = True
    far = [np.tanh((x - limits.center) / (FADING * limits.unit)) for x in (one, other)]
    apart = np.abs(far[0] - far[1])
    if apart[own].max(initial=0.0) > TOGETHER:
        return False
    if apart.max(initial=0.0) < NO_DISTANCE:
        return True
    of_classes = ("class size", "transition")
    shown = [{k: x for k, x in tables(data, t).items() if x.attrs["kind"] in of_classes} for t in (one, other)]
    return all(np.abs(x - shown[1][k]).max() < TOGETHER for k, x in shown[0].items())
