r"""Growth mixtures and latent class growth: trajectories of persons over occasions.

For occasion t of person i, in cluster j where there are clusters, given the class C_i = c,

    y_ti ~ family(eta_ti),        eta_ti = I_i + S_i a_t + Q_i a_t^2 + ... + beta_t w_ti,                        (1)
    (I, S, Q)_i = mu_c + Gamma x_i + v_j + u_i,        u_i ~ N(0, Psi_c),        v_j ~ N(0, Phi),                (2)
    P(C_i = c) = exp(alpha_c + beta_c z_i + r_cj) / sum_s exp(alpha_s + beta_s z_i + r_sj),                      (3)

with times a_t that are fixed (or free, but for two), residual variances theta_ct of a normal measure, and Psi_c the
covariance matrix of those growth factors that vary within classes: none of them in latent class growth analysis. A
distal outcome depends on the class alone. A missing occasion drops out. A normal measure has a closed form: the
likelihood is that of a mixture of multivariate normals.

An ordinal measure has thresholds tau_1 = 0 < tau_2 < ..., the same at all occasions and in all classes, and a mean of
I in every class; a binary one no threshold. Mplus frees tau_1 and fixes the mean of I at 0 in the last class: its
tau_1 is minus our mean there, its other means are ours less that of the last class; the likelihood is the same.

In the long form there is a row a measurement, with times of its own: (1)-(2) are then a regression with coefficients
of the person,

    eta_ti = sum_k b_ki x_kti,        b_ki = mu_kd + Gamma_k x_i + u_ki,

and the class D of the person is one of clusters of rows; a distal outcome is the same in all rows of a person and
counts once. With clusters above the persons these are the individuals, as in (1)-(3), each with the times a_ti at which
it was measured.

With observed groups the parts that are named have an index of the group as well, and the likelihood is that given the
group.

References
----------
Muthen and Shedden (1999), Biometrics 55, 463-469; Nagin (1999), Psychological Methods 4, 139-157.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bayesmix import Family, LatentClass, Model, Repeated, Response, constrain
from bayesmix.checks import needs_clusters, one_of
from bayesmix.spec import GROUP, Equal, Fix, blocks
from bayesmix.spec.blocks import ByGroup, Formula, Items, KnownColumn, Regression


def growth(
    items: Items | str | None = None,
    classes: int = 1,
    covariates: Formula = None,
    family: Family | None = None,
    variance: str = "equal",
    freq: str | None = None,
    *,
    inflation: str = "equal",
    times: Sequence[float] | None = None,
    degree: int = 1,
    free_times: Sequence[str] = (),
    random: Formula = None,
    by_class: str = "means",
    covariance: str = "unrestricted",
    factor_covariates: Formula = None,
    time_covariates: Mapping[str, str] | Sequence[str] | None = None,
    time_effects: str = "occasion",
    distal: Mapping[str, Family | str] | Sequence[str] | None = None,
    cluster: str | None = None,
    cluster_random: Formula = None,
    effects: str | None = None,
    cluster_covariates: Formula = None,
    formula: str | None = None,
    id: str | None = None,
    factors: Formula = None,
    time: str | None = None,
    group: str | None = None,
    by_group: str = "equal",
    sizes_by_group: bool = True,
    slopes_by_group: bool = True,
    known: KnownColumn = None,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a growth mixture model, or latent class growth analysis, of wide or of long data.

    Parameters
    ----------
    items : sequence of str
        A column an occasion, in the order of time: wide data, a row a person.
    classes : int
        Number of classes K; 1 is a growth curve model.
    covariates : str, optional
        Formula of the class logits (3), of covariates of persons.
    family : Family, optional
        Of the measure, `normal()` if left out: bernoulli, ordinal, poisson, negative_binomial or a zero-inflated one.
    variance : {"equal", "occasion", "class", "class and occasion"}
        What residual variances (dispersions of counts) differ by.
    freq : str, optional
        Column of frequency weights.
    inflation : {"equal", "occasion", "class", "class and occasion"}
        What the inflation of counts with more zeros differs by; in the long form equal or by class.
    times : sequence of float, optional
        The time of each occasion; 0, 1, 2, ... if left out.
    degree : int
        Of the polynomial, 3 at most: growth factors I, S, Q, CU.
    free_times : sequence of str
        Occasions whose time is estimated, with degree 1; two others are fixed.
    random : str, optional
        Growth factors that vary within classes, by name or as terms of time: ``"I + S"``, ``"1 + time"``; all of them
        if left out, ``"0"`` for latent class growth analysis. In the long form terms of the formula.
    by_class : str
        What varies over the classes: ``"means"``, ``"means + covariances"``, ``"means + variances + covariances"`` of
        growth factors; ``"slopes"`` of their covariates too. With ``variances`` alone the correlations are equal, with
        ``covariances`` alone the variances.
    covariance : {"unrestricted", "independent"}
        Of the growth factors, within classes and between clusters.
    factor_covariates : str, optional
        Formula of covariates of persons that predict every growth factor.
    time_covariates : mapping of item to formula or sequence of formula, optional
        Covariates of occasions: ``{"y1": "x1", "y2": "x2"}``. In the long form they are terms of the formula.
    time_effects : {"occasion", "equal"}
        Whether their slopes differ by occasion.
    distal : mapping of str to Family, optional
        Outcomes that depend on the class, in the same likelihood, each with its family (or the name of it); normal
        ones as a list.
    cluster : str, optional
        Column of the clusters of persons, such as schools.
    cluster_random : str, optional
        Growth factors that vary between clusters; those of `random` if left out, ``"0"`` for none. In the long form
        terms of the formula.
    effects : {"unrestricted", "factor", "none"}, optional
        Random parts of the class logits of clusters; unrestricted, with clusters, if left out.
    cluster_covariates : str, optional
        Formula of covariates of clusters in the class logits.
    formula, id : str, optional
        Long data, a row a measurement: the outcome and its terms, ``"y ~ time"``, and the column of persons. The
        formula may come in the place of `items`.
    factors : str, optional
        In the long form, the terms of the formula that are growth factors; all of them if left out. The others have
        coefficients that are the same in all classes.
    time : str, optional
        In the long form, the column of time, of trajectories and of what differs by occasion: the first one in the
        terms that are growth factors if left out.
    group : str, optional
        Column of observed groups of persons. The log-likelihood is that given the group.
    by_group : str
        What differs by group beside the classes' sizes: ``"equal"``, nothing; some of ``"means"``, ``"variances"``,
        ``"covariances"`` of growth factors, ``"slopes"`` of their covariates, ``"residuals"`` (variances,
        dispersions), ``"thresholds"``, ``"time_effects"``, ``"distal"``, joined by +; ``"free"``, all that the model
        has. With ``variances`` alone the correlations are equal, with ``covariances`` alone the variances. What varies
        between clusters of persons has one distribution in all groups.
    sizes_by_group, slopes_by_group : bool
        Whether class logits, and the slopes of their covariates, differ by group.
    known : str, optional
        Column of the class in which a person is known to be, 1, 2, ..., missing where it is not.
    fix, equal
        Entries that are fixed or held equal: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        One occasion, times that do not fit the items or are equal, a degree that the occasions do not determine, free
        times of which no two are fixed, more variances than those of the occasions determine, groups between which
        nothing differs, something that goes with the other form of the data, an unknown setting. With the data: what
        is of persons varies within one, times of their own where something differs by occasion.

    Examples
    --------
    >>> model = bm.models.growth(["y1", "y2", "y3", "y4"], 2, variance="occasion")
    >>> [e.name for e in model.factors]
    ['I', 'S']
    """
    classes = blocks.class_number(classes)
    one_of("covariance", covariance, ("unrestricted", "independent"))
    if isinstance(items, str) and "~" in items:
        formula, items = items, None
    groups = _Groups(group, by_group, sizes_by_group, slopes_by_group)
    family = blocks.growth_family(family)
    blocks.check_has_variance(family, variance)
    if formula is not None:
        _refuse("the long form (formula=)", items=items, times=times, free_times=free_times,
                degree=degree if degree != 1 else None, time_covariates=time_covariates)  # fmt: skip
        needs_clusters(
            cluster, effects=effects, cluster_covariates=cluster_covariates, cluster_random=cluster_random
        )  # fmt: skip
        if id is None:
            raise ValueError("A formula came without id: give the column of persons, id='person'.")
        one_of("The inflation of the long form", inflation, ("equal", "class"))
        rows = _Rows.of(Regression.parse(formula, family, "class" if "class" in variance else "equal"), id, time,
                        variance, random, factors)  # fmt: skip
        shared = {
            "by_class": by_class, "covariance": covariance, "factor_covariates": factor_covariates, "freq": freq,
            "distal": distal, "groups": groups, "inflation": inflation,
        }  # fmt: skip
        if cluster is None:
            declared = _long(rows, classes, covariates, **shared)
        else:
            declared = _in_clusters(
                rows, classes, covariates, cluster=cluster, cluster_random=cluster_random, effects=effects,
                cluster_covariates=cluster_covariates, **shared,
            )  # fmt: skip
        blocks.check_groups_differ(declared)
        return constrain(blocks.known_pairs(declared, known), fix=fix, equal=equal)
    _refuse("wide data (items=)", id=id, factors=factors, time=time)
    items = blocks.listed([] if items is None else items)
    loadings = blocks.growth_loadings(items, times, degree, free_times)
    names = loadings.effects
    random_names = blocks.random_growth(random, names)
    parts = blocks.growth_parts(by_class, classes, random_names)
    differ = groups.parts(random_names, family, covariance, factor_covariates, time_covariates, distal)
    measure = blocks.repeated_measures(items, family, loadings, variance, classes, differ, inflation)
    if family.gaussian:
        blocks.check_growth_variances(len(items), len(random_names), covariance, variance)
    measure, same = blocks.with_time_covariates(measure, time_covariates, time_effects, differ)
    needs_clusters(cluster, effects=effects, cluster_covariates=cluster_covariates, cluster_random=cluster_random)
    between = blocks.random_growth(cluster_random or random, names, "cluster_random") if cluster else ()
    declared = _persons(
        measure, names, random_names, between, parts, differ, classes, covariates, groups=groups, covariance=covariance,
        factor_covariates=factor_covariates, cluster=cluster, effects=effects, cluster_covariates=cluster_covariates,
        freq=freq, distal=distal,
    )  # fmt: skip
    blocks.check_groups_differ(declared)
    own = [equal] if isinstance(equal, str) else list(equal or [])
    return constrain(blocks.known_pairs(declared, known), fix=fix, equal=[*same, *own] or None)


def _persons(
    measure: Response, names: Sequence[str], random: Sequence[str], between: Sequence[str], parts: Collection[str],
    differ: Collection[str], classes: int, covariates: Formula, *, groups: _Groups, covariance: str,
    factor_covariates: Formula, cluster: str | None, effects: str | None, cluster_covariates: Formula,
    freq: str | None, distal: Mapping[str, Family | str] | Sequence[str] | None, time: str | None = None,
    repeated: Repeated | None = None,
) -> Model:  # fmt: skip
    """Persons as individuals: their growth factors, their classes, what varies between clusters of them."""
    by, prior = _varying("C", parts, differ), measure.family.sd_prior
    within = blocks.growth_residuals(
        [f"u_{n}" for n in random], "individual", covariance, prior, by["variances"], by["covariances"]
    )
    of_clusters = blocks.growth_residuals([f"v_{n}" for n in between], "cluster", covariance, prior)
    growing = blocks.growth_factors(names, random, between, factor_covariates, by["means"], by["slopes"])
    effects = effects or ("unrestricted" if cluster else "none")
    r, loaded = blocks.random_class_logits("C", classes, "cluster", effects)
    logits = blocks.class_logits("C", "class", individual=covariates, cluster=cluster_covariates)
    c = LatentClass("C", classes, "individual", (*logits, *loaded))
    responses = (measure, *blocks.distal_responses(distal, differ))
    declared = Model("growth", responses, (c,), (*r, *of_clusters, *within, *growing), cluster, freq,
                     group=groups.group, time=time, repeated=repeated)  # fmt: skip
    return blocks.over_groups(declared, groups.group, groups.of_classes)


@dataclass(frozen=True)
class _Groups:
    """Observed groups, and what differs between them."""

    group: str | None
    by: str
    sizes: bool
    slopes: bool

    def parts(
        self, random: Sequence[str], family: Family, covariance: str, factors_on: object, at_times: object,
        distal: object,
    ) -> frozenset[str]:  # fmt: skip
        """What differs beside the classes, of what the model has."""
        return blocks.growth_by_group(
            self.by, self.group, means=True, slopes=factors_on is not None, variances=random,
            covariances=len(random) > 1 and covariance == "unrestricted", residuals=blocks.has_variance(family),
            thresholds=family.ordered, time_effects=at_times, distal=distal,
        )  # fmt: skip

    @property
    def of_classes(self) -> ByGroup:
        """What differs of the classes alone."""
        return ByGroup("equal", self.sizes, self.slopes, factors=False)


def _varying(variable: str, by_class: Collection[str], by_group: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The dims of each part of the growth factors: groups, then classes."""
    return {
        part: (*(GROUP,) * (part in by_group), *(variable,) * (part in by_class))
        for part in ("means", "slopes", "variances", "covariances")
    }


@dataclass(frozen=True)
class _Rows:
    """The long form: a regression in rows of measurements, whose terms are growth factors or the same for all."""

    regression: Regression
    person: str
    time: str | None
    variance: str
    growing: tuple[str, ...]
    varies: tuple[str, ...]

    @classmethod
    def of(
        cls, regression: Regression, person: str, time: str | None, variance: str, random: Formula, factors: Formula
    ) -> _Rows:
        """Read which terms grow, which of them vary, and what time is."""
        growing = regression.terms_in(factors)
        time = regression.time_of(growing) if time is None else time
        if "occasion" in variance and time is None:
            raise ValueError("A variance by occasion came for a formula without time: give time='the column of time'.")
        return cls(regression, person, time, variance, growing, cls._some(regression, growing, random))

    @staticmethod
    def _some(regression: Regression, growing: Sequence[str], chosen: Formula) -> tuple[str, ...]:
        return tuple(t for t in growing if t in regression.terms_in(chosen))

    def between(self, chosen: Formula) -> tuple[str, ...]:
        """Those that vary between clusters of persons."""
        return self.varies if chosen is None else self._some(self.regression, self.growing, chosen)

    @property
    def others(self) -> tuple[str, ...]:
        """Terms that are the same for all."""
        return tuple(t for t in self.regression.terms if t not in self.growing)

    @property
    def names(self) -> dict[str, str]:
        """Names of the growth factors by term: I, S, Q, CU for powers of time, else the term."""
        powers = {"1": "I", str(self.time): "S", f"I({self.time} ** 2)": "Q", f"I({self.time} ** 3)": "CU"}
        plain = {t.replace(" ", ""): n for t, n in powers.items()}
        found = [name.removeprefix("u_") for name in blocks.random_names(self.growing)]
        return {t: plain.get(t.replace(" ", ""), f"G_{n}") for t, n in zip(self.growing, found, strict=True)}


def _in_clusters(
    rows: _Rows, classes: int, covariates: Formula, *, by_class: str, covariance: str, factor_covariates: Formula,
    freq: str | None, distal: Mapping[str, Family | str] | Sequence[str] | None, groups: _Groups, cluster: str,
    cluster_random: Formula, effects: str | None, cluster_covariates: Formula, inflation: str,
) -> Model:  # fmt: skip
    """Growth of persons in clusters: persons are the individuals, and their measurements stand in slots."""
    regression, names = rows.regression, rows.names
    family = regression.family
    if family.column:
        raise ValueError(f"cluster= came with the family {family}, whose trials differ by row: give one without.")
    random = tuple(names[t] for t in rows.varies)
    parts = blocks.growth_parts(by_class, classes, random)
    differ = groups.parts(random, family, covariance, factor_covariates, rows.others, distal)
    loadings = regression.growth_scores(names)
    measure = blocks.repeated_measures(
        (regression.outcome,), family, loadings, rows.variance, classes, differ, inflation
    )
    others = regression.of_rows(rows.others, "time_effects" in differ)
    measure = replace(measure, predictor=(*measure.predictor, *others))
    between = tuple(names[t] for t in rows.between(cluster_random))
    return _persons(
        measure, tuple(names.values()), random, between, parts, differ, classes, covariates, groups=groups,
        covariance=covariance, factor_covariates=factor_covariates, cluster=cluster, effects=effects,
        cluster_covariates=cluster_covariates, freq=freq, distal=distal, time=rows.time,
        repeated=Repeated(rows.person, regression.outcome),
    )  # fmt: skip


def _long(
    rows: _Rows, classes: int, covariates: Formula, *, by_class: str, covariance: str, factor_covariates: Formula,
    freq: str | None, distal: Mapping[str, Family | str] | Sequence[str] | None, groups: _Groups, inflation: str,
) -> Model:  # fmt: skip
    """Growth as a regression with coefficients of persons, whose class is D."""
    regression, growing, varies, others = rows.regression, rows.growing, rows.varies, rows.others
    parts = blocks.growth_parts(by_class, classes, varies)
    differ = groups.parts(varies, regression.family, covariance, factor_covariates, others, distal)
    by = _varying("D", parts, differ)
    u = blocks.growth_residuals(
        blocks.random_names(varies), "cluster", covariance, regression.sd_prior, by["variances"], by["covariances"]
    )
    of_groups = [*growing * ("means" in differ), *others * ("time_effects" in differ)]
    varying = {"C": (), "D": growing * ("means" in parts), GROUP: of_groups}
    between = {} if factor_covariates is None else dict.fromkeys(growing, factor_covariates)
    slopes = {"C": (), "D": growing * ("slopes" in parts), GROUP: growing * ("slopes" in differ)}
    eta = (
        *regression.level(varying),
        *regression.fixed(varying),
        *regression.on_clusters(between, slopes),
        *regression.random(varies),
    )
    thresholds = {"C": (), "D": (), GROUP: ("1",) * ("thresholds" in differ)}
    d_classes = classes if classes > 1 else 0
    occasion = rows.time if "occasion" in rows.variance else None
    outcome = blocks.with_thresholds_from_zero(
        regression.response(eta, thresholds, 1, d_classes, "residuals" in differ, occasion)
    )
    inflated_by = ("D",) * (inflation == "class" and classes > 1)
    (outcome,) = blocks.with_inflation(
        (outcome,), None, inflated_by, asked=f"inflation={inflation!r}" * (inflation != "equal")
    )
    responses = (outcome, *blocks.distal_responses(distal, differ, ("D",) * (d_classes > 0), "cluster"))
    by_sizes, by_slopes = ((GROUP,) * (groups.group is not None and x) for x in (groups.sizes, groups.slopes))
    d = blocks.cluster_class(d_classes, covariates, by_sizes, by_slopes)
    return Model("growth", responses, d, u, rows.person, freq, group=groups.group, time=rows.time)


def _refuse(form: str, **given: object) -> None:
    """Refuse what goes with the other form of the data."""
    if came := [f"{k}={v!r}" for k, v in given.items() if v is not None and v not in ((), [])]:
        raise ValueError(f"{came[0]} came with {form}, where it has no place: leave it out.")
