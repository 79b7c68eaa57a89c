"""Regressions of several outcomes in one model: what is said of all of them or of each, and the responses they make.

One outcome is as :mod:`bayesmix.spec.blocks.regression` has it. Of several, those of one family are one response whose
parameters run over a dim of outcomes; what differs by outcome (a formula, coefficients that vary over other classes)
is a parameter of its own, zero for the other outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bayesmix.checks import nearest
from bayesmix.spec.blocks.covariances import Covariance, with_covariances
from bayesmix.spec.blocks.measurement import Families
from bayesmix.spec.blocks.regression import (
    FACTOR,
    INTERCEPT,
    LOGITS,
    Among,
    Regression,
    by,
    may_have,
    over,
    random_names,
)
from bayesmix.spec.families import Family, Normal, normal
from bayesmix.spec.formulas import parse_regressions, parse_terms
from bayesmix.spec.model import Response, Term
from bayesmix.spec.parameters import Prior

Formulas = str | Sequence[str]
"""``"y ~ x"``, ``"y1 + y2 ~ x"``, ``"y1 ~ x; y2 ~ x + z"``, or a list of such texts."""
ByOutcome = str | Mapping[str, str] | None
"""What is said of all outcomes, or of each by its name."""
DIM = "outcome"
"""What dims of outcomes begin with."""


@dataclass(frozen=True)
class Outcome:
    """A regression with what varies in it.

    Attributes
    ----------
    regression : Regression
    varying : mapping of str to tuple of str
        The coefficients that vary over each class variable, and over groups.
    random : tuple of str
        Those with a random part of clusters.
    between : mapping of str to str
        The formula of cluster covariates of each coefficient that they predict.
    by_group : bool
        Whether its residual variance differs by group.
    """

    regression: Regression
    varying: Mapping[str, tuple[str, ...]]
    random: tuple[str, ...] = ()
    between: Mapping[str, str] | None = None
    by_group: bool = False

    @property
    def name(self) -> str:
        """Its column."""
        return self.regression.outcome


def read_regressions(formula: Formulas, family: Families, variance: ByOutcome) -> tuple[Regression, ...]:
    """The regression of each outcome.

    Parameters
    ----------
    formula : str or sequence of str
    family : Family or mapping of str to Family, optional
        Of all outcomes, or of each; `normal()` for those of which nothing is said.
    variance : str or mapping of str to str
        Of all outcomes that have a residual variance, or of each.

    Raises
    ------
    ValueError
        As :meth:`Regression.parse`; an outcome twice; something for no outcome.
    """
    found = parse_regressions(formula)
    names = [outcome for outcome, *_ in found]
    families: dict[str, Family] = by_outcome("family", family, names, None)
    variances = by_outcome("variance", variance, names, "equal")
    if not isinstance(variance, Mapping) and len(names) > 1:
        takes = {k: may_have(families[k] or normal(), v) for k, v in variances.items()}
        variances = {k: v if takes[k] or not any(takes.values()) else "equal" for k, v in variances.items()}
    return tuple(
        Regression.of(
            formula if isinstance(formula, str) and len(found) == 1 else f"{name} ~ {right}",
            name, terms, families[name], variances[name],
        )
        for name, right, terms in found
    )  # fmt: skip


def by_outcome(what: str, given: Any, names: Sequence[str], default: Any) -> dict[str, Any]:
    """What came for all outcomes, or for each by its name: `default` for those of which nothing is said.

    Raises
    ------
    ValueError
        A name that is no outcome.
    """
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    if unknown := [k for k in given if k not in names]:
        near = nearest(unknown[0], names)
        hint = f"did you mean '{near}'?" if near else f"the outcomes are {', '.join(names)}."
        raise ValueError(f"{what} came for '{unknown[0]}', which is no outcome: {hint}")
    return {name: given.get(name, default) for name in names}


def chosen_terms(
    what: str, given: ByOutcome, regressions: Sequence[Regression], default: str | None = None, when: object = True
) -> list[tuple[str, ...]]:
    """The coefficients of each outcome that are chosen: as :meth:`Regression.terms_in`.

    What came for all outcomes is of those coefficients of each that it has.

    Raises
    ------
    ValueError
        A coefficient that no outcome has; one by the name of an outcome that this does not have.
    """
    each = by_outcome(what, given, [r.outcome for r in regressions], default)
    if len(regressions) == 1 or isinstance(given, Mapping) or given is None:
        return [r.terms_in(each[r.outcome], when) for r in regressions]
    known = list(dict.fromkeys(t for r in regressions for t in r.terms))
    if unknown := [t for t in parse_terms(given) if t not in known]:
        raise ValueError(
            f"{what} came with '{unknown[0]}', which is a coefficient of no outcome: give some of {', '.join(known)} "
            "('1' is the intercept)."
        )
    wanted = parse_terms(given)
    return [tuple(t for t in r.terms if t in wanted) if when else () for r in regressions]


def between_of(
    given: Any, regressions: Sequence[Regression], random: Sequence[Sequence[str]], classes: int, effects: str
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Formulas of cluster covariates: of the coefficients of each outcome, and of the class logits and their factor.

    Parameters
    ----------
    given : str or mapping, optional
        As :func:`bayesmix.models.regression_mixture` takes it: of coefficients of all outcomes, or by outcome.
    regressions : sequence of Regression
    random : sequence of sequence of str
        Random coefficients of each.
    classes, effects
        Of the class logits.

    Raises
    ------
    ValueError
        A formula for something else, or for the logits and their factor both.
    """
    if len(regressions) == 1:
        found = regressions[0].between(given, random[0], classes, effects)
        return [found], found
    names = [r.outcome for r in regressions]
    own: dict[str, dict[Any, str]] = {name: {} for name in names}
    common: dict[str, str] = {}
    for key, value in _entries(given):
        if key in names:
            own[key] |= dict(_entries(value)) if not _is_plain(value) else {None: value}
        else:
            common[key] = value
    terms = {t for r in regressions for t in r.terms} | {LOGITS, FACTOR}
    if unknown := [k for k in common if k not in terms]:
        near = nearest(unknown[0], [*names, *terms])
        raise ValueError(
            f"cluster_covariates came for '{unknown[0]}', which is no outcome and a coefficient of none: "
            + (f"did you mean '{near}'?" if near else f"the outcomes are {', '.join(names)}.")
        )
    out, logits = [], {}
    for r, some in zip(regressions, random, strict=True):
        mine: Any = {k: v for k, v in common.items() if k in (*r.terms, LOGITS, FACTOR)}
        if _is_plain(given):
            mine = given
        elif None in own[r.outcome]:
            mine |= dict.fromkeys(some, own[r.outcome][None])
        else:
            mine |= own[r.outcome]
        found = r.between(mine or None, some, classes, effects)
        logits |= {k: v for k, v in found.items() if k in (LOGITS, FACTOR)}
        out.append({k: v for k, v in found.items() if k not in (LOGITS, FACTOR)})
    return out, logits


def _is_plain(given: Any) -> bool:
    """Whether one formula came, for no coefficient by name."""
    return isinstance(given, str) and "~" not in given


def _entries(given: Any) -> Iterator[tuple[str, Any]]:
    """What came by name: a mapping, or the text ``"1 ~ w; x ~ w"``."""
    if isinstance(given, Mapping):
        yield from given.items()
    elif isinstance(given, str) and "~" in given:
        for part in (p for p in given.split(";") if p.strip()):
            name, _, formula = part.partition("~")
            yield name.strip(), formula.strip()


# effects ------------------------------------------------------------------------------------------


def random_effects(outcomes: Sequence[Outcome]) -> tuple[dict[str, Prior], int]:
    """The effects of random coefficients with the priors of their SDs, intercepts first; how many these are."""
    each = [(t, name, o.regression.sd_prior) for o in outcomes for t, name in _named(o, len(outcomes) > 1)]
    first = [x for x in each if x[0] == INTERCEPT]
    rest = [x for x in each if x[0] != INTERCEPT]
    return {name: prior for _, name, prior in (*first, *rest)}, len(first)


def _named(o: Outcome, several: bool) -> list[tuple[str, str]]:
    return list(zip(o.random, random_names(o.random, o.name if several else ""), strict=True))


# responses ----------------------------------------------------------------------------------------


def regression_responses(
    outcomes: Sequence[Outcome],
    slopes_by: Mapping[str, Sequence[str]],
    classes: int,
    cluster_classes: int,
    residual_covariance: Covariance | None = None,
    covariance_by_class: bool = False,
) -> tuple[Response, ...]:
    """The outcomes with their linear predictors: one response a family.

    Parameters
    ----------
    outcomes : sequence of Outcome
    slopes_by : mapping of str to sequence of str
        Coefficients for which the slopes of cluster covariates vary over each class variable.
    classes, cluster_classes : int
    residual_covariance : {"none", "equal", "class"} or sequence of pairs, optional
        Of normal outcomes; left out, ``"equal"`` of several with a residual variance of the same kind.
    covariance_by_class : bool
        Whether those of pairs differ by class.

    Raises
    ------
    ValueError
        Residual covariances of one outcome, or of those that have none; two outcomes with one name of effects.
    """
    if len(outcomes) == 1:
        if covariance_by_class or residual_covariance not in (None, "none"):
            raise ValueError(
                f"residual_covariance came as {residual_covariance!r} for the one outcome '{outcomes[0].name}': a "
                "covariance is of two. Leave it out, or give more outcomes: 'y1 + y2 ~ x'."
            )
        return (_alone(outcomes[0], slopes_by, classes, cluster_classes),)
    kinds: dict[Hashable, list[Outcome]] = {}
    for o in outcomes:
        declared = o.regression.auxiliary(o.varying, _spread(o, classes, cluster_classes))
        apart = o.name if o.regression.linear_variance else ""
        kinds.setdefault((o.regression.family, declared, apart), []).append(o)
    named = [some[0].regression.family.response_name for some in kinds.values()]
    responses = []
    for k, some in enumerate(kinds.values()):
        number = f"_{named[: k + 1].count(named[k])}" if named.count(named[k]) > 1 else ""
        name = "" if len(kinds) == 1 else f"{named[k]}{number}"
        responses.append(_together(some, slopes_by, classes, cluster_classes, name))
    of_classes = ("C",) if classes > 1 else ("D",) if cluster_classes else ()
    covariance = _covariance(responses, residual_covariance, covariance_by_class)
    if any(o.by_group for o in outcomes) and not (isinstance(covariance, str) and covariance == "none"):
        raise ValueError(
            f"variance_by_group=True came with residual covariances ({covariance!r}"
            f"{', as left out' if residual_covariance is None else ''}): these are of outcomes whose variances are the "
            "same in all groups. Give residual_covariance='none', or leave variance_by_group out."
        )
    return with_covariances(tuple(responses), covariance, covariance_by_class, of_classes, option="residual_covariance")


def _spread(o: Outcome, classes: int, cluster_classes: int) -> tuple[str, ...]:
    return o.regression.spread_by(classes, cluster_classes, o.by_group)


def _covariance(responses: Sequence[Response], given: Covariance | None, by_class: bool) -> Covariance:
    """The residual covariances that are meant where none are named; refuse those of outcomes whose variances differ.

    Raises
    ------
    ValueError
        Normal outcomes with residual variances of several kinds.
    """
    of_normal = [r for r in responses if isinstance(r.family, Normal)]
    if given is None and not by_class:
        plain = [r for r in of_normal if not getattr(r.family, "linear_variance", False)]
        if sum(len(r.items) for r in plain) < 2:
            return "none"
        given = "equal" if len(of_normal) == 1 else given
    if len(of_normal) > 1 and not (isinstance(given, str) and given == "none"):
        names = "; ".join(", ".join(r.items) for r in of_normal)
        raise ValueError(
            f"Normal outcomes came with residual variances of several kinds ({names}), between which there are no "
            "residual covariances: give them one variance=, or residual_covariance='none'."
        )
    return "none" if given is None else given


def _alone(o: Outcome, slopes_by: Mapping[str, Sequence[str]], classes: int, cluster_classes: int) -> Response:
    """The response of a single outcome."""
    eta = (
        *o.regression.fixed(o.varying),  # beta_0 and gamma_k, by the classes over which each varies
        *o.regression.on_clusters(o.between or {}, slopes_by),  # gamma_k1 w_j
        *o.regression.random(o.random),  # u_0j + sum_k u_kj x_kij
    )
    return o.regression.response(eta, o.varying, classes, cluster_classes, o.by_group)


def _together(
    outcomes: Sequence[Outcome], slopes_by: Mapping[str, Sequence[str]], classes: int, cluster_classes: int, name: str
) -> Response:
    """The response of several outcomes, or of one beside others."""
    suffix = f"_{name}" if name else ""
    first, all_of = outcomes[0].regression, tuple(range(len(outcomes)))
    dims = {d: f"{d}{suffix}" for d in ("category", "threshold", "variance_covariate")}
    item, whole = f"{DIM}{suffix}", Among(f"{DIM}{suffix}", all_of, (), suffix)

    def groups(key: Callable[[Outcome], Hashable]) -> Iterator[tuple[Outcome, list[Outcome], Among, Hashable]]:
        """Outcomes with the same key, not None, the first of them, and where their parameters stand."""
        found: dict[Hashable, list[int]] = {}
        for k, o in enumerate(outcomes):
            if (mine := key(o)) is not None:
                found.setdefault(mine, []).append(k)
        for number, (mine, places) in enumerate(found.items(), start=1):
            others = tuple(k for k in all_of if k not in places)
            ending = f"_{number}{suffix}" if len(found) > 1 else suffix
            yield outcomes[places[0]], [outcomes[k] for k in places], Among(item, tuple(places), others, ending), mine

    eta: list[Term] = []
    intercepts = list(groups(lambda o: by(INTERCEPT, o.varying)))
    for o, _, among, mine in intercepts:
        ending = f"{over(mine)}{suffix}" if len(intercepts) > 1 else suffix  # pyright: ignore[reportArgumentType]
        eta += o.regression.intercept(o.varying, replace(among, ending=ending))
    for o, _, among, _ in groups(_coefficients):
        eta += o.regression.slopes(o.varying, among)
    for t in dict.fromkeys(t for o in outcomes for t in o.between or {}):
        for o, _, among, _ in groups(lambda o, t=t: _between(o, t)):
            eta.append(o.regression.on_cluster(t, (o.between or {})[t], slopes_by, among))
    for o, some, among, _ in groups(_random):
        eta.append(o.regression.random_among(o.random, [k.name for k in some], among))
    declared = first.auxiliary(outcomes[0].varying, _spread(outcomes[0], classes, cluster_classes))
    auxiliary = first.auxiliary_terms([whole.placed(p, dims) for p in declared], suffix)
    return Response(
        name or DIM, tuple(o.name for o in outcomes), first.family, tuple(eta), auxiliary, item, dims["category"],
        dims["threshold"], of_outcomes=True,
    )  # fmt: skip


def _coefficients(o: Outcome) -> Hashable:
    """What outcomes have in common whose coefficients are one parameter."""
    return (o.regression.right, *((t, by(t, o.varying)) for t in o.regression.terms if t != INTERCEPT))


def _random(o: Outcome) -> Hashable | None:
    """What outcomes have in common whose random parts are one term."""
    return None if not o.random else ("" if o.random == (INTERCEPT,) else o.regression.right, o.random)


def _between(o: Outcome, t: str) -> Hashable | None:
    """What outcomes have in common whose regressions of a coefficient on clusters are one parameter."""
    return (o.between or {}).get(t)
