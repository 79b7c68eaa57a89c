"""Centred, orthonormal covariates inside, the user's scale outside.

A search works on columns z of mean 0 and SD 1 that are uncorrelated with each other: where a covariate lies, and in
which unit it came, is then nothing to it. With T the columns of a design matrix, B those that stand beside them in the
predictor (the constant; the covariates of an interaction),

    T = Z R + B A        and so        T b = Z (R b) + B (A b):

the slopes inside are R b, and A b moves into the parameters of B. A :class:`Recoding` takes parameters from one scale
to the other, exactly. A column is centred only where the model says the same afterwards: where the intercept varies
over all that the slope varies over, and random coefficients have the covariances that another origin brings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec import Covariates, Effect, Model, Predictor, Term, on_residuals
from bayesmix.spec.parameters import Named, Packing, Parameter
from bayesmix.typing import Array

Values = dict[str, Array]
LATENT = "latent:"
"""Begins the name of what a design matrix gains for each unit of a covariate that misses."""
CONSTANT = ""
"""Stands for the constant among the columns beside a design matrix."""
DEPENDENT = 1e-9
"""A column of which this share of its SD is left, the others taken out, is a combination of them."""
ROUNDING = 1e-13
"""An SD that is this share of its mean is the rounding of a constant."""


@dataclass(frozen=True)
class Absorber:
    """A parameter that takes over what centring takes out of a term.

    Attributes
    ----------
    parameter : Parameter
        Real or ordered: an intercept, thresholds, or the slopes of another design matrix.
    dims : tuple of str
        Its dims by their names in the predictor.
    sign : float
        -1 for thresholds, from which the predictor is subtracted.
    covariates : str
        The design matrix whose slopes it holds, CONSTANT for an intercept.
    """

    parameter: Parameter
    dims: tuple[str, ...] = ()
    sign: float = 1.0
    covariates: str = CONSTANT


@dataclass(frozen=True)
class Absorbed:
    """Slopes whose columns are centred, and where the rest goes.

    Attributes
    ----------
    term : Term
    by : tuple of Absorber
        One for each group of columns beside the matrix that are taken out of it.
    """

    term: Term
    by: tuple[Absorber, ...]


@dataclass(frozen=True)
class Columns:
    """How the columns inside are made of the user's: Z = (T - sum_B B A) R^-1.

    Attributes
    ----------
    root : array (column, column)
        R, upper triangular.
    beside : dict of str to array (column of B, column)
        A by the design matrix of B; CONSTANT for the constant.
    """

    root: Array
    beside: Mapping[str, Array] = field(default_factory=dict)

    @property
    def center(self) -> Array:
        """What the constant takes out of each column."""
        return self.beside[CONSTANT][0] if CONSTANT in self.beside else np.zeros(len(self.root))


@dataclass(frozen=True)
class Turn:
    """Random coefficients of centred columns: u_inside = M u, M the identity but for intercept and slopes.

    Attributes
    ----------
    effects : tuple of Effect
        All effects of clusters with an SD, in the order in which they depend on each other.
    matrix : array (effect, effect)
        M.
    """

    effects: tuple[Effect, ...]
    matrix: Array


@dataclass(frozen=True)
class Recoding:
    """Parameters from the scale inside to the user's and back.

    Attributes
    ----------
    columns : dict of str to Columns
        Of each design matrix that is recoded.
    absorbed : tuple of Absorbed
        Terms without effects, interactions before what they are made of.
    shifted : tuple of (Effect, tuple of Term)
        Effects whose mean has centred covariates or loads on one that has, with those terms.
    loadings : tuple of (Term, Absorber)
        Terms that multiply a shifted effect, and the intercepts beside them.
    turn : Turn, optional
        Of random coefficients.
    slopes : tuple of Term
        Terms whose slopes are in other units inside, one a parameter.
    """

    columns: Mapping[str, Columns] = field(default_factory=dict)
    absorbed: tuple[Absorbed, ...] = ()
    shifted: tuple[tuple[Effect, tuple[Term, ...]], ...] = ()
    loadings: tuple[tuple[Term, Absorber], ...] = ()
    turn: Turn | None = None
    slopes: tuple[Term, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether both scales are the same."""
        return not (self.columns or self.turn)

    @property
    def moves(self) -> set[str]:
        """The names of parameters that are other numbers inside."""
        used = [t.parameter for t in self.slopes] + [b.parameter for a in self.absorbed for b in a.by]
        used += [b.parameter for _, b in self.loadings]
        turned = [t.parameter for e in (self.turn.effects if self.turn else ()) for t in e.terms]
        return {p.name for p in (*used, *turned)}

    def to_user(self, values: Mapping[str, Array]) -> Values:
        """Natural parameters on the user's scale; leading axes are carried along."""
        out = dict(values)
        if self.is_identity:
            return out
        for t in self.slopes:
            out[t.parameter.name] = self._rescaled(out[t.parameter.name], t, back=True)
        moves = [move for a in self.absorbed for move in self._moved(out, a)]
        for name, change in [*moves, *self._of_loadings(out, self.shifts(out))]:
            out[name] = out[name] - change
        return out if self.turn is None else out | _turned(self.turn, out, np.linalg.inv(self.turn.matrix))

    def to_inside(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Natural parameters on the scale inside; leading axes are carried along.

        Where columns are centred alone (:meth:`centred`), the values may be PyTensor's tensors.
        """
        out = dict(values)
        if self.is_identity:
            return out
        if self.turn is not None:
            out |= _turned(self.turn, out, self.turn.matrix)
        for a in self.absorbed:  # interactions first: what they leave changes slopes that come after them
            for name, change in self._moved(out, a):
                out[name] = out[name] + change
        for name, change in self._of_loadings(out, self.shifts(out)):
            out[name] = out[name] + change
        for t in self.slopes:
            out[t.parameter.name] = self._rescaled(out[t.parameter.name], t, back=False)
        return out

    def centred(self) -> Recoding:
        """The same with columns that are centred, in the user's units."""
        columns = {k: Columns(np.eye(len(c.root)), c.beside) for k, c in self.columns.items() if c.beside}
        shifted = tuple(
            (e, tuple(t for t in some if not t.covariates or t.covariates.name in columns)) for e, some in self.shifted
        )
        return Recoding(columns, self.absorbed, shifted, self.loadings)

    def shifts(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The number to be added to each shifted effect for the user's scale; `values` have the user's slopes."""
        out: dict[str, Array] = {}
        for e, some in self.shifted:
            out[e.name] = sum(
                (self._part(values, t) if t.covariates else _on_effects(values, t, out) for t in some), np.zeros(())
            )
        return out

    def _part(self, values: Mapping[str, Array], t: Term) -> Array:
        """Slopes times the centre of their columns."""
        assert t.covariates is not None
        x = _last(values[t.parameter.name], t.parameter.dims.index(t.covariates.name) - len(t.parameter.dims))
        return x @ self.columns[t.covariates.name].center

    def _rescaled(self, x: Array, t: Term, back: bool) -> Array:
        assert t.covariates is not None
        root = self.columns[t.covariates.name].root
        axis = t.parameter.dims.index(t.covariates.name) - len(t.parameter.dims)
        rows = np.moveaxis(x, axis, -1)
        rows = np.linalg.solve(root, rows[..., None])[..., 0] if back else rows @ root.T
        return np.moveaxis(rows, -1, axis)

    def _moved(self, values: Mapping[str, Array], a: Absorbed) -> Iterator[tuple[str, Array]]:
        """Each absorber's name and what it has more inside than on the user's scale: A b."""
        t = a.term
        assert t.covariates is not None
        dims, slopes = t.parameter.dims, values[t.parameter.name]
        axis = dims.index(t.covariates.name) - len(dims)
        rest = tuple(d for d in t.dims if d != t.covariates.name)
        for by in a.by:
            part = _last(slopes, axis) @ self.columns[t.covariates.name].beside[by.covariates].T
            named = (*rest, by.covariates) if by.covariates else rest
            yield by.parameter.name, by.sign * _aligned(part if by.covariates else part[..., 0], named, by.dims)

    def _of_loadings(self, values: Mapping[str, Array], shifts: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """Loadings times the shifts of their effects, for the intercepts beside them."""
        for t, by in self.loadings:
            dims = tuple(d for d in t.dims if d != t.effect_dim)
            yield by.parameter.name, by.sign * _aligned(_on_effects(values, t, shifts), dims, by.dims)

    def effects_to_user(self, effects: Mapping[str, object], values: Mapping[str, Array]) -> dict:
        """Effects at nodes or draws (anything that adds and multiplies, such as xarray's) on the user's scale.

        Parameters
        ----------
        effects : mapping of str to array
            By name, on the scale inside.
        values : mapping of str to array
            Natural parameters on the user's scale.
        """
        out: dict = dict(effects)
        if self.turn is not None:
            back, names = np.linalg.inv(self.turn.matrix), [e.name for e in self.turn.effects]
            for k, name in enumerate(names):
                each = [back[k, j] * effects[other] for j, other in enumerate(names) if back[k, j] and other in effects]
                out[name] = sum(each[1:], each[0]) if each else effects[name]
        return out | {name: out[name] + float(shift) for name, shift in self.shifts(values).items()}


def _aligned(x: Any, dims: Sequence[str], to: Sequence[str]) -> Any:
    """The array, its last axes named by `dims`, with axes of one where `to` has others: leading axes stay."""
    lead = x.ndim - len(dims)
    order = [*range(lead), *(lead + list(dims).index(d) for d in to if d in dims)]
    x = x.transpose(order) if order else x
    return x[(*[slice(None)] * lead, *(slice(None) if d in dims else None for d in to))]


def _last(x: Any, axis: int) -> Any:
    """An array or tensor with an axis, counted from its end, moved there."""
    order = [k for k in range(x.ndim) if k != x.ndim + axis]
    return x.transpose([*order, x.ndim + axis])


def _on_effects(values: Mapping[str, Array], t: Term, shifts: Mapping[str, Array]) -> Array:
    """A term's loadings times what is added to its effects."""
    x, dims = values[t.parameter.name], t.parameter.dims
    if t.effect_dim not in dims:
        return x * _wide(shifts.get(t.effects[0], np.zeros(())), x)
    x = _last(x, dims.index(t.effect_dim) - len(dims))
    each = [x[..., k] * _wide(shifts[e], x[..., k]) for k, e in enumerate(t.effects) if e in shifts]
    return cast(Any, sum(each[1:], each[0]) if each else 0.0 * x[..., 0])


def _wide(shift: Array, like: Array) -> Array:
    """A number for each leading axis, to be multiplied with an array that has the same leading axes."""
    return shift[(..., *[None] * (like.ndim - shift.ndim))] if shift.ndim else shift


# random coefficients ------------------------------------------------------------------------------


def _turned(turn: Turn, values: Mapping[str, Array], matrix: Array) -> Values:
    """SDs and regressions of the effects `matrix` u, each regressed on those before it.

    By an LQ decomposition of their loadings on standard normal effects, not by their covariance matrix: with the
    origin far away the variances left over would be differences of large numbers.
    """
    names = [e.name for e in turn.effects]
    lead = np.broadcast_shapes(*(_lead(values, e) for e in turn.effects))
    n, out = len(names), {}
    paths, sds = np.zeros((*lead, n, n)), np.zeros((*lead, n))
    for k, e in enumerate(turn.effects):
        sds[..., k] = values[_sd(e).name]
        for t in _regressions(e, names):
            paths[..., k, [names.index(q) for q in t.effects]] = _coefficients(values, t)
    before = np.linalg.inv(np.eye(n) - paths)
    triangle = np.linalg.qr(np.swapaxes(matrix @ before * sds[..., None, :], -1, -2))[1]
    lower = np.swapaxes(triangle, -1, -2)
    for k, e in enumerate(turn.effects):
        out[_sd(e).name] = np.abs(lower[..., k, k])
        for t in _regressions(e, names):
            on = lower[..., k, None, :k] @ np.linalg.pinv(lower[..., :k, :k])
            own = on[..., 0, [names.index(q) for q in t.effects]]
            out[t.parameter.name] = own if t.effect_dim in t.parameter.dims else own[..., 0]
    return out


def _sd(e: Effect) -> Parameter:
    assert e.sd is not None
    return e.sd.parameter


def _lead(values: Mapping[str, Array], e: Effect) -> tuple[int, ...]:
    return np.shape(values[_sd(e).name])


def _regressions(e: Effect, names: Sequence[str]) -> list[Term]:
    """The terms of an effect's mean that are regressions on others of `names`."""
    return [t for t in e.mean if t.effects and t.covariates is None and set(t.effects) <= {*names}]


def _coefficients(values: Mapping[str, Array], t: Term) -> Array:
    x = values[t.parameter.name]
    return x if t.effect_dim in t.parameter.dims else x[..., None]


def _closed(turn: Turn, packing: Packing) -> bool:
    """Whether effects turned by M have the structure that is declared: tried at random SDs and regressions."""
    rng = np.random.default_rng(0)
    values = {_sd(e).name: rng.uniform(0.5, 2.0, packing.shape(_sd(e))) for e in turn.effects}
    names = [e.name for e in turn.effects]
    for t in (t for e in turn.effects for t in _regressions(e, names)):
        values[t.parameter.name] = rng.normal(size=packing.shape(t.parameter))
    back = _turned(turn, _turned(turn, values, turn.matrix) | {}, np.linalg.inv(turn.matrix))
    return all(np.allclose(back[k], values[k], rtol=1e-6) for k in values)


# which columns are recoded, and how ---------------------------------------------------------------


def recoded(
    model: Model, matrices: Mapping[str, Named], weights: Mapping[str, Array], packing: Packing, owner: Array | None
) -> tuple[dict[str, Named], Recoding]:
    """Design matrices as a search has them, and the way back to the user's scale.

    Parameters
    ----------
    model : Model
    matrices : mapping of str to Named
        The user's columns by design matrix, (individual or cluster, column), and what they gain for each unit of a
        covariate that misses (:func:`latent_key`).
    weights : mapping of str to array
        By level: how many individuals each pattern stands for; ones for clusters.
    packing : Packing
        Which entries of parameters are free.
    owner : array of int, optional
        The cluster of each pattern.
    """
    inside, recoding = _recoded(model, matrices, weights, packing, owner)
    if model.constraints.parameters & recoding.moves:  # fixed and equal on the user's scale would be neither inside
        return dict(matrices), Recoding()
    return inside, recoding


def _recoded(
    model: Model, matrices: Mapping[str, Named], weights: Mapping[str, Array], packing: Packing, owner: Array | None
) -> tuple[dict[str, Named], Recoding]:
    """Recode as if nothing was fixed or held equal by the user."""
    uses, plan = _uses(model), _Plan(model, packing)
    columns: dict[str, Columns] = {}
    absorbed, shifted_by, turns = [], [], []
    # slopes that matrices of several occasions share have one unit: these stay as they are
    ordered = sorted((c for c in model.covariates if not (c.occasion or c.rows)), key=lambda c: c.times is None)
    for c in ordered:
        terms = uses[c.name]
        if not terms:
            continue
        if any(t.effects for _, t in terms):
            turns += [(c, where, t) for where, t in terms]
            continue
        if not c.offset and not all(plan.may_scale(t) for _, t in terms):
            continue
        each = [plan.absorbers(where, t, columns) for where, t in terms]
        common = set.intersection(*({b.covariates for b in some or ()} for some in each)) if each else set()
        made = _columns(c, common, matrices, weights, owner)
        if made is None:
            continue
        columns[c.name] = made
        for (where, t), some in zip(terms, each, strict=True):
            kept = tuple(b for b in some or () if b.covariates in made.beside)
            if where.kind == "effect" and not any(b.parameter != t.parameter for b in kept):
                shifted_by += [(where.name, t)] * bool(made.beside)
            elif kept := _not_yet(t, kept, absorbed):
                absorbed.append(Absorbed(t, kept))
    slopes = tuple({t.parameter.name: t for c in columns for _, t in uses[c] if not _is_offset(t)}.values())
    chained, loadings = plan.shifted({name for name, _ in shifted_by}, columns)
    inside = {k: _inside(k, columns, matrices, owner) for k in matrices}
    recoding = Recoding(columns, tuple(absorbed), chained, loadings, None, slopes)
    for c, where, t in turns:
        at = _columns_of(model, where, t)
        recoding, inside[c.name], scale = _with_turn(recoding, model, c, t, at, inside[c.name], weights, packing)
        inside |= {k: Named(x.dims, x.values / scale) for k, x in inside.items() if of_latent(k) == c.name}
    return inside, recoding


def latent_key(matrix: str, covariate: str) -> str:
    """The name of what a design matrix gains for each unit of a covariate."""
    return f"{LATENT}{matrix}:{covariate}"


def of_latent(name: str) -> str | None:
    """The design matrix of which an array is what it gains for a covariate; None where it is none."""
    return name.removeprefix(LATENT).rpartition(":")[0] if name.startswith(LATENT) else None


def _not_yet(t: Term, by: Sequence[Absorber], absorbed: Sequence[Absorbed]) -> tuple[Absorber, ...]:
    """The absorbers that no term with the same slopes has yet.

    Slopes that several predictors share move the intercept of each; an intercept that they share too moves once.
    """
    taken = {b.parameter for a in absorbed if a.term.parameter == t.parameter for b in a.by}
    return tuple(b for b in by if b.parameter not in taken)


@dataclass(frozen=True)
class _Where:
    """A predictor: of which class, effect or response."""

    kind: str
    name: str


def _predictors(model: Model) -> Iterator[tuple[_Where, Predictor]]:
    for c in model.classes:
        yield _Where("class", c.name), c.predictor
    for e in model.effects:
        yield _Where("effect", e.name), e.mean
    for r in model.responses:
        yield _Where("response", r.name), r.predictor
        yield from ((_Where("further", r.name), some) for some in r.further_predictors)


def _uses(model: Model) -> dict[str, list[tuple[_Where, Term]]]:
    out: dict[str, list[tuple[_Where, Term]]] = {c.key: [] for c in model.covariates}
    for where, predictor in _predictors(model):
        for t in predictor:
            if t.covariates is not None:
                out[t.covariates.key].append((where, t))
    return out


@dataclass(frozen=True)
class _Plan:
    """What a model's predictors can take over, by its declaration and its free entries."""

    model: Model
    packing: Packing

    def may_scale(self, t: Term) -> bool:
        """Whether the slopes of all columns are free together, or fixed at zero together."""
        assert t.covariates is not None
        if not t.parameter.domain.is_linear:
            return False
        free = np.moveaxis(self._free(t.parameter), t.parameter.dims.index(t.covariates.name), -1)
        zero = (self.packing.fixed[t.parameter.name] == 0).all()
        return bool(zero and (free.all(axis=-1) | ~free.any(axis=-1)).all())

    def _free(self, p: Parameter) -> NDArray[np.bool_]:
        return self.packing.estimated[p.name]

    def absorbers(self, where: _Where, t: Term, known: Mapping[str, Columns]) -> tuple[Absorber, ...]:
        """The parameters that can take over what is taken out of the columns of a term; none where there is none."""
        assert t.covariates is not None
        rest = tuple(d for d in t.dims if d != t.covariates.name)
        nonzero = self._free(t.parameter) | (self.packing.fixed[t.parameter.name] != 0)  # of an offset: fixed at one
        possible = nonzero.any(axis=t.parameter.dims.index(t.covariates.name))
        if where.kind == "effect":  # slopes by class would shift the effect in each class by another number
            if (own := self._intercept(where, rest, possible, self._shared(t))) is not None:
                return (own,)
            number = len(t.dims) == 1 and self._reaches(where.name)
            return (Absorber(t.parameter, t.dims),) if number else ()
        out = []
        if (by := self._intercept(where, rest, possible, self._shared(t))) is not None:
            out.append(by)
        if t.covariates.times:
            out += self._main_effects(where, t, rest, possible)
        return tuple(out)

    def _shared(self, t: Term) -> frozenset[_Where]:
        """The predictors in which a parameter stands."""
        return frozenset(w for w, some in _predictors(self.model) if any(s.parameter == t.parameter for s in some))

    def _intercept(
        self, where: _Where, dims: Sequence[str], possible: NDArray[np.bool_], shared: Iterable[_Where]
    ) -> Absorber | None:
        """The intercept of a predictor that varies over all of `dims`, free wherever the slopes are."""
        for t, sign in self._intercepts(where):
            if not set(dims) <= set(t.dims) or self._shared(t) - {*shared}:
                continue
            if any(some.over in dims for some in t.parameter.alike):  # what is the same over a dim stays so
                continue
            free = t.parameter.domain.shiftable(self._free(t.parameter))
            if (_aligned(possible, dims, t.dims) & ~free).any():
                continue
            return Absorber(t.parameter, t.dims, sign)
        return None

    def _intercepts(self, where: _Where) -> Iterator[tuple[Term, float]]:
        predictor = next(some for w, some in _predictors(self.model) if w == where)
        yield from ((t, 1.0) for t in predictor if not (t.effects or t.covariates) and t.parameter.domain.is_linear)
        for r in (r for r in self.model.responses if where == _Where("response", r.name)):
            for name, t in zip(r.family.auxiliary, r.auxiliary, strict=True):
                if name == "threshold" and not (t.effects or t.covariates):
                    yield t, -1.0

    def _main_effects(self, where: _Where, t: Term, dims: Sequence[str], possible) -> Iterator[Absorber]:
        """The slopes of the two covariates of an interaction of levels, w_j x_ij, where they stand beside it."""
        own = t.covariates
        assert own is not None
        predictor = next(some for w, some in _predictors(self.model) if w == where)
        for s in (s for s in predictor if s.covariates is not None and not s.effects and s is not t):
            c = s.covariates
            assert c is not None
            same = c.formula == own.formula and c.level == "cluster" and c.times is None
            of_x = c.level == "individual" and c.times is None and own.times in (c.only or ())
            rest = tuple(d for d in s.dims if d != c.name)
            if not (same or of_x) or not set(dims) <= set(rest) or self._shared(s) != self._shared(t):
                continue
            free = self._free(s.parameter).all(axis=s.parameter.dims.index(c.name))
            if not (_aligned(possible, dims, rest) & ~free).any():
                yield Absorber(s.parameter, s.dims, covariates=c.name)

    def _reaches(self, effect: str) -> bool:
        """Whether all that an effect's shift moves has intercepts that take it over."""
        try:
            self._chain({effect})
        except _Stuck:
            return False
        return True

    def shifted(
        self, effects: set[str], columns: Mapping[str, Columns]
    ) -> tuple[tuple[tuple[Effect, tuple[Term, ...]], ...], tuple[tuple[Term, Absorber], ...]]:
        """Shifted effects with the terms that shift them, and the loadings that pass it on to intercepts."""
        names, loadings = self._chain(effects)
        factors = {e.name for e in self.model.effects if e.standard}
        chained = []
        for e in (e for e in self.model.effects if e.name in names):
            moving = [
                t
                for t in e.mean
                if (t.covariates is not None and t.covariates.name in columns)
                or (t.covariates is None and set(t.effects) & names and not on_residuals(e, t, factors))
            ]
            chained.append((e, tuple(moving)))
        return tuple(chained), tuple(loadings)

    def _chain(self, effects: set[str]) -> tuple[set[str], list[tuple[Term, Absorber]]]:
        """All effects that are shifted with some, and the terms that multiply one of them with their intercepts.

        Raises
        ------
        _Stuck
            Nothing can take the shift over.
        """
        names, factors = set(effects), {e.name for e in self.model.effects if e.standard}
        for e in self.model.effects:
            for t in e.mean:
                if set(t.effects) & names and not on_residuals(e, t, factors):
                    if t.covariates is not None or set(t.dims) - {t.effect_dim}:
                        raise _Stuck
                    names.add(e.name)
            if e.sd is not None and set(e.sd.effects) & names:
                raise _Stuck
        if any(set(t.effects) & names for r in self.model.responses for t in r.auxiliary):
            raise _Stuck
        loadings = []
        for where, predictor in _predictors(self.model):
            for t in (t for t in predictor if set(t.effects) & names and where.kind in ("class", "response")):
                dims = tuple(d for d in t.dims if d != t.effect_dim)
                nonzero = self._free(t.parameter) | (self.packing.fixed[t.parameter.name] != 0)
                if t.effect_dim in t.parameter.dims:
                    nonzero = nonzero.any(axis=t.parameter.dims.index(t.effect_dim))
                by = self._intercept(where, dims, nonzero, {where})
                if t.covariates is not None or by is None:
                    raise _Stuck
                loadings.append((t, by))
        return names, loadings


def _is_offset(t: Term) -> bool:
    """Whether a term is an offset."""
    return t.covariates is not None and t.covariates.offset


class _Stuck(Exception):
    """A shift that nothing can take over."""


def _columns(
    c: Covariates,
    beside: set[str],
    matrices: Mapping[str, Named],
    weights: Mapping[str, Array],
    owner: Array | None,
) -> Columns | None:
    """R and A of a design matrix; None where its columns do not differ enough to be scaled."""
    x, w = matrices[c.name].values, weights[c.level]
    if not x.size or not (w > 0).any():
        return None
    if c.offset:  # moved, never scaled: its coefficient is one
        return Columns(np.eye(x.shape[1]), {CONSTANT: (w @ x / w.sum())[None, :]}) if CONSTANT in beside else None
    share = np.sqrt(w / w.sum())[:, None]
    others = [CONSTANT, *sorted(beside - {CONSTANT})] if CONSTANT in beside else []
    taken: dict[str, Array] = {}
    if others:
        each = {k: _of(k, matrices, len(x), owner, c.level) for k in others}
        b = np.concatenate(list(each.values()), axis=1)
        a = _least_squares(b, x, w)
        taken = dict(zip(each, np.split(a, np.cumsum([y.shape[1] for y in each.values()])[:-1]), strict=True))
        x = x - b @ a
    spread = share * (x - (w @ x) / w.sum())
    size = np.sqrt((spread**2).sum(axis=0))
    first = share * (matrices[c.name].values - (w @ matrices[c.name].values) / w.sum())
    if (size <= DEPENDENT * np.sqrt((first**2).sum(axis=0))).any() or (size == 0).any():
        return None
    if not others:  # not centred: each column keeps its own slope
        return Columns(np.diag(size))
    triangle = np.linalg.qr(spread / size)[1]
    signs = np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    if len(triangle) < len(size) or (np.abs(np.diagonal(triangle)) < DEPENDENT).any():
        return None
    return Columns(signs[:, None] * triangle * size, taken)


def _least_squares(b: Array, x: Array, w: Array) -> Array:
    """Weighted regression of x on b, whose first column is the constant; centred and scaled for its digits."""
    center, rest = (w @ x) / w.sum(), b[:, 1:]
    if not rest.shape[1]:
        return center[None, :]
    mean = (w @ rest) / w.sum()
    sd = np.sqrt(w @ (rest - mean) ** 2 / w.sum())
    # what is constant in these rows, such as a covariate of clusters in a single cluster, has no slope: not 0 / 0
    sd = np.where(sd > ROUNDING * np.abs(mean), sd, 1.0)
    root = np.sqrt(w)[:, None]
    slopes = np.linalg.lstsq(root * (rest - mean) / sd, root * (x - center), rcond=1e-10)[0] / sd[:, None]
    return np.concatenate([center[None, :] - mean @ slopes, slopes])


def _of(name: str, matrices: Mapping[str, Named], n: int, owner: Array | None, level: str) -> Array:
    """The columns of a design matrix for each row of a matrix of `level`; the constant."""
    if name == CONSTANT:
        return np.ones((n, 1))
    found = matrices[name]
    return found.values[cast(Any, owner)] if found.dims[0] == "cluster" and level == "individual" else found.values


def centred_columns(recoding: Recoding, matrices: Mapping[str, Named], owner: Array | None) -> dict[str, Named]:
    """The user's columns, centred as :meth:`Recoding.centred` says."""
    return {k: _inside(k, recoding.columns, matrices, owner) for k in matrices}


def _inside(name: str, columns: Mapping[str, Columns], matrices: Mapping[str, Named], owner: Array | None) -> Named:
    """The columns of a design matrix as a search has them, or what they gain for a covariate: nothing is constant."""
    found, matrix = matrices[name], of_latent(name) or name
    if matrix not in columns:
        return found
    x, made = found.values, columns[matrix]
    for other, a in made.beside.items():
        beside = other if matrix == name else latent_key(other, name.rpartition(":")[2])
        if matrix == name or beside in matrices:
            x = x - _of(beside, matrices, len(x), owner, found.dims[0]) @ a
    return Named(found.dims, np.linalg.solve(made.root.T, x.T).T)


def _columns_of(model: Model, where: _Where, t: Term) -> list[tuple[int, int]] | None:
    """The outcome and the column of each effect of a term; None where its parameter is more than a choice of them."""
    r = next((r for r in model.responses if where == _Where("response", r.name)), None)
    if t.parameter.domain.is_identity:
        return [(0, k) for k in range(len(t.effects))]
    if r is None or not r.of_outcomes or r.item_dim not in t.parameter.dims:
        return None
    return [(i, k) for _, i, k in r.coefficients(t)]


def _with_turn(
    recoding: Recoding,
    model: Model,
    c: Covariates,
    t: Term,
    columns: Sequence[tuple[int, int]] | None,
    raw: Named,
    weights: Mapping[str, Array],
    packing: Packing,
) -> tuple[Recoding, Named, Any]:
    """Random coefficients on scaled columns, centred where their covariances allow it, of each outcome; the scales."""
    effects = tuple(e for e in model.effects if e.level == "cluster" and e.sd is not None)
    names = [e.name for e in effects]
    plain = all(not (e.sd and (e.sd.covariates or e.sd.effects)) and not e.standard for e in effects)
    uses = [s for _, some in _predictors(model) for s in some if set(s.effects) & {*t.effects}]
    alone = all(s is t or s in [m for e in effects for m in e.mean] for s in uses)
    if columns is None or recoding.turn or not (plain and alone and {*t.effects} <= {*names}):
        return recoding, raw, 1.0
    w, x = weights[c.level], raw.values
    mean = (w @ x) / w.sum()
    sd = np.sqrt(w @ (x - mean) ** 2 / w.sum())
    constant = [k for k, term in enumerate(c.only or ()) if term == "1"]
    varies = [k for k in range(x.shape[1]) if k not in constant]
    if not varies or (sd[varies] <= 0).any():
        return recoding, raw, 1.0
    scale, matrix = np.where(np.isin(np.arange(len(sd)), varies), sd, 1.0), np.eye(len(names))
    at = [names.index(e) for e in t.effects]
    matrix[at, at] = scale[[k for _, k in columns]]
    for i in dict.fromkeys(i for i, _ in columns) if constant else ():
        own = {k: j for j, (outcome, k) in zip(at, columns, strict=True) if outcome == i}
        matrix[own[constant[0]], [own[k] for k in varies]] = mean[varies]
    turn, center = Turn(effects, matrix), np.where(np.isin(np.arange(len(sd)), varies), mean, 0.0)
    if not constant or not _closed(turn, packing):
        center, turn = np.zeros(len(sd)), Turn(effects, np.diag(np.diagonal(matrix)))
        if not _closed(turn, packing):
            return recoding, raw, 1.0
    made = Recoding(recoding.columns, recoding.absorbed, recoding.shifted, recoding.loadings, turn, recoding.slopes)
    return made, Named(raw.dims, (x - center) / scale), scale
