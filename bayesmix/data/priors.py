"""Priors on natural parameters: what the declaration or a user says, in the units of the data.

A prior is taken literally. One whose name begins with ``Data`` is in units of the data instead: with the centre m
and the unit s of the parameter (:func:`bayesmix.data.margins.units`), ``DataNormal(mu=a, sigma=b)`` is
Normal(m + s a, s b).
The random variables of the PyMC model and the penalty of a fit are made of the same :class:`Block` s, so that both
halves have one posterior.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import gammaln

from bayesmix.data.intercepts import AtMeans, at_means
from bayesmix.data.margins import units
from bayesmix.data.patterns import Patterns
from bayesmix.spec import Model, Positive, Real, Support, terms
from bayesmix.spec.parameters import Dependent, Parameter, Prior
from bayesmix.typing import Array

Priors = Mapping[str, Prior | Literal["default"]] | Literal["default"]
FREE, AT_MEANS = "_free", "_at_means"
"""End the names of variables: of free entries where others are fixed, of an intercept at the covariates' means."""
OF_DATA = "Data"
"""Begins the name of a prior in units of the data."""
EXCHANGEABLE, TRIANGLE = "ExchangeableLogit", "CholeskyNormal"
KINDS = {EXCHANGEABLE: "Normal", TRIANGLE: "HalfNormal"}
"""Priors that PyMC does not have, and whose arguments they take."""


# what came ----------------------------------------------------------------------------------------


def defaults(model: Model) -> dict[str, Prior]:
    """The declared priors, marked as such."""
    return {p.name: p.prior.declared() for p in model.parameters}


def checked(priors: Priors | None, model: Model) -> dict[str, Prior]:
    """The priors that came, by parameter, each of them good for its parameter.

    Parameters
    ----------
    priors : mapping of str to Prior, "default" or None
        The text ``"default"`` stands for the declared prior of a parameter, or of all of them.

    Raises
    ------
    ValueError, TypeError
        A prior for no parameter, no prior, or a distribution or arguments that are none.
    """
    if priors is None or (isinstance(priors, str) and priors == "default"):
        return {} if priors is None else defaults(model)
    if not isinstance(priors, Mapping):
        raise TypeError(
            f"The priors came as {priors!r}: give bm.Prior objects by the names of parameters, or priors='default'."
        )
    by_name = {p.name: p for p in model.parameters}
    for name in priors:
        if name not in by_name:
            raise ValueError(
                f"A prior came for '{name}', but the parameters are {', '.join(by_name)}: name one of them."
            )
    return {name: _good(by_name[name], prior, model) for name, prior in priors.items()}


def chosen(priors: Priors | None, model: Model) -> dict[str, Prior]:
    """A prior for every parameter: those that came, else the declared ones."""
    return defaults(model) | checked(priors, model)


def _good(p: Parameter, prior: Any, model: Model) -> Prior:
    """The prior, if the parameter can have it; `prior` is what came."""
    if isinstance(prior, str) and prior == "default":
        return p.prior.declared()
    if not isinstance(prior, Prior):
        raise TypeError(
            f"The prior of '{p.name}' came as {prior!r} ({type(prior).__name__}): "
            "give bm.Prior('Normal', mu=0, sigma=2) or so."
        )
    kind = prior.distribution.removeprefix(OF_DATA)
    if (kind == TRIANGLE) != p.domain.is_triangular:
        raise ValueError(
            f"The prior of '{p.name}' came as {prior}: loadings of correlated effects, and only these, have "
            "bm.Prior('CholeskyNormal', sigma=1.5)."
        )
    if kind == EXCHANGEABLE and (not p.domain.is_linear or _reference(p, model) is None):
        raise ValueError(
            f"The prior of '{p.name}' came as {prior}, which is one of logits against a reference category; "
            "give bm.Prior('Normal', mu=0, sigma=2) or so."
        )
    try:
        _tried(prior, p.domain)
    except Exception as error:
        raise ValueError(
            f"The prior of '{p.name}' came as {prior}, which PyMC does not take ({_first_line(error)}): give the name "
            "and the arguments of a distribution of one number, such as bm.Prior('Normal', mu=0, sigma=2)."
        ) from error
    return prior


def _first_line(error: Exception) -> str:
    """What an error says, without PyTensor's further lines."""
    return str(error).strip().split("\n")[0].rstrip(".")


def _tried(prior: Prior, support: Support) -> None:
    """Evaluate the density once: PyMC looks at names when it makes a distribution, at values when it runs."""
    import pymc as pm  # two seconds, and seldom wanted in a fit

    name, arguments = _pymc(prior)
    made = _limited(name, arguments, support, ())
    if made.owner.op.ndim_supp > 0 or "float" not in made.dtype:
        raise ValueError("it is no distribution of one real number")
    with pytensor.config.change_flags(cxx="", traceback__limit=0):
        cast(Any, pytensor.function([], pm.logp(made, np.asarray(0.5)), mode="FAST_COMPILE"))()


def _pymc(prior: Prior) -> tuple[str, dict[str, float]]:
    """The name and arguments of the PyMC distribution behind a prior."""
    kind = prior.distribution.removeprefix(OF_DATA)
    arguments = dict(prior.arguments)
    if kind in KINDS or kind != prior.distribution:
        own = {"sigma", "mu"} if kind == "Normal" else {"sigma"}
        if kind not in {*KINDS, "Normal", "HalfNormal"} or set(arguments) - own or "sigma" not in arguments:
            raise TypeError(f"'{prior.distribution}' takes sigma{' and mu' if 'mu' in own else ''}, or is not known")
    return KINDS.get(kind, kind), {"mu": 0.0, **arguments} if kind == "Normal" else arguments


def _limited(
    distribution: str,
    arguments: Mapping[str, Any],
    support: Support,
    shape: tuple[int, ...],
    name: str | None = None,
    dims: tuple[str, ...] | None = None,
) -> Any:
    """A PyMC distribution over what the parameter can be: cut off where it goes beyond; a variable if named."""
    import pymc as pm

    kind = getattr(pm, distribution)
    if not is_within(distribution, support):
        one = kind.dist(**arguments)
        further = {"lower": support.bounds[0], "upper": support.bounds[1], "shape": shape}
        return pm.Truncated(name, one, dims=dims, **further) if name else pm.Truncated.dist(one, **further)
    return kind(name, **arguments, shape=shape, dims=dims) if name else kind.dist(**arguments, shape=shape)


def _bounded() -> tuple[type, ...]:
    """PyMC's classes of distributions that end somewhere."""
    from pymc.distributions.continuous import BoundedContinuous, PositiveContinuous, UnitContinuous

    return BoundedContinuous, PositiveContinuous, UnitContinuous


def is_within(distribution: str, support: Support) -> bool:
    """Whether a distribution ends where the support of a parameter does."""
    import pymc as pm

    if support.bounds == (None, None):
        return True
    _, positive, unit = _bounded()
    return issubclass(getattr(pm, distribution), (unit, positive) if support.bounds[1] is None else unit)


# what a parameter's prior is ----------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A distribution of PyMC and the entries of a parameter that it is of.

    Attributes
    ----------
    name : str
    at : tuple of arrays
        Positions in the parameter.
    shape : tuple of int
        One axis; for thresholds and logits against a reference two, a row each vector.
    distribution, arguments
        PyMC's, in the units of the data.
    support : Support
    mixing : array, optional
        The Cholesky factor of an exchangeable prior: entries = `scale` * (z @ mixing') with z ~ N(0, 1).
    above : array (row, 1), optional
        Of a vector in order the fixed entry before it, at which its prior is cut off.
    """

    name: str
    at: tuple[NDArray, ...]
    shape: tuple[int, ...]
    distribution: str
    arguments: Mapping[str, Any]
    support: Support
    scale: Array
    mixing: Array | None = None
    above: Array | None = None

    def variable(self, dims: tuple[str, ...]) -> Any:
        """The random variable of the current PyMC model, where the block is the whole parameter, with its dims."""
        return _limited(self.distribution, self.arguments, self.support, self.shape, self.name, dims)

    def distributed(self) -> Any:
        """The distribution of :meth:`values`, those of a vector in order not put in order."""
        if self.above is None:
            return _limited(self.distribution, self.arguments, self.support, self.shape)
        import pymc as pm

        one = getattr(pm, self.distribution).dist(**self.arguments)
        return pm.Truncated.dist(one, lower=np.broadcast_to(self.above, self.shape), upper=None, shape=self.shape)

    def log_density(self, x: Any) -> Any:
        """The log density of natural entries of this shape."""
        import pymc as pm

        total = cast(Any, pm.logp(self.distributed(), self.values(x))).sum() - self.log_slope
        return total + self.shape[0] * gammaln(self.shape[1] + 1) if self.support.is_ordered else total

    def draw(self) -> Any:
        """Draw the entries: of a vector in order, numbers that are then put in order."""
        x = self.entries(self.distributed())
        return pt.sort(x, axis=-1) if self.support.is_ordered else x

    def middle(self) -> Any:
        """Entries in the middle of the distribution; those of a vector in order apart."""
        import pymc as pm

        if self.support.is_ordered:
            return pt.as_tensor(self._apart())
        return self.entries(pm.distributions.distribution.support_point(self.distributed()))

    def _apart(self) -> Array:
        """Numbers in order: around zero, or above what is fixed."""
        spread = 0.5 * np.arange(self.shape[1])
        return np.zeros(self.shape) + (spread - spread.mean() if self.above is None else self.above + 0.5 + spread)

    def entries(self, value: Any) -> Any:
        """The parameter's entries, from values of the distribution."""
        return value if self.mixing is None else self.scale * pt.dot(value, self.mixing.T)

    def values(self, x: Any) -> Any:
        """The values of the distribution, from the parameter's entries."""
        return x if self.mixing is None else pt.dot(x / self.scale, np.linalg.inv(self.mixing).T)

    @property
    def log_slope(self) -> float:
        """The logarithm of the determinant of :meth:`entries`."""
        if self.mixing is None:
            return 0.0
        return float(np.log(self.scale).sum() + self.shape[0] * np.log(np.diag(self.mixing)).sum())

    def start(self, x: Array) -> Any:
        """Entries where a chain starts, near the parameter `x` (with its intercept at the means).

        A little apart from other chains, where the prior has it.
        """
        import pymc as pm

        x = x[self.at].reshape(self.shape)
        if self.support.is_ordered:
            return pt.as_tensor(x if self.above is None else np.where(x[:, :1] > self.above, x, self._apart()))
        if self.mixing is not None:
            return pt.as_tensor(x) + self.entries(0.1 * pm.Normal.dist(0, 1, shape=self.shape))
        x = self._inside(x)
        free = self.support.is_linear and not issubclass(getattr(pm, self.distribution), _bounded())
        return pt.as_tensor(x) + (0.1 * self.scale * pm.Normal.dist(0, 1, shape=self.shape) if free else 0.0)

    def _inside(self, value: Array) -> Array:
        """Values for which the prior has a density; its own middle where there is none."""
        import pymc as pm

        made = self.distributed()
        middle = pm.distributions.distribution.support_point(made)
        with pytensor.config.change_flags(cxx=""):
            evaluate = cast(Any, pytensor.function([], [cast(Any, pm.logp(made, value)), middle], mode="FAST_COMPILE"))
        density, own = evaluate()
        return np.where(np.isfinite(density), value, own)


@dataclass(frozen=True)
class Stated:
    """The prior of a parameter in the units of the data.

    Attributes
    ----------
    blocks : tuple of Block
        What its free entries are filled with.
    at_means : AtMeans, optional
        The prior is that of the intercept at the covariates' means; without it, of the parameter itself.
    follows : tuple of Dependent
        Entries that are held equal to others or follow from them by equations, of this parameter and of those before
        it; the prior is of those others.
    """

    parameter: Parameter
    prior: Prior
    blocks: tuple[Block, ...]
    at_means: AtMeans | None = None
    follows: tuple[Dependent, ...] = ()

    @property
    def others(self) -> list[str]:
        """The names of the other parameters that entries follow from."""
        return list(dict.fromkeys(n for d in self.follows for _, (n, _) in d.terms if n != self.parameter.name))

    def completed(self, x: Any, values: Mapping[str, Any]) -> Any:
        """The parameter `x` with entries that follow from others put in; other parameters are among `values`."""
        values, new = {**values, self.parameter.name: x}, []
        for d in self.follows:
            each = [w * (values[n][at] if at else values[n]) for w, (n, at) in d.terms]
            new.append(sum(each, pt.as_tensor(d.constant)))
        if not new:
            return x
        places = [d.place[1] for d in self.follows]
        return pt.set_subtensor(x[tuple(np.array(places).T)], pt.stack(new)) if places[0] else new[0]

    def numbers(self) -> list:
        """Everything that the density depends on, in plain numbers."""
        each = [
            (b.name, b.distribution, {k: np.asarray(v).tolist() for k, v in b.arguments.items()}) for b in self.blocks
        ]
        scales = [b.scale.tolist() for b in self.blocks if b.mixing is not None]
        ends = [b.above.tolist() for b in self.blocks if b.above is not None]
        return [each, scales, self.at_means, *([ends] if ends else [])]

    def shift(self, values: Mapping[str, Any]) -> Any:
        """Intercept at the means minus intercept at zero, over the dims of the parameter; arrays or tensors."""
        return 0.0 if self.at_means is None else self.at_means.shift(values, self.parameter.dims)

    def log_density(self, x: Any) -> Any:
        """The log density of the parameter `x`, of an intercept at the covariates' means."""
        total: Any = pt.zeros(())
        for b in self.blocks:
            total = total + b.log_density(x[b.at].reshape(b.shape) if b.at else x)
        return total


def stated(data: Patterns, priors: Mapping[str, Prior]) -> dict[str, Stated]:
    """The priors in the units of the data, intercepts at the means after what they are made of."""
    known, centred = units(data), at_means(data)
    follows = data.packing.followers
    # equal intercepts have different means of covariates beside them
    tied = {name for d in follows for name, _ in (d.place, *(place for _, place in d.terms))}
    tied |= {p.name for p in data.model.parameters if p.domain.is_ordered and _is_fixed(data, p).any()}
    centred = {k: x for k, x in centred.items() if k in priors and priors[k].default and k not in tied}
    fixed = [k for k, own in data.packing.own.items() if k in priors and not priors[k].default and not own.any()]
    if fixed:
        raise ValueError(
            f"A prior came for '{fixed[0]}', all entries of which are fixed or follow from others: leave it out."
        )
    out = {
        p.name: Stated(
            p,
            priors[p.name],
            tuple(_blocks(p, data, priors[p.name], *known[p.name], p.name in centred)),
            centred.get(p.name),
            tuple(d for d in follows if d.place[0] == p.name),
        )
        for p in data.model.parameters
        if p.name in priors
    }
    return {k: v for k, v in out.items() if k not in centred} | {k: v for k, v in out.items() if k in centred}


def log_density(found: Mapping[str, Stated], values: Mapping[str, Any]) -> Any:
    """The log density of parameters under their priors, as a graph.

    Parameters
    ----------
    found : mapping of str to Stated
    values : mapping of str to tensor
        Parameters on the user's natural scale, the slopes of intercepts among them.
    """
    total: Any = pt.zeros(())
    for name, own in found.items():
        total = total + own.log_density(values[name] + own.shift(values))
    return total


def _blocks(p: Parameter, data: Patterns, prior: Prior, centre: Array, unit: Array, centred: bool) -> Iterator[Block]:
    """Free entries of a parameter as variables: one, or one a pattern of free entries in a vector."""
    free = data.packing.own[p.name]
    distribution, arguments = _pymc(prior)
    in_units, kind = prior.distribution.startswith(OF_DATA), prior.distribution.removeprefix(OF_DATA)

    def block(
        ending: str, at: tuple, shape: tuple, given: Mapping[str, float], mixing=None, of=distribution, above=None
    ) -> Block:
        m, s = centre[at].reshape(shape), unit[at].reshape(shape)
        own = s if in_units or mixing is None else np.ones(shape)
        used = (
            {k: m + s * v if k == "mu" else s * v for k, v in given.items()} if in_units and mixing is None else given
        )
        support = p.domain
        if p.domain.is_triangular:
            support = Positive() if ending == f"{FREE}_diagonal" else Real()
        name = p.name + (AT_MEANS if centred else "") + ending
        return Block(name, at, shape, of, used, support, own, mixing, above)

    if p.domain.is_triangular:
        diagonal = np.broadcast_to(np.eye(free.shape[-2], free.shape[-1], dtype=bool), free.shape)
        for ending, some, of in (("diagonal", free & diagonal, "HalfNormal"), ("beside", free & ~diagonal, "Normal")):
            if some.any():
                given = arguments if ending == "diagonal" else {"mu": 0.0, **arguments}
                yield block(f"{FREE}_{ending}", np.nonzero(some), (int(some.sum()),), given, None, of)
    elif p.domain.is_ordered:
        yield from _in_order(p, data, block, arguments)
    elif kind == EXCHANGEABLE:
        yield from _vectors(free, _reference(p, data.model), block, arguments)
    elif free.any():
        at = np.nonzero(free) if free.ndim else ()
        yield block("" if free.all() else FREE, at, free.shape if free.all() else (int(free.sum()),), arguments)


def _in_order(p: Parameter, data: Patterns, block, arguments: Mapping[str, float]) -> Iterator[Block]:
    """A block for the vectors whose thresholds are free from the same place on, above those that are fixed.

    Raises
    ------
    ValueError
        The threshold before a free one follows from others: where it ends the free one begins.
    """
    size = data.packing.own[p.name].shape[-1]
    free, fixed = data.packing.own[p.name].reshape(-1, size), _is_fixed(data, p).reshape(-1, size)
    value, position = data.packing.held[p.name].reshape(-1, size), np.arange(free.size).reshape(-1, size)
    patterns = [q for q in np.unique(free, axis=0) if q.any()]
    for k, pattern in enumerate(patterns):
        which, columns = np.flatnonzero((free == pattern).all(axis=1)), np.flatnonzero(pattern)
        before = columns[0] - 1
        if (np.diff(columns) > 1).any() or (before >= 0 and not fixed[which, before].all()):
            raise ValueError(
                f"Some thresholds of '{p.name}' follow from others, and later ones of the same item are free, whose "
                "prior must know the order: hold all thresholds of an item, or none, or fit by maximum likelihood."
            )
        at = np.unravel_index(position[which][:, columns].ravel(), data.packing.own[p.name].shape)
        ending, above = FREE + (f"_{k}" if len(patterns) > 1 else ""), value[which, before][:, None]
        yield block(ending, at, (len(which), len(columns)), arguments, above=above if before >= 0 else None)


def _is_fixed(data: Patterns, p: Parameter) -> NDArray[np.bool_]:
    """Entries with a known value."""
    return ~np.isnan(data.packing.held[p.name]) & ~data.packing.estimated[p.name]


def _vectors(free: NDArray, axis: int | None, block, arguments: Mapping[str, float]) -> Iterator[Block]:
    """A block for each pattern of free entries along the axis of logits that share a reference.

    theta_k = b_k - b_ref with b ~ Normal(0, sigma): covariance sigma^2 (I + 11').
    """
    rows = np.moveaxis(free, cast(int, axis), -1).reshape(-1, free.shape[cast(int, axis)])
    position = np.moveaxis(np.arange(free.size).reshape(free.shape), cast(int, axis), -1).reshape(rows.shape)
    patterns = [q for q in np.unique(rows, axis=0) if q.any()]
    for k, pattern in enumerate(patterns):
        which, columns = np.flatnonzero((rows == pattern).all(axis=1)), np.flatnonzero(pattern)
        at = np.unravel_index(position[which][:, columns].ravel(), free.shape)
        ending, shape = FREE + (f"_{k}" if len(patterns) > 1 else ""), (len(which), len(columns))
        mixing = arguments["sigma"] * np.linalg.cholesky(np.eye(len(columns)) + 1.0)
        yield block(ending, at, shape, {"mu": 0.0, "sigma": 1.0}, mixing)


def _reference(p: Parameter, model: Model) -> int | None:
    """The axis of logits that share a reference category."""
    over = {c.name for c in model.classes} | {r.category_dim for r in model.responses}
    over |= {shared for t in terms(model) for shared, here in t.rename if here in over}
    named = [d for f in p.fixed if len(f.positions) == 1 and f.value == 0.0 for d, _ in f.positions if d in over]
    return p.dims.index(named[0]) if named else None
