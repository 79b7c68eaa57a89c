"""The third step as a model: the assigned class is a nominal response whose logits are fixed.

With W the class that step one assigned, Z covariates and Y outcomes, Vermunt (2010), Asparouhov and Muthen (2014),

    P(W_i = s, Y_i | Z_i) = sum_t P(X_i = t | Z_i) P(W = s | X = t) prod_k f(Y_ik | X_i = t, Z_i),

where P(W = s | X = t) is known from step two. With an identity in its place the class is known: each row weighted by
the inverse of the errors, that is the BCH method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayesmix.spec import Covariates, Effect, Fixed, LatentClass, Model, Response, Term
from bayesmix.spec.blocks import class_logits
from bayesmix.spec.families import Family, Place, nominal
from bayesmix.spec.parameters import Parameter, at
from bayesmix.typing import Array

FLOOR = 1e-250
"""A probability of zero of an assignment, whose logarithm is finite."""
ASSIGNED = "assigned"
"""The name of the response of assigned classes; of several occasions with their number."""


@dataclass(frozen=True)
class Outcome:
    """An outcome of step three.

    Attributes
    ----------
    name : str
        Its column.
    family : Family
    number : int
        Its place, from 1: the names of its parameters and dims end with it.
    formula : str, optional
        Covariates beside the class.
    by_class : bool
        Whether their slopes vary over the classes.
    """

    name: str
    family: Family
    number: int
    formula: str | None = None
    by_class: bool = False

    def place(self, by: str, variance: str) -> Place:
        """Where its parameters stand."""
        n = self.number
        return Place((by,), f"item_{n}", f"category_{n}", f"threshold_{n}", f"_{n}", variance)

    @property
    def location(self) -> str:
        """The parameter that says where the outcome is in each class."""
        place = self.place("C", "equal")
        return (*self.family.item_location(place), *self.family.item_auxiliary(place))[0].name

    @property
    def sign(self) -> int:
        """What covariates add to the location: thresholds move the other way."""
        return 1 if self.family.item_location(self.place("C", "equal")) else -1

    @property
    def slope(self) -> str:
        """The parameter of its covariates."""
        return f"outcome_slope_{self.number}"

    @property
    def covariates(self) -> str:
        """The dim of its covariates."""
        return f"outcome_covariate_{self.number}"

    def response(self, by: str, variance: str) -> Response:
        """Its response, given the class variable `by`."""
        place = self.place(by, variance)
        predictor, auxiliary = (
            tuple(map(Term, p)) for p in (self.family.item_location(place), self.family.item_auxiliary(place))
        )
        if self.formula is not None:
            category = (place.category,) if self.family.by_category else ()
            dims = (*(by,) * self.by_class, place.item, *category, self.covariates)
            slope = Parameter(self.slope, dims, fixed=tuple(at(0.0, **{d: 0}) for d in category))
            predictor = (*predictor, Term(slope, Covariates(self.covariates, self.formula)))
        return Response(
            f"outcome_{self.number}", (self.name,), self.family, predictor, auxiliary, place.item, place.category,
            place.threshold,
        )  # fmt: skip


def assigned_logits(name: str, by: str, place: str, d: Array) -> Parameter:
    """The fixed logits of an assignment with the errors `d`, P(W = s | X = t) in row t, against the first class."""
    log = np.log(np.maximum(d, FLOOR))
    category = f"category_{place}"
    fixed = tuple(
        at(float(log[t, s] - log[t, 0]), **{by: t, category: s}) for t in range(len(d)) for s in range(d.shape[1])
    )
    return Parameter(name, (by, f"item_{place}", category), fixed=fixed)


def assigned_response(by: str, number: str, column: str, d: Array) -> Response:
    """The response of the assigned classes of the variable `by`."""
    place = f"{ASSIGNED}{number}"
    term = Term(assigned_logits(f"{ASSIGNED}_logit{number}", by, place, d))
    return Response(place, (column,), nominal(), (term,), (), f"item_{place}", f"category_{place}")


def third_model(
    sizes: Mapping[str, int],
    columns: Sequence[str],
    errors: Sequence[Array],
    covariates: str | None,
    outcomes: Sequence[Outcome],
    variance: str,
    *,
    shared: Mapping[str, float] | None = None,
    owner: str | None = None,
    held: Array | None = None,
) -> Model:
    """Declare the third step.

    Parameters
    ----------
    sizes : mapping of str to int
        The class variables, of several occasions in their order: each then depends on the one before.
    columns : sequence of str
        The columns of their assigned classes.
    errors : sequence of array (class, assigned class)
        Of each of them.
    covariates : str, optional
        Formula of all class logits.
    outcomes : sequence of Outcome
    variance : {"equal", "class"}
        Of normal outcomes.
    shared : mapping of outcome to float, optional
        Normal outcomes that are correlated given the class, with the fixed loading of each: see :func:`correlated`.
    owner : str, optional
        The class variable that outcomes depend on; the first if left out.
    held : array (class,), optional
        Sizes of the classes of a single variable, which are then not estimated.
    """
    names = list(sizes)
    classes = []
    for k, name in enumerate(names):
        prefix, parents = ("class", ()) if k == 0 else (f"transition{k}", (names[k - 1],))
        logits = class_logits(name, prefix, parents, individual=covariates)
        if held is not None:
            fixed = tuple(at(float(x), **{name: t}) for t, x in enumerate(np.log(held / held[-1])))
            logits = (Term(replace(logits[0].parameter, fixed=fixed)),)
        classes.append(LatentClass(name, sizes[name], "individual", logits))
    numbers = [""] if len(names) == 1 else [f"_{k + 1}" for k in range(len(names))]
    measured = [assigned_response(*each) for each in zip(names, numbers, columns, errors, strict=True)]
    responses = [o.response(owner or names[0], variance) for o in outcomes]
    effects, responses = correlated(responses, shared or {})
    return Model("three_step", (*measured, *responses), tuple(classes), effects)


def correlated(responses: list[Response], shared: Mapping[str, float]) -> tuple[tuple[Effect, ...], list[Response]]:
    """Normal outcomes with residual covariances that are the same in all classes.

    Of m outcomes each but the last has a standard normal effect, on which it loads by a fixed number, and those after
    it by free ones: L L' of these loadings has m (m - 1) / 2 free numbers for as many covariances. What is left of
    the variances are those of the outcomes themselves.
    """
    effects, out = [], {r.items[0]: r for r in responses}
    for k, first in enumerate([*shared][:-1], start=1):
        effects.append(Effect(f"r{k}", "individual"))
        for j, name in enumerate([*shared][k - 1 :], start=k):
            fixed = (Fixed(shared[first]),) if name == first else ()
            loading = Term(Parameter(f"shared_{k}_{j}", fixed=fixed), effects=(f"r{k}",))
            out[name] = replace(out[name], predictor=(*out[name].predictor, loading))
    return tuple(effects), list(out.values())


def with_errors(model: Model, d: Array) -> Model:
    """The third step of one class variable with other errors of the assignment."""
    first = model.responses[0]
    by = model.classes[0].name
    p = assigned_logits(first.predictor[0].parameter.name, by, ASSIGNED, d)
    return replace(model, responses=(replace(first, predictor=(Term(p),)), *model.responses[1:]))


def with_free_errors(model: Model) -> Model:
    """The third step with the logits of its assignments free, but for those of the first class: for derivatives."""

    def free(r: Response) -> Response:
        p = replace(r.predictor[0].parameter, fixed=(at(0.0, **{r.category_dim: 0}),))
        return replace(r, predictor=(Term(p),))

    return replace(model, responses=tuple(free(r) if r.name.startswith(ASSIGNED) else r for r in model.responses))


# two steps ----------------------------------------------------------------------------------------


def two_step_model(
    model: Model, variable: str, values: Mapping[str, Array], covariates: str | None, outcomes: Sequence[Outcome],
    variance: str, level: str, *, shared: Mapping[str, float], held: bool = True,
) -> Model:  # fmt: skip
    """The model of step one with more in its structure, its measurement fixed: Bakk and Kuha (2018).

    Parameters
    ----------
    model : Model
        Of step one.
    variable : str
        The class variable.
    values : mapping of str to array
        Natural parameters of step one.
    covariates : str, optional
        Formula of the class logits.
    outcomes : sequence of Outcome
    variance : {"equal", "class"}
    level : {"individual", "cluster"}
        Where the covariates are measured.
    shared : mapping of outcome to float
        Normal outcomes that are correlated given the class: see :func:`correlated`.
    held : bool
        Whether the measurement is fixed at `values`; else it is free, for derivatives.
    """
    structural = {t.parameter.name for c in model.classes for t in c.predictor}

    def fixed(t: Term) -> Term:
        p = t.parameter
        if not held or p.name in structural:
            return t
        x = np.asarray(values[p.name], dtype=float)
        each = tuple(
            at(float(x[i]), **dict(zip(p.dims, map(int, i), strict=True)))
            for i in np.ndindex(x.shape)
            if np.isfinite(x[i])
        )
        return replace(t, parameter=replace(p, fixed=each))

    responses = tuple(
        replace(r, predictor=tuple(map(fixed, r.predictor)), auxiliary=tuple(map(fixed, r.auxiliary)))
        for r in model.responses
    )
    effects = tuple(
        replace(e, mean=tuple(map(fixed, e.mean)), sd=None if e.sd is None else fixed(e.sd)) for e in model.effects
    )
    slopes = () if covariates is None else class_logits(variable, "step", (), **{level: covariates})[1:]
    classes = (replace(c, predictor=(*c.predictor, *slopes)) if c.name == variable else c for c in model.classes)
    common, more = correlated([o.response(variable, variance) for o in outcomes], shared)
    return replace(
        model, name="two_step", responses=(*responses, *more), classes=tuple(classes), effects=(*effects, *common)
    )


def measurement(model: Model) -> list[str]:
    """Names of the parameters of step one that are fixed in the second of two steps."""
    structural = {t.parameter.name for c in model.classes for t in c.predictor}
    return [p.name for p in model.parameters if p.name not in structural]
