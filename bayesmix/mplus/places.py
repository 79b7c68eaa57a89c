"""Where a model's parameters stand in Mplus's language: one table, for reading results and for writing statements.

Of the entries theta of a parameter, Mplus's parameter is m = g(sum_k a_k theta_k): the threshold of a binary item is
minus its intercept, a variance the square of an SD; a class regressed on another has the logits of the last class
as its means, and differences to these as its slopes. Covariances of growth factors, and probabilities of classes, are
functions of several entries. What Mplus has no words for is refused, by the part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from bayesmix.spec import GROUP, Model, Term, parse_formula

Entry = tuple[str, tuple[int, ...]]
"""A parameter's name, and the position in it."""
Scope = tuple[tuple[str, int], ...]
"""Classes that something is stated for: Mplus names of class variables, each with a class from 0."""
Combination = tuple[tuple[float, Entry], ...]


@dataclass(frozen=True)
class Form:
    """A function g, its inverse, and the derivative of the inverse by m."""

    of: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


PLAIN = Form(lambda x: x, lambda m: m, lambda m: 1.0)
VARIANCE = Form(lambda sd: sd**2, lambda m: float(np.sqrt(m)) if m >= 0 else np.nan,
                lambda m: 0.5 / np.sqrt(m) if m > 0 else np.nan)  # fmt: skip
GUESSING = Form(
    lambda g: float(np.log1p(-g) - np.log(g)),
    lambda m: float(1 / (1 + np.exp(m))),
    lambda m: float(np.exp(-abs(m)) / (1 + np.exp(-abs(m))) ** 2),
)
INFLATION = Form(
    lambda w: float(np.log(w) - np.log1p(-w)) if 0 < w < 1 else (-np.inf if w <= 0 else np.inf),
    lambda m: float(1 / (1 + np.exp(-m))),
    lambda m: float(np.exp(-abs(m)) / (1 + np.exp(-abs(m))) ** 2),
)


@dataclass(frozen=True)
class Place:
    """A parameter of Mplus.

    Attributes
    ----------
    heading, outcome, variable : str
        As in MODEL RESULTS: ``Thresholds``, empty, ``U1$1``; ``ON``, ``C#1``, ``X``.
    combination : tuple of (float, Entry)
        The entries it is made of; none of a constant.
    scope : tuple of (str, int)
        The classes it is stated for, by the Mplus names of their variables, from 0.
    between : bool
        Whether it is of the level of clusters.
    form : Form
    joint : callable, optional
        m of the values of all parameters, where it is no function of one sum.
    """

    heading: str
    outcome: str
    variable: str
    combination: Combination
    scope: Scope = ()
    between: bool = False
    form: Form = PLAIN
    joint: Callable[[Mapping[str, Any]], float] | None = None

    def value(self, params: Mapping[str, Any]) -> float:
        """Mplus's value of it at values of the parameters."""
        if self.joint is not None:
            return self.joint(params)
        return float(self.form.of(sum(a * float(params[name].values[at]) for a, (name, at) in self.combination)))


def refusal(part: str, hint: str = "") -> ValueError:
    """What is raised of a part that Mplus's language, as far as it is known here, does not have."""
    return ValueError(f"Mplus cannot be told {part}{': ' + hint if hint else ''}. Write the rest without it.")


@dataclass(frozen=True)
class Words:
    """What is known beside the declaration.

    Attributes
    ----------
    names : mapping of str to str
        The Mplus name of each column, class variable and effect.
    categories : mapping of str to int
        The number of categories of each item that has some.
    groups : int
        The number of observed groups.
    group_class : str
        The Mplus name of the class variable that they are.
    """

    names: Mapping[str, str]
    categories: Mapping[str, int]
    groups: int = 0
    group_class: str = "CG"


def variables(model: Model, words: Words) -> dict[str, tuple[str, int]]:
    """Class variables by their dims, groups the first of them: the Mplus name and the number of classes."""
    own = {c.name: (words.names[c.name], c.size) for c in model.classes}
    return ({GROUP: (words.group_class, words.groups)} if model.group is not None else {}) | own


def sizes(model: Model, words: Words) -> dict[str, int]:
    """The number of classes by dim."""
    return {d: n for d, (_, n) in variables(model, words).items()}


def scopes(model: Model, words: Words, t: Term, at: Mapping[str, int] | None = None) -> Iterator[tuple[dict, Scope]]:
    """The classes that the parameter of a term depends on: positions, and how Mplus refers to them.

    Entries at positions `at` that are alike in all groups are stated once, for all of these.

    Raises
    ------
    ValueError
        Classes of clusters beside other ones.
    """
    known = variables(model, words)
    own = [d for d in known if d in t.dims]
    clusters = [c.name for c in model.classes_at("cluster") if c.name in own]
    if clusters and len(own) > 1:
        a, b = own[:2]
        raise refusal(f"parameters that depend on {a} and {b} both")
    alike = any(a.over == GROUP and all((at or {}).get(d) == k for d, k in a.positions if d) for a in t.parameter.alike)
    for places in product(*(range(known[d][1]) for d in own)):
        here = dict(zip(own, places, strict=True))
        if alike and here.get(GROUP):
            continue
        yield here, tuple((known[d][0], k) for d, k in here.items() if not (alike and d == GROUP))


def columns(t: Term) -> list[str]:
    """The covariates of a term, in the order of its parameter; an offset's expression as it stands."""
    assert t.covariates
    if t.covariates.offset:
        return [t.covariates.formula.strip()]
    named = [w.strip() for w in t.covariates.formula.split("+")]
    return [w for w in named if w != "1" and (t.covariates.only is None or w in t.covariates.only)]


class Index:
    """Positions in a parameter by names of dims, as the term names them."""

    def __init__(self, t: Term) -> None:
        self.name, self.dims = t.parameter.name, t.dims

    def __call__(self, **at: int) -> Entry:
        """The entry at positions, of which there may be more than it has dims."""
        return self.name, tuple(at[d] for d in self.dims)


def fixed_value(parameter, at: tuple[int, ...], sizes: Mapping[str, int] | None = None) -> float | None:
    """The value at which the entry `at` of a parameter is fixed; None of a free one.

    A position of -1 is the last one, for which `sizes` of dims must be known.
    """
    for f in parameter.fixed:
        hits = []
        for dim, k in f.positions:
            i = at[parameter.dims.index(dim)]
            hits.append(i == (k if k >= 0 else (sizes or {}).get(dim, -1) + k))
        if all(hits):
            return f.value
    return None


def held(t: Term, entry: Entry, sizes: Mapping[str, int]) -> float | None:
    """The value at which an entry of a term's parameter is fixed, whatever its dims are called there."""
    shared = {shared: sizes.get(own, -1) for shared, own in t.rename}
    return fixed_value(t.parameter, entry[1], {**sizes, **shared})


# what can be said ---------------------------------------------------------------------------------


def check(model: Model) -> None:
    """Refuse what has no place.

    Raises
    ------
    ValueError
        The part, and what may be done.
    """
    if own := [str(e.column) for e in model.normal_covariates]:
        x = own[0]
        hint = (
            f"write the model without bm.with_covariates, and add '[{x}] (m); {x} (v);' to %OVERALL% and '[{x}] (m);' "
            f"to every class, so that '{x}' is a variable whose mean and variance are the same in all of them, and its "
            "regression on the complete covariates by ON"
        )
        raise refusal(f"normal covariates ({', '.join(own)})", hint)
    if model.classes_at("item"):
        raise refusal("a class for every response", "memberships of single responses need data with a row a response")
    _check_groups(model)
    terms = [t for part in (*model.classes, *model.effects, *model.responses) for t in part.terms]
    for t in terms:
        if t.covariates and t.covariates.offset:
            continue
        if t.covariates and (odd := [x for x in parse_formula(t.covariates.formula) if not _is_column(t, x)]):
            raise refusal(f"the formula '{t.covariates.formula}'", f"make '{odd[0]}' a column of its own")
        if t.covariates and t.covariates.times:
            raise refusal("random slopes on covariates of clusters")
    if (
        model.is_regression
        and not intercept_varies(model)
        and any(t.covariates and t.covariates.level == "cluster" for r in model.responses for t in r.terms)
    ):
        raise refusal("covariates of clusters in an intercept that does not vary", "name them in the formula itself")
    if (some := random_intercepts(model)) and (rest := [y for y in model.items if y not in some]):
        raise refusal(f"random intercepts of some outcomes alone, not of '{rest[0]}'", "give all of them one, or none")
    if len(model.classes_at("cluster")) > 0 and any(
        "D" in t.dims and c.level == "individual" and t.effects for c in model.classes for t in c.terms
    ):
        raise refusal("random effects whose covariance depends on the classes of clusters")
    if model.lasting and model.effects_at("cluster"):
        raise refusal("random effects of clusters beside classes of chains")
    if any(c.stays for c in model.classes):
        _check_stayers(model)


def _check_groups(model: Model) -> None:
    """Refuse groups and known classes that KNOWNCLASS and TRAINING do not say."""
    if model.known and (len(model.classes) > 1 or model.group is not None):
        raise refusal(
            f"the known classes of '{model.known[0][1]}' beside another class variable",
            "TRAINING is of models with one class variable",
        )
    if (
        model.group is not None
        and model.two_level
        and any(
            GROUP in t.dims for part in (*model.classes_at("cluster"), *model.effects_at("cluster")) for t in part.terms
        )
    ):
        raise refusal(f"parameters of clusters that differ between the groups of '{model.group}'")


def _check_stayers(model: Model) -> None:
    """Refuse what has no place where classes have probabilities for parameters, which stayers take."""
    for c in model.classes:
        plain = [t for t in c.terms if not t.covariates and not t.effects]
        what = "main effects of several classes" if len(plain) > 1 else ""
        what = "random effects" if any(t.effects for t in c.terms) else what
        what = "covariates" if any(t.covariates for t in c.terms) else what
        if what:
            raise refusal(
                f"{what} of class logits beside stayers",
                "their probabilities of 0 and 1 take PARAMETERIZATION = PROBABILITY, which has none",
            )


def _is_column(t: Term, column: str) -> bool:
    """Whether `column` stands in the formula as itself: a sum of names."""
    assert t.covariates
    return column in [w.strip() for w in t.covariates.formula.split("+")] and column.isidentifier()


def intercept_varies(model: Model) -> bool:
    """Whether the intercept of an outcome varies between clusters: then it is a variable of theirs."""
    return model.is_regression and any(e.name.startswith("u_") for e in model.effects_at("cluster"))


def random_intercepts(model: Model) -> list[str]:
    """The outcomes with a random intercept of clusters, where there are several outcomes."""
    own = {e.name for e in model.effects_at("cluster")}
    found = [(r, x) for r in model.responses if r.of_outcomes for t in r.predictor for x in r.coefficients(t)]
    return [r.items[i] for r, (e, i, _) in found if e in own]


def outcome_of(model: Model, effect: str) -> str:
    """The outcome of which an effect is the random intercept."""
    of = {e: r.items[i] for r in model.responses if r.of_outcomes for t in r.predictor for e, i, _ in r.coefficients(t)}
    return of.get(effect, model.items[0])


def grows(model: Model, names: Sequence[str]) -> bool:
    """Whether effects are growth factors: sums of others."""
    return bool({*names} & {e.name for e in model.sums})
