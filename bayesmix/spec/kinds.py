"""What a number is that a model gives: a parameter, a table of probabilities, or what follows from them.

A :class:`Quantity` says what stands in a table: a correlation of two factors, the size of a class, a share of a
variance. Its attributes are kept with the numbers of a fit and of a posterior, and readers ask for them: nothing is
read off a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.model import LatentClass, Model, Response
from bayesmix.spec.parameters import Parameter
from bayesmix.spec.scales import FISHER_Z, IDENTITY, LOG, LOGIT, SQRT, Scale
from bayesmix.typing import Array

SMALLEST = 1e-100
"""A quantity nearer to zero is that of a reference, or of what does not vary: it has no row of its own."""
Kind = Literal[
    "parameter", "class size", "transition", "item probability", "sd", "variance", "icc", "correlation", "covariance",
    "correlation matrix", "covariance matrix", "logit contrast", "share", "path effect", "discrimination", "difficulty",
    "expected",
    "residual correlation",
]  # fmt: skip
Group = Literal["parameter", "probability", "derived"]
TABLES: tuple[Kind, ...] = ("class size", "transition", "item probability")
"""Kinds of probabilities."""
ITEM_RESPONSE: tuple[Kind, ...] = ("discrimination", "difficulty")
"""The a and b of items on a factor."""
MATRICES: tuple[Kind, ...] = ("correlation matrix", "covariance matrix")
_SCALE_OF: dict[Kind, Scale] = {
    **dict.fromkeys(TABLES, LOGIT), "sd": LOG, "variance": SQRT, "icc": LOGIT, "correlation": FISHER_Z,
    "correlation matrix": FISHER_Z, "share": LOGIT, "residual correlation": FISHER_Z,
}  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """What a number is that a fit or a posterior holds.

    Attributes
    ----------
    name : str
        The name of its variable.
    kind : str
        One of :data:`Kind`.
    of : str
        What it is of, by the name of it: a class variable, a response, an effect, the column of an outcome.
    part : str
        Which part: the level of random effects; what explains a share, in words; the other one of two factors.
    scale : str
        The name of the scale where its interval is symmetric; that of its kind if left out.
    """

    name: str
    kind: Kind
    of: str = ""
    part: str = ""
    scale: str = ""

    def __post_init__(self) -> None:
        """Look up the scale of the kind."""
        if not self.scale:
            object.__setattr__(self, "scale", _SCALE_OF.get(self.kind, IDENTITY).name)

    @property
    def group(self) -> Group:
        """Where it stands in a fit: among the parameters, the probabilities, or what is derived of them."""
        if self.kind == "parameter":
            return "parameter"
        return "probability" if self.kind in TABLES else "derived"

    @property
    def attrs(self) -> dict[str, str]:
        """What is kept with the numbers."""
        kept = {"kind": self.kind, "of": self.of, "part": self.part, "scale": self.scale}
        return {k: v for k, v in kept.items() if v}

    @staticmethod
    def read(name: Any, attrs: Mapping[Any, Any]) -> Quantity | None:
        """Read what :attr:`attrs` kept of the variable `name`; None of what is no quantity of a model."""
        if attrs.get("kind") not in get_args(Kind):
            return None
        return Quantity(str(name), attrs["kind"], attrs.get("of", ""), attrs.get("part", ""), attrs.get("scale", ""))


def shown(kind: Kind, x: Array) -> NDArray[np.bool_]:
    """Mark the entries of `x`, derived quantities of a `kind`, that are worth a row.

    Not those of a reference class; of a matrix each pair once; variances at a boundary too.
    """
    if kind == "variance":
        return np.ones(x.shape, dtype=bool)
    if kind in ITEM_RESPONSE:
        return np.isfinite(x)
    some = np.abs(x) > SMALLEST
    return some & np.tri(x.shape[-2], x.shape[-1], k=-1, dtype=bool) if kind in MATRICES else some


# by the declaration -------------------------------------------------------------------------------


def parameter(p: Parameter) -> Quantity:
    """Say what `p` is: its interval is symmetric as it is estimated, that of a probability on the logit scale."""
    return Quantity(p.name, "parameter", scale=p.domain.scale)


def class_size(c: LatentClass) -> Quantity:
    """Say what the probabilities of the class variable `c` are."""
    return Quantity(f"{c.name}_probability", "class size", c.name)


def size_by(c: LatentClass, by: str) -> Quantity:
    """Say what the probabilities of the class variable `c` are in each class of `by`, one of all occasions."""
    return Quantity(f"{c.name}_by_{by}", "class size", c.name, by)


def transition(c: LatentClass) -> Quantity:
    """Say what the probabilities of the class variable `c` given the one before are."""
    return Quantity(f"{c.name}_transition", "transition", c.name)


def probability_tables(model: Model) -> list[Quantity]:
    """List the tables of probabilities that `model` may have."""
    responses = [table for r in model.responses if (table := item_probability(model, r, ()))]
    sizes = [what(c) for c in model.classes for what in (class_size, transition)]
    by = [size_by(c, g.name) for g in model.lasting for c in model.occasions]
    return [*sizes, *by, *(q for q, _ in responses)]


def item_probability(model: Model, r: Response, dims: tuple[str, ...]) -> tuple[Quantity, dict[str, str]] | None:
    """The table of a response's probabilities, and the names of its dims there.

    One table for responses that share their parameters, of the first of them, with the classes' common
    name. None for the others, for densities, and where individuals differ.
    """
    same = [s.name for s in model.responses if same_items(s, r)]
    if not r.family.finite or "individual" in dims or r.name != same[0]:
        return None
    names = {"feature": r.category_dim} | {here: shared for t in r.terms for shared, here in t.rename}
    kinds = {s.name for s in model.responses if not same_items(s, r)}
    title = "item_probability" + (f"_{r.name}" if kinds else "")
    return Quantity(title, "item probability", r.name), {k: v for k, v in names.items() if k in dims}


def same_items(a: Response, b: Response) -> bool:
    """Whether two responses are the same items on two occasions."""
    used = [[t.parameter for t in r.terms] for r in (a, b)]
    return a.item_dim == b.item_dim and used[0] == used[1]
