"""What a model is: frozen dataclasses, no computation.

Every latent variable lives at a level of the ladder `item` < `individual` < `cluster`. Latent classes
are discrete, effects continuous. Responses, class logits and effects all have a predictor: a sum of
terms, each a parameter that may multiply covariates and effects,

    eta = intercept + slopes . covariates + loadings . effects                (2)-(5), (24), (35), R(18)-R(25)

A term's parameter carries the dims of the classes it depends on; that is how an item parameter
depends on a class, and a transition on the class before.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from numbers import Integral
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesmix.spec.constraints import Constraints, Equal, Fix, check_names, read_constraints, with_constraints
from bayesmix.spec.families import Family, check_family
from bayesmix.spec.formulas import parse_formula
from bayesmix.spec.parameters import DATA, Parameter
from bayesmix.spec.sampling_design import Survey, read_survey, settings_of_survey

Level = Literal["individual", "cluster"]
ClassLevel = Literal["item", "individual", "cluster"]
LATER = {"later": True}
"""Metadata of a field that came later: a model that has its default has the structure, and identity, it always had."""
GROUP = "group"
"""The dim of observed groups."""
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
    offset : bool
        Whether it is an offset: one column of numbers with the coefficient one, which may be constant.
    occasion : str
        Of several matrices with the same columns, those of several occasions, the one that it is: they share the dim
        `name`, and a parameter over it.
    cells : bool
        Whether the formula is one column, of which there is an indicator for each of its few values: a parameter over
        them has a value of its own at each.
    rows : bool
        Of repeated measures of persons, in rows of their own, whether it is of these: a matrix an item.

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
    offset: bool = field(default=False, metadata=DATA)
    occasion: str = field(default="", metadata=LATER)
    cells: bool = field(default=False, metadata=LATER)
    rows: bool = field(default=False, metadata=LATER)

    @property
    def key(self) -> str:
        """The name of the matrix: that of its columns, and its occasion."""
        return f"{self.name}_t{self.occasion}" if self.occasion else self.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that it is made of."""
        if self.cells:
            return (self.formula,)
        each = (self.formula, *((self.times,) if self.times else ()))
        return tuple(dict.fromkeys(column for text in each for column in parse_formula(text)))


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
    level : {"individual", "cluster"}
        Whose answers they are: each row has its own, or all rows of a cluster have one, which counts once.
    of_outcomes : bool
        Whether its items are several outcomes of regressions, whose parameters are coefficients by outcome.

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
    level: Level = field(default="individual", metadata=LATER)
    of_outcomes: bool = field(default=False, metadata=LATER)

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
        return self.item_dim.removeprefix("outcome" if self.of_outcomes else "item")

    def has(self, t: Term, k: int) -> bool:
        """Whether the item at place `k` has something of a term: of outcomes, a coefficient of its own."""
        if self.item_dim in t.parameter.dims and t.effects and self.of_outcomes:
            return k in [i for _, i, _ in self.coefficients(t)]
        return not any(f.value == 0.0 and dict(f.positions) == {self.item_dim: k} for f in t.parameter.fixed)

    def coefficients(self, t: Term) -> list[tuple[str, int, int]]:
        """Each effect of a term, the position of the outcome of which it is a coefficient, that of its column."""
        ones: dict[int, dict[str, int]] = {}
        for where in (dict(f.positions) for f in t.parameter.fixed if f.value == 1.0):
            if t.effect_dim in where and self.item_dim in where:
                ones[where[t.effect_dim]] = where
        column = t.covariates.name if t.covariates else ""
        each = [(e, ones.get(k, {})) for k, e in enumerate(t.effects)]
        return [(e, at.get(self.item_dim, 0), at.get(column, 0 if at else k)) for k, (e, at) in enumerate(each)]

    @property
    def further_predictors(self) -> tuple[Predictor, ...]:
        """The terms of further parameters that are parts of one predictor: of a variance, of a logit of inflation."""
        by_name = dict(zip(self.family.auxiliary, self.auxiliary, strict=True))
        return tuple(tuple(by_name[k] for k in names) for names in self.family.sums)

    def auxiliary_term(self, name: str) -> Term | None:
        """The term of the family's further parameter `name`, such as ``"guessing"``; None where it has none."""
        return dict(zip(self.family.auxiliary, self.auxiliary, strict=True)).get(name)


@dataclass(frozen=True)
class LatentClass:
    """A latent class variable; `name` is also its dim.

    Its predictor gives logits over `name`, equations (4), (9), (17), (24), (26), (34); the
    reference class is fixed in the parameters. A parent class is a dim of a parameter.

    Attributes
    ----------
    name, size, level, predictor
        As above.
    stays : tuple of str
        Two class variables declared before it, `before` and `by`: in the last class of `by` the class is that of
        `before`, with probability exactly 1, and the logits are those of the other classes of `by`.
    lasting : bool
        Whether it is a class of the individual at all occasions, above those that depend on it: no step of their paths.

    Examples
    --------
    >>> bm.LatentClass("C", 3).level
    'individual'
    """

    name: str
    size: int = field(metadata=DATA)
    level: ClassLevel = "individual"
    predictor: Predictor = ()
    stays: tuple[str, ...] = field(default=(), metadata=LATER)
    lasting: bool = field(default=False, metadata=LATER)

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

    Without `residual` it is its mean alone: a sum of parameters and of effects before it, such as a growth factor.

    With `column` it is a covariate of individuals that is a variable of the model (:func:`bayesmix.with_covariates`):
    known where that column of the data has a value, whose density is then part of the likelihood, and latent elsewhere.

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
    residual: bool = True
    column: str | None = field(default=None, metadata=LATER)

    @property
    def terms(self) -> Predictor:
        """Those of the mean, then that of the SD."""
        return (*self.mean, *(() if self.sd is None else (self.sd,)))


@dataclass(frozen=True)
class Repeated:
    """Repeated measures in rows of their own.

    Attributes
    ----------
    person, outcome : str
        Columns of the person that was measured, and of the measure.

    Examples
    --------
    >>> bm.models.growth("y ~ x", 2, id="person", cluster="school").repeated.person
    'person'
    """

    person: str
    outcome: str


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
    survey : Survey
        How the rows were drawn: weights, strata, primary sampling units.
    group : str, optional
        Column of observed groups: the dim ``"group"`` of parameters runs over its labels. The log-likelihood is that
        given the group.
    known : tuple of (str, str)
        Class variables with the column that says in which class, 1, 2, ..., a unit is known to be; missing where it
        is not known.
    anchored : tuple of (str, tuple of int)
        Class variables with the classes that some unit is known to be in, as the data say: their labels are fixed.
    time : str, optional
        Of repeated measures in rows of their own, the column of time.
    repeated : Repeated, optional
        Of whom rows are measurements, where persons are the individuals: their measurements stand in slots, the items
        of the first response, which the data number.

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
    survey: Survey = field(default=Survey(), metadata=DATA)
    group: str | None = field(default=None, metadata=DATA)
    known: tuple[tuple[str, str], ...] = field(default=(), metadata=DATA)
    anchored: tuple[tuple[str, tuple[int, ...]], ...] = field(default=(), metadata=DATA)
    time: str | None = field(default=None, metadata=DATA)
    repeated: Repeated | None = field(default=None, metadata=DATA)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter once, in the order of first use."""
        return tuple({t.parameter.name: t.parameter for t in terms(self)}.values())

    @property
    def covariates(self) -> tuple[Covariates, ...]:
        """Every design matrix once."""
        return tuple({t.covariates.key: t.covariates for t in terms(self) if t.covariates}.values())

    @property
    def offsets(self) -> frozenset[str]:
        """Names of the coefficients of offsets, which are one: no parameters to anybody."""
        return frozenset(t.parameter.name for t in terms(self) if t.covariates and t.covariates.offset)

    @property
    def items(self) -> tuple[str, ...]:
        """Columns of all responses."""
        return tuple(item for r in self.responses for item in r.items)

    def effects_at(self, level: str) -> tuple[Effect, ...]:
        """Effects that live at `level` and have a residual of their own: what is integrated, or sampled, there."""
        return tuple(e for e in self.effects if e.level == level and e.residual)

    @property
    def sums(self) -> tuple[Effect, ...]:
        """Effects without a residual of their own, such as growth factors: sums of others."""
        return tuple(e for e in self.effects if not e.residual)

    @property
    def normal_covariates(self) -> tuple[Effect, ...]:
        """Covariates that are variables of the model, with a normal distribution."""
        return tuple(e for e in self.effects if e.column is not None)

    def latent_in(self, t: Term) -> tuple[str, ...]:
        """The effects that a term multiplies: its own, and covariates that are variables of the model."""
        if t.covariates is None or not (known := {e.column: e.name for e in self.normal_covariates}):
            return t.effects
        return (*t.effects, *(known[k] for k in t.covariates.columns if k in known))

    @property
    def has_random_effects(self) -> bool:
        """Whether anything is continuous and latent."""
        return any(e.residual for e in self.effects)

    def classes_at(self, level: str) -> tuple[LatentClass, ...]:
        """Classes that live at `level`."""
        return tuple(c for c in self.classes if c.level == level)

    @property
    def occasions(self) -> tuple[LatentClass, ...]:
        """Classes of individuals in their order, but for those that last over all occasions: what has paths."""
        return tuple(c for c in self.classes_at("individual") if not c.lasting)

    @property
    def lasting(self) -> tuple[LatentClass, ...]:
        """Classes of individuals at all occasions."""
        return tuple(c for c in self.classes_at("individual") if c.lasting)

    @property
    def factors(self) -> tuple[Effect, ...]:
        """Effects of individuals that responses load on."""
        loaded = {name for r in self.responses for t in r.terms for name in t.effects}
        return tuple(e for e in self.effects if e.level == "individual" and e.name in loaded)

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

    def unlisted(self, name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Entries of a parameter of several outcomes that are no coefficients of theirs: zero by the declaration."""
        p = next((p for p in self.parameters if p.name == name), None)
        outcomes = {r.item_dim for r in self.responses if r.of_outcomes}
        return p.zeros(shape) if p is not None and outcomes & {*p.dims} else np.zeros(shape, dtype=bool)

    @property
    def is_regression(self) -> bool:
        """Whether the parameters of responses are coefficients: of outcomes, and none belongs to an item of rows."""
        of_rows = [r for r in self.responses if r.level == "individual"]
        return all(r.of_outcomes for r in of_rows) or not any(
            {r.item_dim, r.pair_dim} & {*t.parameter.dims} for r in of_rows for t in r.terms
        )

    @property
    def has_trajectories(self) -> bool:
        """Whether a measure is repeated over time: it loads on growth factors, or `time` has its times."""
        grown = {e.name for e in self.sums}
        return self.time is not None or any({*t.effects} & grown for t in self.responses[0].predictor)

    @property
    def is_regression_of_clusters(self) -> bool:
        """Whether rows are repeated measures of clusters, as far as the model says: these alone have classes."""
        rows = any(c.level == "individual" for c in self.covariates)
        one = len([r for r in self.responses if r.level == "individual"]) == len(self.responses[0].items) == 1
        return self.is_regression and self.two_level and one and rows and not self.classes_at("individual")

    def class_dims(self, dims: Iterable[Hashable]) -> tuple[str, ...]:
        """Those of `dims` that run over groups and latent classes: no items, categories, covariates or effects."""
        other = {RANDOM, f"{RANDOM}_"}
        for r in self.responses:
            other |= {r.item_dim, f"{r.item_dim}_", r.category_dim, r.threshold_dim, r.pair_dim}
        for t in terms(self):
            other |= {t.covariates.name} if t.covariates else set()
            other |= {t.loading_dim, f"{t.loading_dim}_"} if t.loading_dim else set()
        return tuple(str(d) for d in dims if d not in other)

    @property
    def by_group(self) -> bool:
        """Whether a parameter differs between groups."""
        return any(GROUP in p.dims for p in self.parameters)

    @property
    def two_level(self) -> bool:
        """Whether the likelihood is a product over clusters."""
        return self.cluster is not None

    @property
    def varies_between(self) -> bool:
        """Whether something latent lives in clusters: weights of their rows are then within an integral."""
        return bool(self.effects_at("cluster") or self.classes_at("cluster"))


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
    equal : str or sequence of (str or sequence of str), optional
        Groups of entries that are one free parameter, and linear equations as text:
        ``[["coefficient[1, x]", "coefficient[2, x]"], "a[1] = 2 * a[2]", "a[1] + a[2] + a[3] = 0"]``. A text may hold
        several equations, as for :func:`bayesmix.test`. An entry that is held equal to a fixed one is fixed there.
        Equations with coefficients, with another constant than zero or of three or more entries are of entries that
        may take every value: not of SDs, probabilities, thresholds.

    Returns
    -------
    Model
        With these constraints beside those it has. Labels of covariates and categories are looked up when the data
        come. Classes that constraints tell apart keep the places that these give them; others come in order of size,
        or as in ``like=``.

    Raises
    ------
    TypeError, ValueError
        What is no number or no entry, a parameter that there is none of, values or equations that contradict each
        other, an equation that is not linear; with the data, an unknown entry, a value outside its parameter's
        support, an equation of entries whose values are bounded.

    Notes
    -----
    All constraints together are one affine map from the free entries to all entries. Each equation that does not
    follow from others takes one free parameter away: the last entry in it, in the order of the listing, whose
    coefficient is not small follows from the others. `fit.covariance` is of the entries that stay; all have standard
    errors, by the delta method. Priors are of the entries that stay.

    Examples
    --------
    >>> equal = bm.constrain(model, equal=[["item_logit[1, a, 1]", "item_logit[1, b, 1]"]])
    >>> bm.fit(equal, df, starts=2, rounds=1, progress=False).n_parameters
    8
    >>> twice = bm.constrain(model, equal="item_logit[1, a, 1] + item_logit[1, b, 1] = 2 * item_logit[1, c, 1]")
    >>> bm.fit(twice, df, starts=2, rounds=1, progress=False).n_parameters
    8
    """
    check_model(model)
    return replace(model, constraints=with_constraints(model.constraints, read_constraints(fix, equal)))


def survey(
    model: Model,
    *,
    weights: str | None = None,
    strata: str | None = None,
    psu: str | None = None,
    fpc: str | None = None,
    cluster_weights: str | None = None,
    scaling: Literal["sample", "cluster", "effective", "unscaled"] | None = None,
    cluster_scaling: Literal["sample", "unscaled"] = "sample",
    lonely: Literal["refuse", "certainty", "average", "adjust"] = "refuse",
    replicate_weights: Sequence[str] | str | None = None,
    method: Literal["BRR", "Fay", "JK1", "JK2", "JKn", "bootstrap"] | None = None,
    rho: float | None = None,
    scale: float | None = None,
    rscales: Sequence[float] | None = None,
) -> Model:
    r"""Declare how the rows were drawn from a population: pseudo maximum likelihood, and errors of the design.

    The estimates maximise sum_i w_i log f(y_i), Skinner (1989); of a model with something latent in clusters, with
    weights w_i|j of rows within and W_j of clusters (Asparouhov, 2006; Rabe-Hesketh and Skrondal, 2006),

        sum_j W_j log int prod_i f(y_ij | u_j)^{w_i|j} f(u_j) du_j.

    Their covariance matrix is H^-1 M H^-1 with, h a stratum and p one of its n_h primary sampling units (Binder, 1983),

        M = sum_h (1 - f_h) n_h / (n_h - 1) sum_p (s_hp - mean_h)(s_hp - mean_h)',    s_hp = sum_{i in p} w_i s_i.

    Without strata and psu M = sum_i w_i^2 s_i s_i', over the clusters of ``cluster=`` where there are some.
    With replicate weights it is scale * sum_r rscales_r (theta_r - theta)(theta_r - theta)'.

    Parameters
    ----------
    model : Model
        Of any template, or of one's own.
    weights : str, optional
        Column of sampling weights: how many of the population a row stands for; of a model with something latent in
        clusters those of rows within clusters, one over the probability of the row given its cluster. Rows of weight
        zero are outside of the subpopulation: they take no part but as primary sampling units of the design.
    strata : str, optional
        Column of strata.
    psu : str, optional
        Column of primary sampling units; labels are read within strata. Left out, the model's clusters, or else rows.
    fpc : str, optional
        Column of finite population corrections, one value a stratum: the share f_h of its primary sampling units that
        were drawn (up to 1), or their number in the population (above 1).
    cluster_weights : str, optional
        Column of weights of clusters, equal within each: one over the probability of the cluster. Where nothing is
        latent in clusters, each row has the product of both weights.
    scaling : {"sample", "cluster", "effective", "unscaled"}, optional
        Of the weights. "sample": they sum to the number of rows, taken where nothing is latent in clusters. Otherwise
        "cluster": they sum to the number of the cluster's rows; taken if left out. "effective": to
        (sum w)^2 / sum w^2. "unscaled": as they are. In Mplus WTSCALE is CLUSTER, ECLUSTER, UNSCALED.
    cluster_scaling : {"sample", "unscaled"}
        Of the weights of clusters. "sample": products of both weights sum to the number of rows (BWTSCALE).
    lonely : {"refuse", "certainty", "average", "adjust"}
        A stratum with one primary sampling unit has no variance to be seen. It is refused; or counts for nothing; or
        for the average of the other strata; or for its distance from the mean of all, as ``survey.lonely.psu`` of R.
    replicate_weights : sequence of str or str, optional
        Columns of replicate weights, or what their names begin with before a number. The full weight is part of them.
        Of a model with something latent in clusters they are replicates of `cluster_weights`, equal within each
        cluster: replicates leave out or repeat whole clusters, and rows within these keep their weights.
    method : {"BRR", "Fay", "JK1", "JK2", "JKn", "bootstrap"}, optional
        How they were made, which says `scale`: 1/R; 1/(R (1 - rho)^2); (R - 1)/R; 1; 1; 1/R, of R replicates.
    rho : float, optional
        Fay's factor.
    scale : float, optional
        Instead of that of the method.
    rscales : sequence of float, optional
        A factor for each replicate; 1 if left out.

    Returns
    -------
    Model
        With this design in the place of one that it had. :func:`bayesmix.fit` takes `weights`, `strata`, `psu` and
        `cluster_weights` as well.

    Raises
    ------
    TypeError, ValueError
        No column name; settings that do not belong together. With the data: missing, negative, infinite weights,
        text; clusters in several primary sampling units; a stratum with one of them.

    Examples
    --------
    >>> drawn = bm.survey(model, weights="w")
    >>> heavy = df.assign(w=[1.0, 3.0] * 100)
    >>> found = bm.fit(drawn, heavy, starts=2, rounds=1, progress=False)
    >>> found.info["survey"]["scaling"], found.n_individuals
    ('sample', 200)
    """
    check_model(model)
    given = {
        "weights": weights, "strata": strata, "psu": psu, "fpc": fpc, "cluster_weights": cluster_weights,
        "scaling": scaling, "cluster_scaling": cluster_scaling, "lonely": lonely,
        "replicate_weights": replicate_weights, "method": method, "rho": rho, "scale": scale, "rscales": rscales,
    }  # fmt: skip
    held = read_survey(settings_of_survey(given))
    _check_survey(model, held)
    return replace(model, survey=held)


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
        kept = (f for f in kept if not f.metadata.get("later") or getattr(value, f.name) != f.default)
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
        if r.level == "cluster":
            _check_of_clusters(model, r)
    by_name: dict[str, Parameter] = {}
    for t in terms(model):
        if by_name.setdefault(t.parameter.name, t.parameter) != t.parameter:
            raise ValueError(f"Two different parameters are named '{t.parameter.name}': rename one of them.")
    matrices: dict[str, Covariates] = {}
    for c in (t.covariates for t in terms(model) if t.covariates):
        if (same := matrices.setdefault(c.key, c)) != c:
            raise ValueError(
                f"Two different design matrices are named '{c.key}', of '{same.formula}' and of '{c.formula}': rename "
                "one of them."
            )
    for c in model.classes:
        if not isinstance(c.size, int) or isinstance(c.size, bool) or c.size < 1:
            raise ValueError(f"The number of classes came as {c.size!r}: give a whole number of at least 1.")
    lives_in_cluster = model.classes_at("cluster") or model.effects_at("cluster")
    if lives_in_cluster and not model.cluster:
        raise ValueError(
            f"'{lives_in_cluster[0].name}' lives at the cluster level, but the model has no cluster "
            "column: give cluster='the name of the column of cluster labels'."
        )
    _check_stays(model)
    _check_order(model)
    _check_groups(model)
    check_names(model.constraints, by_name)


def _check_of_clusters(model: Model, r: Response) -> None:
    """Refuse answers of clusters where there are none, that depend on rows, or that rows would count several times."""
    below = {c.name for c in model.classes if c.level != "cluster"}
    if not model.cluster:
        raise ValueError(
            f"{', '.join(r.items)} came as answers of clusters, but the model has no cluster column: give cluster=."
        )
    if any(t.effects or t.covariates or below & {*t.dims} for t in r.terms):
        raise ValueError(
            f"{', '.join(r.items)} came as answers of clusters, but depend on something else than classes of clusters."
        )
    if model.freq:
        raise ValueError(
            f"{', '.join(r.items)} came as answers of clusters beside freq='{model.freq}', by which rows stand for "
            "several and a cluster's answer would count as often: give each row, and leave freq= out."
        )


def _check_survey(model: Model, held: Survey) -> None:
    if held.weights and (once := [i for r in model.responses if r.level == "cluster" for i in r.items]):
        raise ValueError(
            f"weights= came for a model with answers of clusters ({', '.join(once)}), which stand in one row each and "
            "would have its weight: give cluster_weights= alone."
        )
    if held.scaling in ("cluster", "effective") and not model.varies_between:
        raise ValueError(
            f"scaling came as '{held.scaling}', but the model has nothing latent in clusters, within which weights "
            "could be scaled: give 'sample' or 'unscaled'."
        )
    if held.scaling == "sample" and model.varies_between:
        raise ValueError(
            "scaling came as 'sample' for a model with something latent in clusters, where weights stand within an "
            "integral: give 'cluster', 'effective' or 'unscaled'."
        )
    if held.replicate_weights and model.varies_between and held.cluster_weights is None:
        raise ValueError(
            "Replicate weights came for a model with something latent in clusters, without cluster_weights=: they are "
            "then those of clusters, and the weights of the full sample must be named beside them; name these (a "
            "column of ones, where all clusters were drawn alike)."
        )
    if held.replicate_weights and held.cluster_weights and not model.varies_between:
        raise ValueError(
            "Replicate weights came beside weights of clusters, but the model has nothing latent in clusters: each row "
            "has one weight then; give the product of both as weights=, and its replicates."
        )


def _check_stays(model: Model) -> None:
    """Refuse to stay in a class that is not there, or was not there before."""
    known: dict[str, LatentClass] = {}
    for c in model.classes:
        if c.stays:
            if len(c.stays) != 2 or any(k not in known or known[k].level != c.level for k in c.stays):
                raise ValueError(
                    f"Class '{c.name}' stays by {c.stays!r}: give two class variables of its level that are declared "
                    "before it, the one whose class is kept and the one in whose last class it is."
                )
            if known[c.stays[0]].size != c.size:
                raise ValueError(
                    f"Class '{c.name}' has {c.size} classes and '{c.stays[0]}' has {known[c.stays[0]].size}: one that "
                    "stays has as many."
                )
        known[c.name] = c


def _check_groups(model: Model) -> None:
    by = [p.name for p in model.parameters if GROUP in p.dims]
    if by and model.group is None:
        raise ValueError(f"'{by[0]}' differs by group, but the model has no group column: give group='its name'.")
    levels = {c.name: c.level for c in model.classes}
    for name, column in model.known:
        if name not in levels:
            raise ValueError(
                f"known= came for the class variable '{name}'; the model has {', '.join(levels) or 'none'}: name one."
            )
        if levels[name] == "item":
            raise ValueError(
                f"known='{column}' came for '{name}', a class of single responses: an individual is in none of its "
                "classes for all items. Leave it out."
            )


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
