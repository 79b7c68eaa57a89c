"""Regressions of one outcome: coefficients by class, of clusters, random; the residual variance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayesmix.checks import one_of
from bayesmix.spec.blocks.classes import COVARIANCES
from bayesmix.spec.blocks.effects import random_class_logits_at_occasion
from bayesmix.spec.families import Family, check_family, normal
from bayesmix.spec.formulas import parse_formula, parse_regression, parse_terms
from bayesmix.spec.model import GROUP, Covariates, Effect, Predictor, Response, Term
from bayesmix.spec.parameters import Parameter, Prior, at

INTERCEPT, LOGITS, FACTOR = "1", "class", "factor"
"""Names of the intercept among coefficients, of the class logits and of their factor among what clusters predict."""


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
        check_family(family := family or normal())
        if INTERCEPT not in terms:
            raise ValueError(f"The regression '{formula}' has no intercept: leave '0' or '-1' out.")
        if not family.is_outcome:
            raise ValueError(
                "A nominal outcome came: a regression takes normal, bernoulli, ordinal or poisson outcomes."
            )
        spread = family.kind == "real" or (variance == "class" and family.kind == "count" and family.auxiliary)
        if variance != "equal" and not spread:
            raise ValueError(f"variance={variance!r} came for an outcome that is not normal: leave it out.")
        if variance not in ("equal", "class") and not family.gaussian:
            raise ValueError(
                f"variance={variance!r} came for a {family.name.replace('_', ' ')} outcome: a variance that depends on "
                "covariates is one of a normal outcome; give 'equal' or 'class'."
            )
        family = normal(linear_variance=True) if variance not in ("equal", "class") else family
        return cls(formula, outcome, tuple(terms), family, variance)

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
        """beta_0 and gamma_k, those that vary over the same classes together, R(18), R(26).

        Parameters
        ----------
        varying : mapping of str to sequence of str
            The coefficients that vary over each class variable.
        """
        out = [Term(p) for p in self.family.outcome_location(_by(INTERCEPT, varying))]
        groups: dict[tuple[str, ...], list[str]] = {}
        for t in self.terms:
            if t != INTERCEPT:
                groups.setdefault(_by(t, varying), []).append(t)
        for classes, terms in groups.items():
            ending = "" if len(groups) == 1 else "_".join(("", "by", *classes)) if classes else "_common"
            dim = f"regressor{ending}"
            coefficient = Parameter(f"coefficient{ending}", (*classes, dim), prior=self.slope_prior)
            out.append(Term(coefficient, Covariates(dim, self.right, only=tuple(terms))))
        return tuple(out)

    def level(self, varying: Mapping[str, Sequence[str]]) -> Predictor:
        """The intercept of an ordinal outcome whose thresholds begin at zero; that of others is in :meth:`fixed`."""
        if not self.family.ordered:
            return ()
        return (Term(Parameter("intercept", _by(INTERCEPT, varying), prior=Prior("DataNormal", sigma=2.5))),)

    def on_clusters(self, between: Mapping[str, str], varying: Mapping[str, Sequence[str]]) -> Predictor:
        """gamma_k1 w_j: regressions of coefficients on covariates of clusters, R(20)-R(22), R(28)-R(30)."""
        out = []
        for t in (t for t in between if t in self.terms):
            dim = f"{_title(t)}_covariate"
            slope = Parameter(f"{_title(t)}_on", (*_by(t, varying), dim), prior=self.slope_prior)
            of_clusters = Covariates(dim, between[t], "cluster")
            out.append(Term(slope, of_clusters if t == INTERCEPT else Covariates(dim, between[t], times=t)))
        return tuple(out)

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
        spread_by = () if self.variance != "class" else ("C",) if classes > 1 else ("D",) if cluster_classes else ()
        spread_by = ((GROUP,) * by_group) + spread_by + (("occasion",) * (occasion is not None))
        declared = self.family.outcome_auxiliary(_by(INTERCEPT, varying), spread_by)
        covariates = {"variance_covariate": Covariates("variance_covariate", self.variance)}
        covariates["occasion"] = Covariates("occasion", occasion or "", cells=True)
        auxiliary = tuple(Term(p, next((covariates[d] for d in p.dims if d in covariates), None)) for p in declared)
        return Response("outcome", (self.outcome,), self.family, eta, auxiliary)


def random_names(terms: Sequence[str]) -> tuple[str, ...]:
    """Names of the effects of random coefficients."""
    return tuple(f"u_{_title(t)}" for t in terms)


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


def _by(term: str, varying: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Groups and class variables over which a coefficient varies, those of clusters first."""
    return tuple(c for c in (GROUP, "D", "C") if term in varying.get(c, ()))


def _title(term: str) -> str:
    """A word for names of parameters: ``log_x`` of log(x)."""
    return "intercept" if term == INTERCEPT else re.sub(r"[^\w:.]+", "_", term).strip("_")
