"""Ground floor: a parameter, its support, its prior, and the flat vector the optimiser moves.

A :class:`Parameter` is a named array with named dims. Some of its entries may be fixed. All free
entries of all parameters, unconstrained, are one vector `theta`; a :class:`Packing` says which entry
of `theta` goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor import xtensor as px
from pytensor.graph.rewriting.utils import rewrite_graph

from bayesmix.checks import nearest
from bayesmix.spec.constraints import Constraints, name_of
from bayesmix.spec.equations import Equation, canonical
from bayesmix.spec.linear_systems import ZERO, Affine, independent, solved
from bayesmix.spec.supports import SUPPORTS, Support, SupportName, check_support
from bayesmix.typing import Array

DATA = {"data": True}
"""Metadata of a field that is data to the compiled graph (a size, a column name), not its structure."""

SAME = 1e-6
"""How far a value may be from that at which an entry is fixed: by rounding, or relabelling."""


@dataclass(frozen=True)
class Named:
    """An array and the names of its dims."""

    dims: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Prior:
    """A prior by its PyMC name, e.g. ``Prior("Normal", mu=0, sigma=2)``.

    ``Prior("ExchangeableLogit", sigma=s)`` is the prior of logits against a reference category,
    theta_k = b_k - b_ref with b ~ Normal(0, s) independently for all categories: the same whichever
    category is the reference, so that relabelling the classes does not change it.
    ``Prior("CholeskyNormal", sigma=s)``, of Cholesky loadings: half-normal on the diagonal, normal beside it.

    A prior is taken literally, in the units of the data, and cut off where the parameter ends (an SD at zero). With
    ``Data`` before its name (`DataNormal`, `DataHalfNormal`, `DataExchangeableLogit`) it is in units of the data
    instead, those of :func:`bayesmix.prior_table`: ``Prior("DataNormal", sigma=2.5)`` on the mean of a normal item
    is a normal around the item's mean with 2.5 of its SDs, on a slope one around zero with 2.5 SDs of the outcome
    over the SD of the covariate.

    Examples
    --------
    >>> str(bm.Prior("Normal", mu=0, sigma=1))
    'Normal(mu=0, sigma=1)'
    """

    distribution: str
    arguments: tuple[tuple[str, float], ...] = ()
    default: bool = False
    """Whether it is the declared one: that of an intercept then is one at the covariates' means."""

    def __init__(self, distribution: str, **arguments: float) -> None:
        if not isinstance(distribution, str):
            raise TypeError(f"The prior's distribution came as {distribution!r}: give its name, such as 'Normal'.")
        for name, x in arguments.items():
            if isinstance(x, bool) or not isinstance(x, (int, float, np.integer, np.floating)) or not np.isfinite(x):
                raise TypeError(f"{name} of the prior '{distribution}' came as {x!r}: give a number.")
        object.__setattr__(self, "distribution", distribution)
        object.__setattr__(self, "arguments", tuple(sorted((k, float(v)) for k, v in arguments.items())))

    def declared(self) -> Prior:
        """The same, marked as the declared prior of a parameter."""
        out = Prior(self.distribution, **dict(self.arguments))
        object.__setattr__(out, "default", True)
        return out

    def __str__(self) -> str:
        return f"{self.distribution}({', '.join(f'{k}={v:g}' for k, v in self.arguments)})"


@dataclass(frozen=True)
class Fixed:
    """Entries of a parameter that are not estimated: `value` at the given positions of named dims.

    Examples
    --------
    >>> bm.Fixed(0.0, (("C", -1),)) == bm.at(0.0, C=-1)
    True
    """

    value: float
    positions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Alike:
    """Entries of a parameter that are one free parameter over the dim `over`: those at given positions of other dims.

    Examples
    --------
    >>> p = bm.Parameter("tau", ("group", "item"), alike=(bm.Alike("group", (("item", 0),)),))
    >>> p.alike[0].over
    'group'
    """

    over: str
    positions: tuple[tuple[str, int], ...] = ()


def at(value: float, **positions: int) -> Fixed:
    """Fix a parameter to `value` where its dims are at `positions`: ``at(0.0, C=-1)``.

    Examples
    --------
    >>> bm.at(0.0, C=-1).positions
    (('C', -1),)
    """
    return Fixed(value, tuple(sorted(positions.items())))


@dataclass(frozen=True)
class Parameter:
    """A named array of the model.

    Attributes
    ----------
    name : str
        The name in results and in the PyMC model.
    dims : tuple of str
        Its named dims. For an `ordered` parameter the last dim is the ordered one.
    support : {"real", "positive", "sd", "probability", "ordered", "cholesky", "unit", "covariance"}
        Which values it may take: any; above zero; an SD of an effect, zero or more; from 0 to 1; increasing along the
        last dim; loadings of correlated effects, (..., effect, variable), triangular with a positive diagonal;
        loadings by which the first variables are the effects themselves; a residual covariance, with which matrices are
        positive definite. Each is a class of
        ``bayesmix.spec.supports``.
    prior : Prior
        Stated on the natural scale.
    fixed : tuple of Fixed
        Entries that are not estimated.
    alike : tuple of Alike
        Entries that are the same over a dim, such as those of an item over groups.

    Examples
    --------
    >>> bm.Parameter("residual_sd", ("C",), "positive").dims
    ('C',)
    """

    name: str
    dims: tuple[str, ...] = ()
    support: SupportName = "real"
    prior: Prior = field(default=Prior("Normal", mu=0.0, sigma=2.0), metadata=DATA)
    fixed: tuple[Fixed, ...] = field(default=(), metadata=DATA)
    alike: tuple[Alike, ...] = field(default=(), metadata=DATA)

    def __post_init__(self) -> None:
        check_support(self.support, self.name)

    @property
    def domain(self) -> Support:
        """The support, with its maps and shapes."""
        return SUPPORTS[self.support]

    def zeros(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Entries that are declared to be zero."""
        return _declared(self, shape) == 0.0


POINT = "point of theta"
"""The dim of several points of theta that are evaluated at once."""


def natural(theta, parameter: Parameter, index, fixed, weights=None):
    """The parameter as a named-dim tensor: entry `index` of theta, or `fixed` where index is -1.

    Entries that follow from others by an equation are `fixed` plus the product of theta with `weights`, as in
    :attr:`Packing.weights`. Of a matrix `theta`, (point, entry), over the points and its own dims.
    """
    if theta.ndim == 1:
        padded: Any = pt.concatenate([theta, np.zeros(1)])  # -1 reads the zero at the end
        raw = padded[index] + fixed
        if weights is not None:
            raw = raw + pt.dot(theta, weights).reshape(index.shape, ndim=index.ndim)
        return px.as_xtensor(parameter.domain.forward(raw, pt), dims=parameter.dims)
    padded = pt.concatenate([theta, pt.zeros((theta.shape[0], 1))], axis=1)
    raw = padded[:, index] + fixed[None]
    if weights is not None:
        shape = pt.concatenate([theta.shape[:1], index.shape])
        raw = raw + pt.dot(theta, weights).reshape(shape, ndim=index.ndim + 1)
    return px.as_xtensor(parameter.domain.forward(raw, pt), dims=(POINT, *parameter.dims))


def lower(outputs: Any) -> Any:
    """Named-dim operations to plain PyTensor ones, which differentiate."""
    return rewrite_graph(outputs, include=("lower_xtensor",), clone=False)


def _declared(p: Parameter, shape: tuple[int, ...]) -> Array:
    """Fixed entries on the natural scale, as they were declared; NaN where free."""
    held, structure = np.full(shape, np.nan), p.domain.structure(shape)
    for f in p.fixed:
        where = dict(f.positions)
        if unknown := [d for d in where if d not in p.dims]:
            raise ValueError(
                f"Parameter '{p.name}' is fixed at a position of '{unknown[0]}', which is not among its dims "
                f"({', '.join(p.dims)}): name one of them."
            )
        held[tuple(where.get(d, slice(None)) for d in p.dims)] = f.value
    return np.where(np.isnan(structure), held, structure)


def _unconstrained(p: Parameter, held: Array) -> Array:
    """Fixed entries on the unconstrained scale, NaN where free."""
    with np.errstate(all="ignore"):
        raw = p.domain.inverse(held)
    if (np.isnan(raw) != np.isnan(held)).any():
        raise ValueError(
            f"Parameter '{p.name}' is fixed outside its support ({p.support}): a positive one takes positive values; "
            "a probability values between 0 and 1; an ordered one increasing values, without a free entry before a "
            "fixed one; a cholesky one a positive diagonal."
        )
    return raw


Place = tuple[str, tuple[int, ...]]
"""An entry by the name of its parameter and its position."""


class Dependent(NamedTuple):
    """An entry that is a constant and a sum of free entries, by an equation."""

    place: Place
    constant: float
    terms: tuple[tuple[float, Place], ...]


@dataclass(frozen=True)
class Packing:
    """Where each parameter's free entries stand in `theta`.

    Built from the parameters and the size of each dim, and, for categorical items with differing
    numbers of categories, from `absent`: a mask per parameter of entries that do not exist. Entries that
    `constraints` hold equal stand at one place of theta; those that follow from others by linear equations at none.
    """

    parameters: tuple[Parameter, ...]
    coords: Mapping[str, Sequence]
    absent: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    constraints: Constraints = field(default_factory=Constraints)
    index: dict[str, NDArray[np.int64]] = field(init=False)
    fixed: dict[str, Array] = field(init=False)
    held: dict[str, Array] = field(init=False)
    """Fixed entries on the natural scale, NaN where free."""
    own: dict[str, NDArray[np.bool_]] = field(init=False)
    """Free entries, of those held equal the first."""
    ties: tuple[tuple[Place, Place], ...] = field(init=False)
    """The others of those held equal, each with the first."""
    linear: tuple[Dependent, ...] = field(init=False)
    """Entries that follow from free ones by equations; their constants are in `fixed`."""
    weights: dict[str, Array] = field(init=False)
    """Of parameters that have such entries: how they move with theta, (place in theta, entry)."""
    estimated: dict[str, NDArray[np.bool_]] = field(init=False)
    """Entries that move with theta."""

    def __post_init__(self) -> None:
        natural = {p.name: _declared(p, self.shape(p)) for p in self.parameters}
        some = self.constraints or any(p.alike for p in self.parameters)
        followers, linear = self._constrained(natural) if some else ({}, [])
        index: dict[str, NDArray[np.int64]] = {}
        fixed: dict[str, Array] = {}
        own: dict[str, NDArray[np.bool_]] = {}
        start = 0
        for p in self.parameters:
            held = _unconstrained(p, natural[p.name])
            if p.name in self.absent:
                held[self.absent[p.name]] = 0.0
            free = np.isnan(held)
            own[p.name] = free.copy()
            for name, at in (*followers, *(d.place for d in linear)):
                if name == p.name:
                    own[p.name][at] = False
            index[p.name] = np.full(free.shape, -1, dtype=np.int64)
            index[p.name][own[p.name]] = np.arange(start, start + own[p.name].sum())
            fixed[p.name] = np.where(free, 0.0, held)
            start += int(own[p.name].sum())
        for (name, at), (first, where) in followers.items():
            index[name][at] = index[first][where]
        weights: dict[str, Array] = {}
        estimated = {name: i >= 0 for name, i in index.items()}
        for (name, at), constant, terms in linear:
            fixed[name][at] = constant
            estimated[name][at] = True
            own_weights = weights.setdefault(name, np.zeros((start, *index[name].shape)))
            for weight, (other, where) in terms:
                own_weights[(index[other][where], *at)] = weight
        object.__setattr__(self, "linear", tuple(linear))
        object.__setattr__(self, "weights", {k: x.reshape(start, -1) for k, x in weights.items()})
        object.__setattr__(self, "estimated", estimated)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "fixed", fixed)
        object.__setattr__(self, "held", natural)
        object.__setattr__(self, "own", own)
        object.__setattr__(self, "ties", tuple(followers.items()))
        if followers:
            self._check_ties()

    def _constrained(self, natural: dict[str, Array]) -> tuple[dict[Place, Place], list[Dependent]]:
        """Put what a user fixes into `natural`; say which entries follow which others, and by which equations.

        Raises
        ------
        ValueError
            An unknown entry, a category that an item does not have, values that contradict each other.
        """
        places = self.places()
        for label, value in self.constraints.fixed:
            name, at = _found(label, places)
            self._refuse_absent(label, name, at)
            if abs(np.nan_to_num(natural[name][at], nan=value) - value) > SAME * (1 + abs(value)):
                raise ValueError(
                    f"'{label}' is to be fixed at {value:g}, but the model has it fixed at {natural[name][at]:g}, as a "
                    "reference or by its structure: leave it out."
                )
            natural[name][at] = value
        out: dict[Place, Place] = {}
        order = {place: k for k, place in enumerate(places.values())}
        for label in (label for group in self.constraints.equal for label in group):
            self._refuse_absent(label, *_found(label, places))
        given = [[_found(label, places) for label in group] for group in self.constraints.equal]
        by_name = {p.name: p for p in self.parameters}
        for group in _joined([*given, *self._alike()]):
            members = sorted(group, key=order.__getitem__)
            known = {self._entry(by_name[n], at): float(natural[n][at]) for n, at in members}
            fixed = {label: x for label, x in known.items() if not np.isnan(x)}
            if not fixed:
                out |= dict.fromkeys(members[1:], members[0])
                continue
            values = [*fixed.values()]
            if max(values) - min(values) > SAME * (1 + abs(values[0])):
                words = ", ".join(f"{label} = {x:g}" for label, x in fixed.items())
                raise ValueError(
                    f"Entries are to be equal that are fixed at different values ({words}): give one value."
                )
            for name, at in members:
                natural[name][at] = values[0]
        return out, self._related(natural, out, places) if self.constraints.linear else []

    def _related(
        self, natural: dict[str, Array], ties: dict[Place, Place], places: dict[str, Place]
    ) -> list[Dependent]:
        """Solve the equations. What has one value by them is put into `natural`, what is equal by them into `ties`.

        Raises
        ------
        ValueError
            An entry whose values are bounded, equations that contradict each other or what is fixed.
        """
        labels = {place: label for label, place in places.items()}
        said = [self._substituted(e, natural, ties, places, labels) for e in self.constraints.linear]

        def besides(some: Sequence[str]) -> str:
            return self._fixed_words(natural, ties, places, some)

        blocks: dict[str, list[str]] = {}
        for label, (name, _) in places.items():
            blocks.setdefault(name, []).append(label)
        found = solved(independent([e for e in said if e.terms or _never(e, besides)], besides), blocks.values())
        out: list[Dependent] = []
        for label, affine in found.items():
            first = places[label]
            for place in (first, *(k for k, v in ties.items() if v == first)):
                self._follow(place, affine, natural, ties, out, places)
        return out

    def _follow(
        self, place: Place, affine: Affine, natural: dict[str, Array], ties: dict[Place, Place], out: list[Dependent],
        places: Mapping[str, Place],
    ) -> None:  # fmt: skip
        """Put an entry where it belongs: fixed, equal to another one, or a sum of others."""
        constant, terms = affine
        ties.pop(place, None)
        if not terms:
            natural[place[0]][place[1]] = constant
        elif len(terms) == 1 and constant == 0.0 and abs(next(iter(terms.values())) - 1.0) < ZERO:
            ties[place] = places[next(iter(terms))]
        else:
            out.append(Dependent(place, constant, tuple((weight, places[k]) for k, weight in terms.items())))

    def _substituted(
        self, e: Equation, natural: dict[str, Array], ties: dict[Place, Place], places: dict[str, Place],
        labels: dict[Place, str],
    ) -> Equation:  # fmt: skip
        """The equation between free entries, of those that are equal the first."""
        by_name, value, terms = {p.name: p for p in self.parameters}, e.value, dict[str, float]()
        for label, weight in e.terms:
            name, at = _found(label, places)
            self._refuse_absent(label, name, at)
            if not by_name[name].domain.is_linear:
                raise ValueError(
                    f"The equation '{e.text}' names '{label}', which may not take every value "
                    f"({by_name[name].support}): such an entry can be fixed, or held equal to others of its kind, "
                    f"equal=[['{label}', ...]], and stand in no other equation."
                )
            if np.isnan(natural[name][at]):
                first = labels[ties.get((name, at), (name, at))]
                terms[first] = terms.get(first, 0.0) + weight
            else:
                value -= weight * float(natural[name][at])
        largest = max(map(abs, e.weights))
        return Equation(e.text, tuple((k, w) for k, w in terms.items() if abs(w) > ZERO * largest), value)

    def _fixed_words(
        self, natural: dict[str, Array], ties: dict[Place, Place], places: dict[str, Place], some: Sequence[str]
    ) -> str:
        """What is fixed or equal beside contradicting equations of the entries `some`."""
        held = [e for e in self.constraints.linear if {*e.labels} & {*some}] or self.constraints.linear
        known = dict.fromkeys(k for e in held for k in e.labels)
        fixed = {k: float(natural[n][at]) for k in known for n, at in [places[k]] if not np.isnan(natural[n][at])}
        equal = [" = ".join(g) for g in self.constraints.equal if {*g} & {*known, *some}]
        words = [*(f"{k} = {x:g}" for k, x in fixed.items()), *equal]
        return f" (beside {', '.join(words)})" if words else ""

    def _alike(self) -> Iterator[list[Place]]:
        """The entries that parameters say are the same over a dim, but for those that no item has."""
        for p in self.parameters:
            shape, absent = self.shape(p), self.absent.get(p.name)
            for some in p.alike:
                axis, where = p.dims.index(some.over), dict(some.positions)
                chosen = [[where[d]] if d in where else range(n) for d, n in zip(p.dims, shape, strict=True)]
                chosen[axis] = [0]
                for first in product(*chosen):
                    if absent is None or not absent[first]:
                        yield [(p.name, (*first[:axis], k, *first[axis + 1 :])) for k in range(shape[axis])]

    def places(self) -> dict[str, Place]:
        """Every entry by its label."""
        out: dict[str, Place] = {}
        for p in self.parameters:
            out |= {canonical(self._entry(p, at)): (p.name, at) for at in np.ndindex(self.shape(p))}
        return out

    def _refuse_absent(self, label: str, name: str, at: tuple[int, ...]) -> None:
        if name in self.absent and self.absent[name][at]:
            raise ValueError(f"A constraint names '{label}', but the data have no such category of this item.")

    def _check_ties(self) -> None:
        """Refuse entries that one place of theta does not make equal: of an order that differs, of other supports.

        Raises
        ------
        ValueError
            The two entries.
        """
        raw = self.unpack_raw(np.random.default_rng(0).uniform(0.2, 0.8, self.size))
        values = {p.name: p.domain.forward(raw[p.name]) for p in self.parameters}
        by_name = {p.name: p for p in self.parameters}
        for (name, at), (first, where) in self.ties:
            if abs(values[name][at] - values[first][where]) > SAME:
                one, other = (self._entry(by_name[n], k) for n, k in ((first, where), (name, at)))
                raise ValueError(
                    f"'{one}' and '{other}' cannot be held equal by themselves: of thresholds those before them must "
                    "be equal too, and of others the supports the same. Add these to equal=, or leave them free."
                )

    def shape(self, parameter: Parameter) -> tuple[int, ...]:
        """Sizes of the parameter's dims."""
        return tuple(len(self.coords[d]) for d in parameter.dims)

    @property
    def size(self) -> int:
        """Number of free parameters."""
        return sum(int(own.sum()) for own in self.own.values())

    @property
    def followers(self) -> list[Dependent]:
        """Entries that free ones say: those held equal to one, and those that follow by equations."""
        return [*(Dependent(place, 0.0, ((1.0, first),)) for place, first in self.ties), *self.linear]

    def names(self) -> list[str]:
        """One label per entry of theta, e.g. ``logit[A, 2, 1]`` (item A, category 2, class 1)."""
        labels = [""] * self.size
        for p in self.parameters:
            for position in map(tuple, np.argwhere(self.own[p.name])):
                labels[self.index[p.name][position]] = self._entry(p, position)
        return labels

    def unpack_raw(self, theta: Array) -> dict[str, Array]:
        """Unconstrained values of every parameter, fixed entries included; leading axes are carried along."""
        padded = np.concatenate([theta, np.zeros((*np.shape(theta)[:-1], 1))], axis=-1)  # -1 reads the zero at the end
        out = {name: np.where(i >= 0, padded[..., i], self.fixed[name]) for name, i in self.index.items()}
        for name, weights in self.weights.items():
            out[name] = out[name] + (theta @ weights).reshape(out[name].shape)
        return out

    def pack(self, values: Mapping[str, Array], lead: tuple[int, ...] = ()) -> Array:
        """Natural values to theta; of several points, stacked along leading axes `lead` of every value, to each.

        Entries that are fixed may be missing (NaN); their values must be those they are fixed at.

        Raises
        ------
        ValueError
            A parameter is missing or unknown, has another shape, lies outside its support, or has another value at
            a fixed entry.
        """
        values = self.with_fixed(values)
        self._check_names(values)
        theta = np.zeros((*lead, self.size))
        for p in self.parameters:
            value, i = np.asarray(values[p.name], dtype=float), self.index[p.name]
            if value.shape != (*lead, *i.shape):
                raise ValueError(
                    f"Parameter '{p.name}' came with shape {value.shape}, expected {(*lead, *i.shape)} = "
                    f"({', '.join(p.dims)}): give its dims in this order, and data with as many categories and "
                    "levels."
                )
            with np.errstate(all="ignore"):
                raw = p.domain.inverse(value)
            free = i >= 0
            if (off := ~np.isfinite(raw[..., free])).any():
                raise ValueError(
                    f"Parameter '{p.name}' came with a value outside its support ({p.support}): "
                    f"{value[..., free][off][:3]}. Give finite values inside it."
                )
            theta[..., i[free]] = raw[..., free]
            self.check_fixed(p, value)
            self._check_absent(p, value, raw)
        self._check_equal(values)
        return theta

    def with_fixed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values with those of parameters without a free entry, such as an offset's one, where these are left out."""
        whole = {p.name for p in self.parameters if p.name not in values and (self.index[p.name] < 0).all()}
        return {**values, **{k: self.held[k] for k in whole if not np.isnan(self.held[k]).any()}}

    def near(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Natural values as the constraints have them: the nearest ones, by least squares.

        What is fixed comes at its value, what is held equal at its mean.
        """
        out = {k: np.array(x, dtype=float) for k, x in values.items()}
        if not self.constraints and not self.ties:
            return out
        for name, held in self.held.items():
            out[name] = np.where(np.isnan(held), out[name], held)
        groups: dict[Place, list[Place]] = {}
        for place, first in self.ties:
            groups.setdefault(first, [first]).append(place)
        for some in groups.values():
            mean = np.mean([out[name][(..., *at)] for name, at in some], axis=0)
            for name, at in some:
                out[name][(..., *at)] = mean
        return self._on_equations(out, groups) if self.linear else out

    def _on_equations(self, values: dict[str, Array], groups: Mapping[Place, Sequence[Place]]) -> dict[str, Array]:
        """The nearest natural values on which the equations hold; those in `groups` are equal already."""
        free = list(dict.fromkeys(place for d in self.linear for _, place in d.terms))
        rows = [Dependent(place, 0.0, ((1.0, first),)) for first in free for place in groups.get(first, [first])]
        rows += self.linear
        a = np.zeros((len(rows), len(free)))
        for k, (_, _, terms) in enumerate(rows):
            for weight, place in terms:
                a[k, free.index(place)] = weight
        constants = np.array([constant for _, constant, _ in rows])
        given = np.stack([values[name][(..., *at)] for (name, at), _, _ in rows], axis=-1)
        found = (given - constants) @ np.linalg.pinv(a).T @ a.T + constants
        for k, ((name, at), _, _) in enumerate(rows):
            values[name][(..., *at)] = found[..., k]
        return values

    def _check_equal(self, values: Mapping[str, Array]) -> None:
        """Refuse other values at entries that are held equal, or follow from others."""
        by_name = {p.name: p for p in self.parameters}
        for (name, at), (first, where) in self.ties:
            one, other = (np.asarray(values[n], dtype=float)[(..., *k)] for n, k in ((first, where), (name, at)))
            if _differ(other, one).any():
                words = [self._entry(by_name[n], k) for n, k in ((first, where), (name, at))]
                raise ValueError(
                    f"{words[0]} and {words[1]} came as {np.ravel(one)[0]:g} and {np.ravel(other)[0]:g}, but the model "
                    "holds them equal: give one value for both."
                )
        for (name, at), constant, terms in self.linear:
            given = np.asarray(values[name], dtype=float)[(..., *at)]
            each = [weight * np.asarray(values[n], dtype=float)[(..., *k)] for weight, (n, k) in terms]
            wanted = constant + np.sum(each, axis=0)
            if (off := _differ(given, wanted)).any():
                sides = [self._entry(by_name[n], k) for _, (n, k) in terms]
                raise ValueError(
                    f"{self._entry(by_name[name], at)} came as {given[off].ravel()[0]:g}, but by the equations of the "
                    f"model it is {wanted[off].ravel()[0]:g} with {', '.join(sides)} as they came: give values for "
                    "which the equations hold."
                )

    def _check_names(self, values: Mapping[str, Array]) -> None:
        known = [p.name for p in self.parameters]
        if unknown := [str(k) for k in values if k not in known]:
            near = nearest(unknown[0], known)
            hint = f"did you mean '{near}'?" if near else "leave it out."
            raise ValueError(
                f"'{unknown[0]}' is no parameter of this model, which has {', '.join(known) or 'none'}: {hint}"
            )
        if missing := [k for k in known if k not in values]:
            raise ValueError(
                f"No value for the parameter '{missing[0]}'; the model has {', '.join(known)}: give each of them."
            )

    def check_fixed(self, p: Parameter, value: Array) -> None:
        """Refuse other values at fixed entries, which would be ignored.

        Raises
        ------
        ValueError
            The entry, its value, and that at which it is fixed.
        """
        held = self.held[p.name]
        there = np.ones(held.shape, dtype=bool) if p.name not in self.absent else ~self.absent[p.name]
        off = there & _differ(value, held)
        if off.any():
            position = tuple(np.argwhere(off)[0])
            own = position[value.ndim - held.ndim :]
            raise ValueError(
                f"{self._entry(p, own)} came as {value[position]:g}, but is fixed at {held[own]:g}, as a "
                "reference or by the model: give that value (for logits subtract the reference's from the others), or "
                "NaN."
            )

    def _check_absent(self, p: Parameter, value: Array, raw: Array) -> None:
        """Refuse values of categories that no row of the data has: the codes of the others would be shifted."""
        if p.name not in self.absent:
            return
        gone = self.absent[p.name]
        with np.errstate(all="ignore"):
            expected = p.domain.forward(np.where(gone, 0.0, raw))
        off = gone & _differ(value, expected)
        if off.any():
            position = tuple(np.argwhere(off)[0])
            own = position[value.ndim - gone.ndim :]
            raise ValueError(
                f"{self._entry(p, own)} came as {value[position]:g}, but the data have no such category of this "
                "item, so that it is not known which of its categories they have: declare all of them, pd.Categorical"
                "(..., categories=[...]), or give the parameters as fit.params, which know them."
            )

    def _entry(self, p: Parameter, position: tuple[int, ...]) -> str:
        inside = ", ".join(str(self.coords[d][i]) for d, i in zip(p.dims, position, strict=True))
        return f"{p.name}[{inside}]" if inside else p.name


def _joined(groups: Iterable[list[Place]]) -> list[set[Place]]:
    """Groups of entries without one in common: those that have are one."""
    of: dict[Place, set[Place]] = {}
    for group in groups:
        whole = set(group).union(*(of[place] for place in group if place in of))
        of |= dict.fromkeys(whole, whole)
    return [*{id(whole): whole for whole in of.values()}.values()]


def _found(label: str, places: Mapping[str, Place]) -> Place:
    """Look an entry up by its label.

    Raises
    ------
    ValueError
        There is none, and which is nearest.
    """
    if label not in places:
        near = nearest(label, places)
        own = [k for k in places if name_of(k) == name_of(label)]
        hint = f"did you mean '{near}'?" if near else f"entries are such as '{(own or [*places])[0]}'."
        raise ValueError(f"A constraint names '{label}', which is no entry of this model with these data: {hint}")
    return places[label]


def _never(e: Equation, besides: Callable[[Sequence[str]], str]) -> bool:
    """Refuse an equation without a free entry that does not hold; of one that does there is no need.

    Raises
    ------
    ValueError
        The equation, and the values of its entries.
    """
    if abs(e.value) > SAME:
        raise ValueError(f"The equation '{e.text}' cannot hold{besides(())}: change it, or leave it out.")
    return False


def _differ(value: Array, expected: Array) -> NDArray[np.bool_]:
    """Where values are others than those expected; not where one of the two is missing."""
    return np.abs(np.nan_to_num(value - expected)) > SAME * (1 + np.abs(np.nan_to_num(expected)))
