"""The regression of an outcome: coefficients by class, of clusters, random; the residual variance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayesmix.checks import one_of
from bayesmix.spec.blocks.classes import COVARIANCES
from bayesmix.spec.blocks.effects import random_class_logits_at_occasion
from bayesmix.spec.families import Family, ZeroInflated, check_family, normal
from bayesmix.spec.formulas import parse_formula, parse_regression, parse_terms
from bayesmix.spec.model import GROUP, Covariates, Effect, Predictor, Response, Term
from bayesmix.spec.parameters import Fixed, Parameter, Prior, at

INTERCEPT, LOGITS, FACTOR = "1", "class", "factor"
"""Names of the intercept among coefficients, of the class logits and of their factor among what clusters predict."""
OCCASION = "occasion"
"""The dim of the values of a column, each of which has a residual variance of its own."""


@dataclass(frozen=True)
class Among:
    """Where the parameters of some outcomes stand in a response: alone, or over a dim of outcomes.

    Attributes
    ----------
    dim : str
        That of the outcomes; empty where there is one, whose parameters have none.
    places : tuple of int
        Positions of those that are meant.
    others : tuple of int
        Positions of the others of the response, whose entries are zero and no parameters.
    ending : str
        Of names of parameters and of dims.
    """

    dim: str = ""
    places: tuple[int, ...] = (0,)
    others: tuple[int, ...] = ()
    ending: str = ""

    def parameter(self, name: str, dims: Sequence[str], *, fixed: Sequence[Fixed] = (), **more: Any) -> Parameter:
        """A parameter of these outcomes: ``coefficient[y1, 1, x]``, the outcome first."""
        lead = (self.dim,) if self.dim else ()
        zeros = tuple(at(0.0, **{self.dim: k}) for k in self.others)
        return Parameter(f"{name}{self.ending}", (*lead, *dims), fixed=(*zeros, *fixed), **more)

    def placed(self, p: Parameter, renamed: Mapping[str, str] | None = None) -> Parameter:
        """The parameter of one outcome, of these; with other names of its dims."""
        dims = [(renamed or {}).get(d, d) for d in p.dims]
        return self.parameter(p.name, dims, fixed=p.fixed, support=p.support, prior=p.prior)


ALONE = Among()


@dataclass(frozen=True)
class Regression:
    """A formula, parsed once: the outcome, the terms that have coefficients, the distribution.

    Attributes
    ----------
    formula, outcome : str
    terms : tuple of str
        Names of the coefficients, the intercept ``"1"`` among them.
    family : Family
    variance : str
        "equal", "class", or the formula of covariates on which the residual variance depends, R(17).
    """

    formula: str
    outcome: str
    terms: tuple[str, ...]
    family: Family
    variance: str

    @classmethod
    def parse(cls, formula: str, family: Family | None, variance: str) -> Regression:
        """Take a formula such as ``"math ~ female + stud_ses"``.

        Raises
        ------
        ValueError
            A formula without an outcome or an intercept; a nominal outcome; a variance of what is not normal.
        """
        outcome, terms = parse_regression(formula)
        return cls.of(formula, outcome, terms, family, variance)

    @classmethod
    def of(cls, formula: str, outcome: str, terms: Sequence[str], family: Family | None, variance: str) -> Regression:
        """Take the terms of an outcome: as :meth:`parse`."""
        check_family(family := family or normal())
        if INTERCEPT not in terms:
            raise ValueError(f"The regression '{formula}' has no intercept: leave '0' or '-1' out.")
        if not family.is_outcome:
            raise ValueError(
                "A nominal outcome came: a regression takes normal, bernoulli, ordinal or poisson outcomes."
            )
        if not may_have(family, variance):
            more = ", or give inflation_by_class=True" if isinstance(family, ZeroInflated) else ""
            raise ValueError(f"variance={variance!r} came for an outcome that is not normal: leave it out{more}.")
        if variance not in ("equal", "class") and not family.gaussian:
            raise ValueError(
                f"variance={variance!r} came for a {family.name.replace('_', ' ')} outcome: a variance that depends on "
                "covariates is one of a normal outcome; give 'equal' or 'class'."
            )
        family = normal(linear_variance=True) if variance not in ("equal", "class") else family
        return cls(formula, outcome, tuple(terms), family, variance)

    @property
    def linear_variance(self) -> bool:
        """Whether the residual variance depends on covariates."""
        return self.variance not in ("equal", "class")

    @property
    def right(self) -> str:
        """The formula's right side."""
        return self.formula.partition("~")[2].strip()

    @property
    def sd_prior(self) -> Prior:
        """The prior of SDs of random coefficients."""
        return self.family.sd_prior

    @property
    def slope_prior(self) -> Prior:
        """The prior of slopes."""
        return self.family.slope_prior

    def terms_in(self, chosen: str | None, when: object = True) -> tuple[str, ...]:
        """Coefficients that are chosen, in the formula's order: all if None, none unless `when`.

        Raises
        ------
        ValueError
            One that is no term of the formula.
        """
        if not when:
            return ()
        wanted = self.terms if chosen is None else parse_terms(chosen)
        if unknown := [t for t in wanted if t not in self.terms]:
            raise ValueError(
                f"'{unknown[0]}' is no coefficient of '{self.formula}': give some of {', '.join(self.terms)} ('1' is "
                "the intercept)."
            )
        return tuple(t for t in self.terms if t in wanted)

    def between(
        self, given: str | Mapping[str, str] | None, random: Sequence[str], classes: int, effects: str
    ) -> dict[str, str]:
        """The formula of cluster covariates of each coefficient, of the class logits and of their factor.

        Parameters
        ----------
        given : str or mapping of str to str, optional
            As in :func:`bayesmix.models.regression_mixture`.
        random : sequence of str
            Random coefficients.
        classes, effects
            Of the class logits.

        Raises
        ------
        ValueError
            A formula for something else, or for the logits and their factor both.
        """
        if given is None:
            return {}
        if isinstance(given, str) and "~" in given:
            parts = (part.partition("~") for part in given.split(";") if part.strip())
            given = {name.strip(): formula.strip() for name, _, formula in parts}
        if isinstance(given, str):
            return dict.fromkeys([*random, *([LOGITS] if classes > 1 else [])], given)
        known = [*self.terms, *([LOGITS] if classes > 1 else [])]
        known += [FACTOR] if classes > 1 and effects != "none" else []
        without = (LOGITS, FACTOR) if classes == 1 else ()
        if unknown := [k for k in given if k not in (*known, *without)]:
            raise ValueError(f"cluster_covariates came for '{unknown[0]}': give some of {', '.join(known)}.")
        if LOGITS in given and FACTOR in given:
            raise ValueError("cluster_covariates came for 'class' and 'factor': 'class' has those of the factor in it.")
        return {t: given[t] for t in known if t in given}

    def time_of(self, growing: Sequence[str]) -> str | None:
        """The first column in the terms that are growth factors, or else in any: of time, where nothing is said."""
        terms = [t for t in (*growing, *self.terms) if t != INTERCEPT]
        return next((column for t in terms for column in parse_formula(t)), None)

    # the linear predictor ---------------------------------------------------------------------------

    def fixed(self, varying: Mapping[str, Sequence[str]]) -> Predictor:
        """beta_0 and gamma_k, R(18), R(26).

        Parameters
        ----------
        varying : mapping of str to sequence of str
            The coefficients that vary over each class variable.
        """
        return (*self.intercept(varying), *self.slopes(varying))

    def intercept(self, varying: Mapping[str, Sequence[str]], among: Among = ALONE) -> Predictor:
        """beta_0; none of an outcome with thresholds."""
        return tuple(Term(among.placed(p)) for p in self.family.outcome_location(by(INTERCEPT, varying)))

    def slopes(self, varying: Mapping[str, Sequence[str]], among: Among = ALONE) -> Predictor:
        """gamma_k, those that vary over the same classes together."""
        out = []
        groups: dict[tuple[str, ...], list[str]] = {}
        for t in self.terms:
            if t != INTERCEPT:
                groups.setdefault(by(t, varying), []).append(t)
        for classes, terms in groups.items():
            ending = "" if len(groups) == 1 else over(classes)
            dim = f"regressor{ending}{among.ending}"
            coefficient = among.parameter(f"coefficient{ending}", (*classes, dim), prior=self.slope_prior)
            out.append(Term(coefficient, Covariates(dim, self.right, only=tuple(terms))))
        return tuple(out)

    def level(self, varying: Mapping[str, Sequence[str]]) -> Predictor:
        """The intercept of an ordinal outcome whose thresholds begin at zero; that of others is in :meth:`fixed`."""
        if not self.family.ordered:
            return ()
        return (Term(Parameter("intercept", by(INTERCEPT, varying), prior=Prior("DataNormal", sigma=2.5))),)

    def on_clusters(self, between: Mapping[str, str], varying: Mapping[str, Sequence[str]]) -> Predictor:
        """gamma_k1 w_j: regressions of coefficients on covariates of clusters, R(20)-R(22), R(28)-R(30)."""
        return tuple(self.on_cluster(t, between[t], varying) for t in between if t in self.terms)

    def on_cluster(self, t: str, formula: str, varying: Mapping[str, Sequence[str]], among: Among = ALONE) -> Term:
        """The regression of the coefficient `t` on covariates of clusters."""
        dim = f"{title(t)}_covariate{among.ending}"
        slope = among.parameter(f"{title(t)}_on", (*by(t, varying), dim), prior=self.slope_prior)
        of_clusters = Covariates(dim, formula, "cluster")
        return Term(slope, of_clusters if t == INTERCEPT else Covariates(dim, formula, times=t))

    def random(self, terms: Sequence[str]) -> Predictor:
        """u_0j + sum_k u_kj x_kij of the random coefficients `terms`."""
        names = random_names(terms)
        if not names:
            return ()
        if tuple(terms) == (INTERCEPT,):
            return (Term(Parameter("random", ("random_effect",), fixed=(at(1.0),)), None, names, "random_effect"),)
        columns = Covariates("random_regressor", self.right, only=tuple(terms), single=True)
        return (
            Term(Parameter("random", ("random_effect", "random_regressor"), "unit"), columns, names, "random_effect"),
        )

    def random_among(self, terms: Sequence[str], outcomes: Sequence[str], among: Among) -> Term:
        """u_0j + sum_k u_kj x_kij of several outcomes with the same random coefficients `terms`."""
        names = [name for y in outcomes for name in random_names(terms, y)]
        effect, column = (f"{d}{among.ending}" for d in ("random_effect", "random_regressor"))
        alone = tuple(terms) == (INTERCEPT,)
        ones = []
        for k in range(len(names)):
            where = {effect: k, among.dim: among.places[k // len(terms)]} | ({} if alone else {column: k % len(terms)})
            ones.append(at(1.0, **where))
        dims = (effect, among.dim, *(() if alone else (column,)))
        loading = Parameter(f"random{among.ending}", dims, fixed=(at(0.0), *ones))
        columns = None if alone else Covariates(column, self.right, only=tuple(terms), single=True)
        return Term(loading, columns, tuple(names), effect)

    def spread_by(self, classes: int, cluster_classes: int, by_group: bool) -> tuple[str, ...]:
        """The groups and classes over which the residual variance varies."""
        of_classes = () if self.variance != "class" else ("C",) if classes > 1 else ("D",) if cluster_classes else ()
        return (GROUP,) * by_group + of_classes

    def auxiliary(self, varying: Mapping[str, Sequence[str]], spread_by: tuple[str, ...]) -> tuple[Parameter, ...]:
        """Thresholds, or what the residual variance R(17) is made of."""
        return self.family.outcome_auxiliary(by(INTERCEPT, varying), spread_by)

    def auxiliary_terms(
        self, declared: Sequence[Parameter], ending: str = "", occasion: str | None = None
    ) -> Predictor:
        """Terms of further parameters, with the covariates of those that have some."""
        dim = f"variance_covariate{ending}"
        covariates = {dim: Covariates(dim, self.variance)}
        covariates[OCCASION] = Covariates(OCCASION, occasion or "", cells=True)
        return tuple(Term(p, next((covariates[d] for d in p.dims if d in covariates), None)) for p in declared)

    def growth_scores(self, names: Mapping[str, str]) -> Term:
        """Growth factors, named by their terms, times the columns of these: where rows are measurements of persons."""
        columns = Covariates("growth_score", self.right, only=tuple(names), single=True, rows=True)
        loadings = Parameter("time_score", ("growth", columns.name), "unit")
        return Term(loadings, columns, tuple(names.values()), "growth")

    def of_rows(self, terms: Sequence[str], by_group: bool = False) -> Predictor:
        """Coefficients of `terms` that are the same for all persons, likewise."""
        if not terms:
            return ()
        columns = Covariates("regressor", self.right, only=tuple(terms), rows=True)
        dims = (*(GROUP,) * by_group, columns.name)
        return (Term(Parameter("coefficient", dims, prior=self.slope_prior), columns),)

    def response(
        self,
        eta: Predictor,
        varying: Mapping[str, Sequence[str]],
        classes: int,
        cluster_classes: int,
        by_group: bool = False,
        occasion: str | None = None,
    ) -> Response:
        """The outcome with its linear predictor, and thresholds or the residual variance R(17).

        That has a value of its own at each of the few values of the column `occasion`, where one is given.
        """
        spread_by = (*self.spread_by(classes, cluster_classes, by_group), *((OCCASION,) if occasion else ()))
        declared = self.auxiliary(varying, spread_by)
        return Response("outcome", (self.outcome,), self.family, eta, self.auxiliary_terms(declared, occasion=occasion))


def may_have(family: Family, variance: str) -> bool:
    """Whether outcomes of a family have a residual variance, or a dispersion, such as `variance` says."""
    return variance == "equal" or family.kind == "real" or (variance == "class" and "dispersion" in family.auxiliary)


def random_names(terms: Sequence[str], outcome: str = "") -> tuple[str, ...]:
    """Names of the effects of random coefficients; of one of several outcomes with its name: ``u_y1_intercept``."""
    return tuple("_".join(["u", *([title(outcome)] if outcome else []), title(t)]) for t in terms)


def random_class_logits_of_regression(
    classes: int, effects: str, earlier: Sequence[str], covariates: str | None, by: Sequence[str] = ()
) -> tuple[tuple[Effect, ...], Predictor]:
    """Random parts of the class logits, R(23)-R(25), regressed on those of the coefficients, `earlier`.

    Raises
    ------
    ValueError
        Unknown `effects`; some, where the covariance matrix depends on the classes `by`.
    """
    one_of("effects", effects, COVARIANCES)
    if by and effects != "none":
        raise ValueError(
            f"effects_by_cluster_class=True came with effects={effects!r}: where the class logits have random parts, "
            "the covariance matrix is common to the classes of clusters; give effects='none', or leave it out."
        )
    if effects == "none" or classes < 2:
        return (), ()
    names = ["f"] if effects == "factor" else [f"a{k}" for k in range(1, classes)]
    made, loading = random_class_logits_at_occasion("C", names, earlier, covariates)
    return made, (loading,)


def by(term: str, varying: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Groups and class variables over which a coefficient varies, those of clusters first."""
    return tuple(c for c in (GROUP, "D", "C") if term in varying.get(c, ()))


def over(classes: Sequence[str]) -> str:
    """The ending of what varies over these classes, where something else varies over others."""
    return "_".join(("", "by", *classes)) if classes else "_common"


def title(term: str) -> str:
    """A word for names of parameters: ``log_x`` of log(x)."""
    return "intercept" if term == INTERCEPT else re.sub(r"[^\w:.]+", "_", term).strip("_")
