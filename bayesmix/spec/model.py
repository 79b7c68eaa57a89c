"""What a model is: frozen dataclasses, no computation.

Every latent variable lives at a level of the ladder `item` < `individual` < `cluster`. Latent classes
are discrete, effects continuous. Responses, class logits and effects all have a predictor: a sum of
terms, each a parameter that may multiply covariates and effects,

    eta = intercept + slopes . covariates + loadings . effects                (2)-(5), (24), (35), R(18)-R(25)

A term's parameter carries the dims of the classes it depends on; that is how an item parameter
depends on a class, and a transition on the class before.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from numbers import Integral
from typing import Any, Literal, Protocol

from bayesmix.spec.constraints import Constraints, Equal, Fix, check_names, read_constraints, with_constraints
from bayesmix.spec.families import Family, check_family
from bayesmix.spec.parameters import DATA, Parameter

Level = Literal["individual", "cluster"]
ClassLevel = Literal["item", "individual", "cluster"]
RANDOM = "random_part"
"""The dim of random coefficients and class logits in what follows from the parameters."""


@dataclass(frozen=True)
class Covariates:
    """A design matrix: the columns of a formula, without the constant, at a level.

    `name` is the dim of its columns; the same name with the same formula is the same matrix.

    Attributes
    ----------
    name, formula, level
        As above.
    only : tuple of str, optional
        The terms of the formula whose columns these are, coded as in the whole formula; ``"1"`` is the
        constant, otherwise left out. All but the constant if left out.
    times : str, optional
        A covariate of individuals; the columns, then of clusters, are multiplied by it.
    single : bool
        Whether each term must be one column: a random slope belongs to one.

    Examples
    --------
    >>> bm.Covariates("covariate", "age + sex").level
    'individual'
    """

    name: str
    formula: str = field(metadata=DATA)
    level: Level = "individual"
    only: tuple[str, ...] | None = field(default=None, metadata=DATA)
    times: str | None = field(default=None, metadata=DATA)
    single: bool = field(default=False, metadata=DATA)


@dataclass(frozen=True)
class Term:
    """One summand of a predictor: parameter . covariates . effects.

    Attributes
    ----------
    parameter : Parameter
        Its dims are those of the variable it predicts, of the classes it depends on, of
        `covariates` (by its name) and of `effects` (the dim `effect_dim`).
    covariates : Covariates, optional
        Multiplied and summed over the columns.
    effects : tuple of str
        Names of effects, multiplied and summed.
    effect_dim : str
        The dim of the parameter that runs over `effects`; not needed for a single effect.
    rename : tuple of (str, str)
        Dims of the parameter under other names here, so that two occasions can share it.

    Examples
    --------
    >>> bm.Term(bm.Parameter("class_slope", ("C", "covariate")), bm.Covariates("covariate", "age")).dims
    ('C', 'covariate')
    """

    parameter: Parameter
    covariates: Covariates | None = None
    effects: tuple[str, ...] = ()
    effect_dim: str = "effect"
    rename: tuple[tuple[str, str], ...] = ()

    @property
    def dims(self) -> tuple[str, ...]:
        """The dims of the parameter by their names here."""
        return tuple(dict(self.rename).get(d, d) for d in self.parameter.dims)

    @property
    def loading_dim(self) -> str | None:
        """The dim of the parameter that runs over its effects; None without one, as of a single effect."""
        return self.effect_dim if self.effects and self.effect_dim in self.parameter.dims else None


Predictor = tuple[Term, ...]


@dataclass(frozen=True)
class Response:
    """Items of one family under one predictor.

    Attributes
    ----------
    name : str
        Unique in the model.
    items : tuple of str
        Columns of the data.
    family : Family
        Their distribution.
    predictor : Predictor
        eta of each item.
    auxiliary : tuple of Term
        The family's further parameters by the order of `family.auxiliary` (`sigma`, `threshold`).
    item_dim, category_dim, threshold_dim : str
        Dims of the items, of nominal categories and of thresholds; responses that share
        parameters share them.
    labels : tuple of str
        Names of the items in results, where they are not those of the columns: those of several
        occasions have one.
    pairs : tuple of (str, str)
        Items, by their names in results, whose residuals have a covariance: of a jointly normal response.
    pair_dim : str
        The dim of the pairs.

    Examples
    --------
    >>> model.responses[0].items
    ('a', 'b', 'c', 'd')
    """

    name: str
    items: tuple[str, ...] = field(metadata=DATA)
    family: Family
    predictor: Predictor
    auxiliary: tuple[Term, ...] = ()
    item_dim: str = "item"
    category_dim: str = "category"
    threshold_dim: str = "threshold"
    labels: tuple[str, ...] = field(default=(), metadata=DATA)
    pairs: tuple[tuple[str, str], ...] = field(default=(), metadata=DATA)
    pair_dim: str = "item_pair"

    @property
    def pair_labels(self) -> list[str]:
        """The pairs as results label them."""
        return [", ".join(pair) for pair in self.pairs]

    @property
    def pair_places(self) -> list[tuple[int, int]]:
        """The positions of the items of each pair."""
        names = list(self.labels or self.items)
        return [(names.index(a), names.index(b)) for a, b in self.pairs]

    @property
    def terms(self) -> Predictor:
        """Those of the predictor, then those of the family's further parameters."""
        return (*self.predictor, *self.auxiliary)

    @property
    def suffix(self) -> str:
        """What the names of its own parameters end with, where there are several responses."""
        return self.item_dim.removeprefix("item")

    def auxiliary_term(self, name: str) -> Term | None:
        """The term of the family's further parameter `name`, such as ``"guessing"``; None where it has none."""
        return dict(zip(self.family.auxiliary, self.auxiliary, strict=True)).get(name)


@dataclass(frozen=True)
class LatentClass:
    """A latent class variable; `name` is also its dim.

    Its predictor gives logits over `name`, equations (4), (9), (17), (24), (26), (34); the
    reference class is fixed in the parameters. A parent class is a dim of a parameter.

    Examples
    --------
    >>> bm.LatentClass("C", 3).level
    'individual'
    """

    name: str
    size: int = field(metadata=DATA)
    level: ClassLevel = "individual"
    predictor: Predictor = ()

    def __post_init__(self) -> None:
        """Take NumPy's whole numbers as Python's."""
        if isinstance(self.size, Integral) and not isinstance(self.size, bool):
            object.__setattr__(self, "size", int(self.size))

    @property
    def terms(self) -> Predictor:
        """Those of the predictor."""
        return self.predictor


@dataclass(frozen=True)
class Effect:
    """A continuous latent variable: mean + sd * z with z ~ N(0, 1), equations (5), (10), (18), (25).

    The mean may load on effects declared before it; without `sd` the residual SD is 1.

    With `standard` it is a factor that is correlated with others: m + sd r, where m are the terms of the mean that
    have no effects, and r = (sum_k b_k r_k + z) / sqrt(Var(sum_k b_k r_k) + 1) is the residual on those of the
    factors before it, with variance 1.

    Examples
    --------
    >>> bm.Effect("u", "cluster").level
    'cluster'
    """

    name: str
    level: Level
    mean: Predictor = ()
    sd: Term | None = None
    standard: bool = False

    @property
    def terms(self) -> Predictor:
        """Those of the mean, then that of the SD."""
        return (*self.mean, *(() if self.sd is None else (self.sd,)))


@dataclass(frozen=True)
class Model:
    """A declared model.

    Attributes
    ----------
    name : str
        The template's name, for reports.
    responses, classes, effects : tuple
        What is observed and what is latent. Classes are eliminated in the order given, a parent
        before its child.
    cluster : str, optional
        Column of the cluster labels.
    freq : str, optional
        Column of frequency weights: the number of identical rows that a row stands for.
    constraints : Constraints
        Entries of parameters that are fixed or held equal, beyond what the parameters themselves say.

    Examples
    --------
    >>> model.name, model.items, [p.name for p in model.parameters]
    ('lca', ('a', 'b', 'c', 'd'), ['class_logit', 'item_logit'])
    """

    name: str
    responses: tuple[Response, ...]
    classes: tuple[LatentClass, ...] = ()
    effects: tuple[Effect, ...] = ()
    cluster: str | None = field(default=None, metadata=DATA)
    freq: str | None = field(default=None, metadata=DATA)
    constraints: Constraints = field(default=Constraints(), metadata=DATA)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter once, in the order of first use."""
        return tuple({t.parameter.name: t.parameter for t in terms(self)}.values())

    @property
    def covariates(self) -> tuple[Covariates, ...]:
        """Every design matrix once."""
        return tuple({t.covariates.name: t.covariates for t in terms(self) if t.covariates}.values())

    @property
    def items(self) -> tuple[str, ...]:
        """Columns of all responses."""
        return tuple(item for r in self.responses for item in r.items)

    def effects_at(self, level: str) -> tuple[Effect, ...]:
        """Effects that live at `level`."""
        return tuple(e for e in self.effects if e.level == level)

    def classes_at(self, level: str) -> tuple[LatentClass, ...]:
        """Classes that live at `level`."""
        return tuple(c for c in self.classes if c.level == level)

    @property
    def factors(self) -> tuple[Effect, ...]:
        """Effects of individuals that responses load on."""
        loaded = {name for r in self.responses for t in r.terms for name in t.effects}
        return tuple(e for e in self.effects_at("individual") if e.name in loaded)

    @property
    def distinct_responses(self) -> tuple[Response, ...]:
        """The responses; of occasions that share their parameters the first."""
        by_parameters: dict[tuple[str, ...], Response] = {}
        for r in self.responses:
            by_parameters.setdefault(tuple(t.parameter.name for t in r.terms), r)
        return tuple(by_parameters.values())

    @property
    def is_mixture(self) -> bool:
        """Whether a class variable has more than one class."""
        return any(c.size > 1 for c in self.classes)

    @property
    def is_regression(self) -> bool:
        """Whether the parameters of the responses are coefficients: none belongs to an item."""
        return not any({r.item_dim, r.pair_dim} & {*t.parameter.dims} for r in self.responses for t in r.terms)

    def class_dims(self, dims: Iterable[Hashable]) -> tuple[str, ...]:
        """Those of `dims` that run over latent classes: all but items, categories, covariates and effects."""
        other = {RANDOM, f"{RANDOM}_"}
        for r in self.responses:
            other |= {r.item_dim, f"{r.item_dim}_", r.category_dim, r.threshold_dim, r.pair_dim}
        for t in terms(self):
            other |= {t.covariates.name} if t.covariates else set()
            other |= {t.loading_dim} if t.loading_dim else set()
        return tuple(str(d) for d in dims if d not in other)

    @property
    def two_level(self) -> bool:
        """Whether the likelihood is a product over clusters."""
        return self.cluster is not None


def check_model(model: object) -> None:
    """Refuse what is no declared model.

    Raises
    ------
    TypeError
        Text, a template that was not called, data in the model's place.
    """
    if isinstance(model, Model):
        return
    came = repr(model) if isinstance(model, str) else "a function" if callable(model) else type(model).__name__
    raise TypeError(
        f"The model came as {came}, expected what a template returns: bm.models.lca(['u1', 'u2', 'u3'], 2) or so."
    )


def constrain(model: Model, *, fix: Fix = None, equal: Equal = None) -> Model:
    """Fix entries of a model's parameters, or hold them equal.

    Parameters
    ----------
    model : Model
        Of any template, or of one's own.
    fix : mapping of str to float, optional
        Natural values by entry, as results label these: ``{"item_logit[1, A, 2]": 0.5}``.
    equal : sequence of sequences of str, optional
        Groups of entries that are one free parameter: ``[["coefficient[1, x]", "coefficient[2, x]"]]``. An entry that
        is held equal to a fixed one is fixed there.

    Returns
    -------
    Model
        With these constraints beside those it has. Labels of covariates and categories are looked up when the data
        come. Classes that constraints tell apart keep the places that these give them; others come in order of size,
        or as in ``like=``.

    Raises
    ------
    TypeError, ValueError
        What is no number or no entry, a parameter that there is none of, values that contradict each other; with the
        data, an unknown entry, a value outside its parameter's support.

    Examples
    --------
    >>> equal = bm.constrain(model, equal=[["item_logit[1, a, 1]", "item_logit[1, b, 1]"]])
    >>> bm.fit(equal, df, starts=2, rounds=1, progress=False).n_parameters
    8
    """
    check_model(model)
    return replace(model, constraints=with_constraints(model.constraints, read_constraints(fix, equal)))


class Solution(Protocol):
    """What knows its model and its parameters: a fit."""

    @property
    def model(self) -> Model:
        """The declaration."""
        ...

    @property
    def params(self) -> Mapping[Any, Any]:
        """Every parameter on its natural scale."""
        ...


def model_and_params(model: Model | Solution, params: Mapping[Any, Any] | None) -> tuple[Model, Mapping[Any, Any]]:
    """Split a fit that came in the place of `model` into its model and its parameters, unless `params` came too.

    Raises
    ------
    TypeError
        Neither a model nor a fit, or no parameters by name.
    """
    declared: Any = getattr(model, "model", model)
    check_model(declared)
    params = getattr(model, "params", None) if params is None else params
    if not isinstance(params, Mapping):
        hint = "give its .params" if hasattr(params, "params") else "give a mapping, or a fit in place of the model"
        raise TypeError(f"params came as {type(params).__name__}, expected values of parameters by name: {hint}.")
    return declared, params


def terms(model: Model) -> Iterator[Term]:
    """Every term of the model: classes, effects, then responses."""
    for part in (*model.classes, *model.effects, *model.responses):
        yield from part.terms


def structure(value: Any) -> Any:
    """What the compiled graph depends on: the model without sizes, column names, formulas, priors."""
    if is_dataclass(value) and not isinstance(value, type):
        kept = (f for f in fields(value) if not f.metadata.get("data"))
        return (type(value).__name__, *((f.name, structure(getattr(value, f.name))) for f in kept))
    if isinstance(value, tuple):
        return tuple(structure(v) for v in value)
    return value


def _duplicates(names) -> list[str]:
    seen: set[str] = set()
    return [n for n in names if n in seen or seen.add(n)]


def _check(model: Model) -> None:
    if not model.responses or not model.items:
        raise ValueError("The model has no items: give at least one column name.")
    for what, names in {
        "items": model.items,
        "classes": [c.name for c in model.classes],
        "effects": [e.name for e in model.effects],
        "responses": [r.name for r in model.responses],
    }.items():
        if twice := _duplicates(names):
            raise ValueError(f"Duplicate names among the {what}: {', '.join(twice)}. Name each one once.")
    for r in model.responses:
        check_family(r.family)
    by_name: dict[str, Parameter] = {}
    for t in terms(model):
        if by_name.setdefault(t.parameter.name, t.parameter) != t.parameter:
            raise ValueError(f"Two different parameters are named '{t.parameter.name}': rename one of them.")
    for c in model.classes:
        if not isinstance(c.size, int) or isinstance(c.size, bool) or c.size < 1:
            raise ValueError(f"The number of classes came as {c.size!r}: give a whole number of at least 1.")
    lives_in_cluster = model.classes_at("cluster") or model.effects_at("cluster")
    if lives_in_cluster and not model.cluster:
        raise ValueError(
            f"'{lives_in_cluster[0].name}' lives at the cluster level, but the model has no cluster "
            "column: give cluster='the name of the column of cluster labels'."
        )
    _check_order(model)
    check_names(model.constraints, by_name)


def _check_order(model: Model) -> None:
    level_of: dict[str, Level] = {}
    for e in model.effects:
        _check_predictor(e.terms, level_of, f"Effect '{e.name}'", e.level)
        level_of[e.name] = e.level
    for c in model.classes:
        _check_predictor(c.predictor, level_of, f"Class '{c.name}'", c.level)
    for r in model.responses:
        _check_predictor(r.terms, level_of, f"Response '{r.name}'", "item")


def _check_predictor(predictor: Predictor, level_of: dict[str, Level], what: str, level: str) -> None:
    for t in predictor:
        if unknown := [e for e in t.effects if e not in level_of]:
            raise ValueError(
                f"{what} loads on '{unknown[0]}', which is not declared before it; declared: "
                f"{', '.join(sorted(level_of)) or 'none'}. Declare the effect first."
            )
        used = {e: level_of[e] for e in t.effects} | ({t.covariates.name: t.covariates.level} if t.covariates else {})
        if level == "cluster" and (within := [name for name, at in used.items() if at != "cluster"]):
            raise ValueError(
                f"{what} lives at the cluster level, but '{within[0]}' varies within clusters: "
                "give it the level 'cluster', or let it predict something of individuals."
            )
