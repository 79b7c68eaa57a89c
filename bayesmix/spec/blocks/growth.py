"""Growth: repeated measures of persons on growth factors, whose loadings are the times of measurement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from bayesmix.checks import one_of, whole
from bayesmix.spec.blocks.effects import random_coefficients, regression_on
from bayesmix.spec.blocks.inflation import with_inflation
from bayesmix.spec.blocks.measurement import item_responses
from bayesmix.spec.blocks.priors import ITEM_LOADING
from bayesmix.spec.families import FAMILIES, Family, check_family, normal
from bayesmix.spec.model import GROUP, Covariates, Effect, Level, Model, Response, Term
from bayesmix.spec.parameters import Parameter, Prior, at

FACTORS = ("I", "S", "Q", "CU")
"""Growth factors: intercept, slope, quadratic and cubic, as Mplus abbreviates them."""
BY_CLASS = ("means", "slopes", "variances", "covariances")
BY_GROUP = ("means", "slopes", "variances", "covariances", "residuals", "thresholds", "time_effects", "distal")
"""What may differ between observed groups: of growth factors, then of the measure, of covariates of occasions, distal
outcomes."""
VARIANCES = ("equal", "occasion", "class", "class and occasion")
COVARIANCES = ("unrestricted", "independent")
ONE = Parameter("random", fixed=(at(1.0),))
"""What multiplies the residual of a growth factor in it."""
LEVEL_PRIOR = Prior("DataNormal", sigma=2.5)


# loadings -----------------------------------------------------------------------------------------


def growth_loadings(items: Sequence[str], times: Any, degree: Any, free_times: Any) -> Term:
    """The growth factors in the predictor of each occasion: I + S t + Q t^2 + ..., the scores t fixed or free.

    Parameters
    ----------
    items : sequence of str
        A column an occasion.
    times : sequence of float, optional
        The scores; 0, 1, 2, ... if left out.
    degree : int
        Of the polynomial.
    free_times : sequence of str
        Occasions whose score is estimated.

    Raises
    ------
    ValueError
        One occasion, other numbers of times than of items, equal times, a polynomial that they do not determine, free
        scores of which no two are fixed.
    """
    if len(items) < 2:
        raise ValueError(
            f"Growth came with {len(items)} occasion{'' if len(items) == 1 else 's'}: give a column for each of at "
            "least two, in the order of time."
        )
    scores = _scores(items, times)
    degree = whole("degree", degree, 0, ": 0 for a level, 1 for a line, 2 for a quadratic curve")
    if degree >= len(FACTORS):
        raise ValueError(f"degree came as {degree}: give {len(FACTORS) - 1} at most, a cubic curve.")
    if degree >= len(items):
        raise ValueError(
            f"degree came as {degree} for {len(items)} occasions, which determine a polynomial of degree "
            f"{len(items) - 1} at most: give a lower degree."
        )
    free = _free(items, free_times, degree)
    fixed = tuple(
        at(float(t) ** k, growth=k, item=i)
        for k in range(degree + 1)
        for i, t in enumerate(scores)
        if not (k == 1 and items[i] in free)
    )
    loading = Parameter("time_score", ("growth", "item"), prior=ITEM_LOADING, fixed=fixed)
    return Term(loading, None, FACTORS[: degree + 1], "growth")


def _scores(items: Sequence[str], times: Any) -> list[float]:
    """Take the times: as many numbers as items, all of them different."""
    if times is None:
        return [float(k) for k in range(len(items))]
    several = [times] if isinstance(times, (str, Real)) else list(times)
    if odd := [t for t in several if isinstance(t, bool) or not isinstance(t, (Real, np.number))]:
        raise ValueError(f"times came with {odd[0]!r}: give a number for each occasion, such as [0, 1, 2, 3].")
    out = [float(t) for t in several]
    if len(out) != len(items):
        raise ValueError(
            f"times came with {len(out)} numbers for {len(items)} items ({', '.join(items)}): give one for each."
        )
    if not np.isfinite(out).all():
        raise ValueError(f"times came with {next(t for t in out if not np.isfinite(t))}: give finite numbers.")
    if len(set(out)) == 1:
        raise ValueError(f"times came as {out[0]:g} for every occasion: a slope needs times that differ.")
    if twice := [t for k, t in enumerate(out) if t in out[:k]]:
        raise ValueError(
            f"times came with {twice[0]:g} twice: each occasion has a time of its own; two measures at one time are "
            "two models."
        )
    return out


def _free(items: Sequence[str], free_times: Any, degree: int) -> set[str]:
    """Take the occasions whose score is estimated."""
    several = [free_times] if isinstance(free_times, str) else list(free_times)
    if unknown := [i for i in several if i not in items]:
        raise ValueError(
            f"free_times came with {unknown[0]!r}, which is not among the items: give some of {', '.join(items)}."
        )
    if several and degree != 1:
        raise ValueError(
            f"free_times came with degree={degree}: free scores are those of one slope, whose curve they are; give "
            "degree=1."
        )
    if len({*items} - {*several}) < 2:
        raise ValueError(
            f"free_times came with {len({*several})} of {len(items)} occasions: two must be fixed, which give the "
            "slope its origin and its unit; leave two out."
        )
    return {*several}


# growth factors -----------------------------------------------------------------------------------


def growth_parts(by_class: str, classes: int, random: Sequence[str]) -> set[str]:
    """What varies over the classes, as in ``"means + covariances"``, where there is something of the kind.

    Raises
    ------
    ValueError
        Another word; variances without random growth factors, covariances without two of them.
    """
    out = {w.strip() for w in str(by_class).split("+")}
    if unknown := out - {*BY_CLASS}:
        raise ValueError(f"by_class came with '{sorted(unknown)[0]}': name some of {', '.join(BY_CLASS)}.")
    for part, least in (("variances", 1), ("covariances", 2)):
        if part in out and len(random) < least:
            raise ValueError(
                f"by_class came with '{part}', but {len(random)} growth factors vary within classes: that takes "
                f"{least} at least; name them under random=."
            )
    return out if classes > 1 else set()


def growth_by_group(by_group: str, group: str | None, **there: object) -> frozenset[str]:
    """What differs between observed groups, as in ``"means + residuals"``; all that there is if it is "free".

    Parameters
    ----------
    by_group : str
    group : str, optional
        The column of groups.
    **there
        By the parts of BY_GROUP, whether the model has any.

    Raises
    ------
    ValueError
        Another word, a part that there is nothing of, parts without groups.
    """
    words = [w.strip() for w in str(by_group).split("+")]
    if words != ["equal"] and group is None:
        raise ValueError(f"by_group={by_group!r} came without groups: give group='the column of groups'.")
    if words == ["equal"]:
        return frozenset()
    if words == ["free"]:
        return frozenset(p for p in BY_GROUP if there.get(p))
    if unknown := [w for w in words if w not in BY_GROUP]:
        raise ValueError(
            f"by_group came with '{unknown[0]}': give 'equal', 'free', or some of {', '.join(BY_GROUP)} joined by +."
        )
    if none := [w for w in words if not there.get(w)]:
        own = ", ".join(p for p in BY_GROUP if there.get(p))
        raise ValueError(f"by_group came with '{none[0]}', of which the model has none: it has {own}.")
    return frozenset(words)


def check_groups_differ(model: Model) -> None:
    """Refuse groups between which nothing differs.

    Raises
    ------
    ValueError
        The column.
    """
    alone = {t.parameter.name for c in model.classes if c.size == 1 for t in c.terms}
    if model.group is not None and not any(GROUP in p.dims for p in model.parameters if p.name not in alone):
        raise ValueError(
            f"group='{model.group}' came, but nothing differs between groups: name it under by_group=, such as 'means' "
            "or 'free', or leave group= out."
        )


def random_growth(random: str | None, names: Sequence[str], option: str = "random") -> tuple[str, ...]:
    """The growth factors that vary, in their order: all of them if left out, none at ``"0"``.

    They are named as results name them, or as terms of time: ``"I + S"``, ``"1 + time"``.

    Raises
    ------
    ValueError
        Something else.
    """
    if random is None:
        return tuple(names)
    terms = {"1": "I", "time": "S", "time^2": "Q", "time^3": "CU"}
    words = [w.strip().replace("**", "^") for w in str(random).split("+") if w.strip()]
    if words == ["0"]:
        return ()
    chosen = [terms.get(w, w) for w in words]
    if unknown := [w for w, n in zip(words, chosen, strict=True) if n not in names]:
        known = ", ".join(f"{n} (or {t})" for t, n in terms.items() if n in names)
        raise ValueError(f"{option} came with '{unknown[0]}': name some of {known}, or give '0' for none.")
    return tuple(n for n in names if n in chosen)


def growth_residuals(
    names: Sequence[str],
    level: Level,
    covariance: str,
    prior: Prior,
    variances: Sequence[str] = (),
    covariances: Sequence[str] = (),
) -> tuple[Effect, ...]:
    """Residuals of growth factors: jointly normal with mean zero.

    Where SDs and correlations vary over the same classes each is regressed on those before it. Where one of them is
    common to the classes, the SDs are parameters, and the correlations those of regressions with residuals of SD 1:
    every matrix that comes out is positive definite.

    Parameters
    ----------
    names : sequence of str
        Of the effects.
    level : {"individual", "cluster"}
    covariance : {"unrestricted", "independent"}
    prior : Prior
        Of the SDs.
    variances, covariances : sequence of str
        Class variables, and groups, that the SDs and the correlations depend on.
    """
    if covariance == "independent" or {*variances} == {*covariances}:
        made = random_coefficients(names, covariance, variances, prior)
        return tuple(replace(e, level=level) for e in made)
    out = []
    for k, name in enumerate(names):
        mean = (regression_on(name, names[:k], covariances),) if k else ()
        sd = Term(Parameter(f"{name}_sd", tuple(variances), "sd", prior))
        out.append(Effect(name, level, mean, sd, standard=True))
    return tuple(out)


def growth_factors(
    names: Sequence[str],
    random: Sequence[str],
    clusters: Sequence[str],
    covariates: str | None,
    means: Sequence[str] = (),
    slopes: Sequence[str] = (),
) -> tuple[Effect, ...]:
    """Growth factors of persons: mu_c + Gamma_c x + v_j + u, the sum of what is declared before them.

    Parameters
    ----------
    names : sequence of str
        Of the growth factors.
    random, clusters : sequence of str
        Those that vary within classes, between clusters.
    covariates : str, optional
        Formula of covariates of individuals that predict them.
    means, slopes : sequence of str
        Class variables, and groups, that mu and Gamma depend on.
    """
    out = []
    for name in names:
        mean = [Term(Parameter(f"{name}_mean", tuple(means), prior=LEVEL_PRIOR))]
        if covariates is not None:
            x = Covariates("factor_covariate", covariates)
            mean.append(Term(Parameter(f"{name}_slope", (*slopes, x.name), prior=LEVEL_PRIOR), x))
        for part, some in (("u", random), ("v", clusters)):
            if name in some:
                mean.append(Term(ONE, effects=(f"{part}_{name}",)))
        out.append(Effect(name, "individual", tuple(mean), residual=False))
    return tuple(out)


# responses ----------------------------------------------------------------------------------------


def growth_family(family: Family | None) -> Family:
    """Take the distribution of an occasion: normal if nothing is said.

    Raises
    ------
    ValueError
        Nominal, with guessing, or with a variance that depends on covariates.
    """
    check_family(family := family or normal())
    if not family.is_outcome or "guessing" in family.auxiliary or "variance" in family.auxiliary:
        raise ValueError(
            f"Growth came with the family {family}: give normal(), bernoulli(), ordinal(), poisson(), "
            "negative_binomial() or one of the zero-inflated ones."
        )
    return family


def repeated_measures(
    items: Sequence[str],
    family: Family,
    loadings: Term,
    variance: str,
    classes: int,
    by_group: Collection[str] = (),
    inflation: str = "equal",
) -> Response:
    """The occasions of one measure: the growth factors on their loadings, and what the family has besides.

    An ordinal measure has the same thresholds at every occasion, the first of them zero: the intercept has a mean in
    every class.

    Raises
    ------
    ValueError
        An unknown inflation, or one for what has none.
    """
    one_of("The inflation", inflation, VARIANCES)
    spread, inflated = (
        (*(["C"] if "class" in by and classes > 1 else []), *(["item"] if "occasion" in by else []))
        for by in (variance, inflation)
    )
    thresholds, residuals = ((GROUP,) * (part in by_group) for part in ("thresholds", "residuals"))
    auxiliary = family.outcome_auxiliary(thresholds, (*residuals, *spread))
    r = Response("growth", tuple(items), family, (loadings,), tuple(map(Term, auxiliary)))
    (r,) = with_inflation((r,), None, inflated, asked=f"inflation={inflation!r}" * (inflation != "equal"))
    return with_thresholds_from_zero(r)


def has_variance(family: Family) -> bool:
    """Whether a family has residual variances or dispersions."""
    return any(p.domain.bounds == (0.0, None) for p in family.outcome_auxiliary((), ()))


def check_has_variance(family: Family, variance: str) -> None:
    """Refuse what residual variances differ by, of a family without any.

    Raises
    ------
    ValueError
        An unknown setting; one for such a family.
    """
    one_of("The variance", variance, VARIANCES)
    if variance != "equal" and not has_variance(family):
        raise ValueError(f"variance={variance!r} came for the family {family}, which has none: leave it out.")


def with_thresholds_from_zero(r: Response) -> Response:
    """The response with thresholds of which the first is zero, where it has some."""

    def from_zero(t: Term) -> Term:
        held = replace(t.parameter, fixed=(at(0.0, threshold=0),)) if t.parameter.domain.is_ordered else t.parameter
        return replace(t, parameter=held)

    return replace(r, auxiliary=tuple(map(from_zero, r.auxiliary)))


def check_growth_variances(occasions: int, random: int, covariance: str, variance: str) -> None:
    """Refuse more variances and covariances of growth factors and residuals than those of the occasions determine.

    Raises
    ------
    ValueError
        How many there are, and what to do.
    """
    of_factors = random * (random + 1) // 2 if covariance == "unrestricted" else random
    own, known = of_factors + (occasions if "occasion" in variance else 1), occasions * (occasions + 1) // 2
    if random and own > known:
        raise ValueError(
            f"{random} random growth factor{'s' if random > 1 else ''} and {variance!r} residual variances are {own} "
            f"variances and covariances, but those of {occasions} occasions are {known}, which do not determine them: "
            "let fewer growth factors vary (random=), make them independent, or give variance='equal'."
        )


def with_time_covariates(
    r: Response, given: Any, effects: str, by_group: Collection[str] = ()
) -> tuple[Response, list[list[str]]]:
    """The response with covariates of its occasions, and the slopes that are to be equal over them.

    Parameters
    ----------
    given : mapping of item to formula or sequence of formula
        One for each occasion; None for an occasion without.
    effects : {"occasion", "equal"}

    Raises
    ------
    ValueError
        Other occasions; equal slopes of formulas with other numbers of terms.
    """
    one_of("time_effects", effects, ("occasion", "equal"))
    if given is None:
        if effects != "occasion":
            raise ValueError(f"time_effects={effects!r} came without time_covariates: give these, or leave it out.")
        return r, []
    formulas = dict(given) if isinstance(given, Mapping) else _listed_formulas(r.items, given)
    formulas = {k: f for k, f in formulas.items() if f is not None}
    if unknown := [k for k in formulas if k not in r.items]:
        raise ValueError(f"time_covariates came for '{unknown[0]}', which is not among: {', '.join(r.items)}.")
    groups = (GROUP,) * ("time_effects" in by_group)
    if groups and effects == "equal":
        raise ValueError(
            "by_group came with 'time_effects' beside time_effects='equal', which is of the slopes of all groups: "
            "leave one of them out."
        )
    terms, each = [], []
    for i, item in enumerate(r.items):
        if item not in formulas:
            continue
        dim = f"time_covariate_{i + 1}"
        none = tuple(at(0.0, item=k) for k in range(len(r.items)) if k != i)
        slope = Parameter(f"time_slope_{i + 1}", (*groups, "item", dim), prior=r.family.slope_prior, fixed=none)
        terms.append(Term(slope, Covariates(dim, formulas[item])))
        each.append([f"{slope.name}[{item}, {t.strip()}]" for t in formulas[item].split("+")])
    if effects == "equal" and len({len(k) for k in each}) > 1:
        raise ValueError("time_effects='equal' came for formulas with other numbers of terms: give as many for each.")
    equal = [[*group] for group in zip(*each, strict=True)] if effects == "equal" and len(each) > 1 else []
    return replace(r, predictor=(*r.predictor, *terms)), equal


def _listed_formulas(items: Sequence[str], given: Any) -> dict[str, Any]:
    several = [given] if isinstance(given, str) else list(given)
    if len(several) != len(items):
        raise ValueError(
            f"time_covariates came with {len(several)} formulas for {len(items)} occasions: give one for each, or a "
            "mapping of columns to formulas."
        )
    return dict(zip(items, several, strict=True))


def distal_responses(
    given: Any, by_group: Collection[str] = (), classes: Sequence[str] = ("C",), level: Level = "individual"
) -> tuple[Response, ...]:
    """Outcomes whose distribution depends on the class, and on nothing else that is latent.

    Parameters
    ----------
    given : mapping of str to Family or str, str or sequence of str
        The outcomes.
    by_group : collection of str
        Whether "distal" is among what differs between observed groups.
    classes : sequence of str
        The class variable.
    level : {"individual", "cluster"}
        Whose answers they are.

    Raises
    ------
    ValueError
        An unknown family.
    """
    if given is None:
        return ()
    outcomes = (
        dict(given) if isinstance(given, Mapping) else dict.fromkeys([given] if isinstance(given, str) else given)
    )
    families = {k: _family(f) for k, f in outcomes.items()}
    made = item_responses(tuple(outcomes), families, classes, beside="distal")
    return tuple(replace(_in_groups(r) if "distal" in by_group else r, level=level) for r in made)


def _in_groups(r: Response) -> Response:
    """The response with parameters of its own in each group."""

    def here(t: Term) -> Term:
        return replace(t, parameter=replace(t.parameter, dims=(GROUP, *t.parameter.dims)))

    return replace(r, predictor=tuple(map(here, r.predictor)), auxiliary=tuple(map(here, r.auxiliary)))


def _family(given: Any) -> Family:
    """A family, or the one of this name; normal where nothing is said."""
    if isinstance(given, str):
        if given not in FAMILIES:
            raise ValueError(f"The family of an outcome came as {given!r}: give one of {', '.join(FAMILIES)}.")
        return FAMILIES[given]()
    return normal() if given is None else given
