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

and the class D of the person is one of clusters of rows.

References
----------
Muthen and Shedden (1999), Biometrics 55, 463-469; Nagin (1999), Psychological Methods 4, 139-157.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix import Family, LatentClass, Model, constrain
from bayesmix.checks import needs_clusters, one_of
from bayesmix.spec import Equal, Fix, blocks
from bayesmix.spec.blocks import Formula, Items, Regression


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
        Column of the clusters of persons, such as schools, in wide data.
    cluster_random : str, optional
        Growth factors that vary between clusters; those of `random` if left out, ``"0"`` for none.
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
    fix, equal
        Entries that are fixed or held equal: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        One occasion, times that do not fit the items or are equal, a degree that the occasions do not determine, free
        times of which no two are fixed, more variances than those of the occasions determine, something that goes with
        the other form of the data, an unknown setting.

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
    if formula is not None:
        _refuse("the long form (formula=)", items=items, times=times, free_times=free_times, cluster=cluster,
                degree=degree if degree != 1 else None, time_covariates=time_covariates, distal=distal, effects=effects,
                cluster_random=cluster_random, cluster_covariates=cluster_covariates)  # fmt: skip
        if id is None:
            raise ValueError("A formula came without id: give the column of persons, id='person'.")
        declared = _long(
            Regression.parse(formula, blocks.growth_family(family), _of_long(variance)), classes, covariates,
            random=random, by_class=by_class, covariance=covariance, factor_covariates=factor_covariates, person=id,
            factors=factors, freq=freq, inflation=inflation,
        )  # fmt: skip
        return constrain(declared, fix=fix, equal=equal)
    _refuse("wide data (items=)", id=id, factors=factors)
    items, family = blocks.listed([] if items is None else items), blocks.growth_family(family)
    loadings = blocks.growth_loadings(items, times, degree, free_times)
    names = loadings.effects
    random_names = blocks.random_growth(random, names)
    parts = blocks.growth_parts(by_class, classes, random_names)
    measure = blocks.repeated_measures(items, family, loadings, variance, classes, inflation)
    if family.gaussian:
        blocks.check_growth_variances(len(items), len(random_names), covariance, variance)
    measure, same = blocks.with_time_covariates(measure, time_covariates, time_effects)
    needs_clusters(cluster, effects=effects, cluster_covariates=cluster_covariates, cluster_random=cluster_random)
    between = blocks.random_growth(cluster_random or random, names, "cluster_random") if cluster else ()
    by = {part: ("C",) * (part in parts) for part in ("means", "slopes", "variances", "covariances")}
    within = blocks.growth_residuals(
        [f"u_{n}" for n in random_names], "individual", covariance, family.sd_prior, by["variances"], by["covariances"]
    )
    of_clusters = blocks.growth_residuals([f"v_{n}" for n in between], "cluster", covariance, family.sd_prior)
    growing = blocks.growth_factors(names, random_names, between, factor_covariates, by["means"], by["slopes"])
    effects = effects or ("unrestricted" if cluster else "none")
    r, loaded = blocks.random_class_logits("C", classes, "cluster", effects)
    logits = blocks.class_logits("C", "class", individual=covariates, cluster=cluster_covariates)
    c = LatentClass("C", classes, "individual", (*logits, *loaded))
    responses = (measure, *blocks.distal_responses(distal))
    declared = Model("growth", responses, (c,), (*r, *of_clusters, *within, *growing), cluster, freq)
    return constrain(declared, fix=fix, equal=[*same, *(equal or [])] or None)


def _of_long(variance: str) -> str:
    """Take what residual variances of the long form differ by."""
    one_of("The variance of the long form", variance, ("equal", "class"))
    return variance


def _long(
    regression: Regression, classes: int, covariates: Formula, *, random: Formula, by_class: str, covariance: str,
    factor_covariates: Formula, person: str, factors: Formula, freq: str | None, inflation: str,
) -> Model:  # fmt: skip
    """Growth as a regression with coefficients of persons, whose class is D."""
    one_of("The inflation of the long form", inflation, ("equal", "class"))
    growing = regression.terms_in(factors)
    varies = tuple(t for t in growing if t in regression.terms_in(None if random is None else random))
    parts = blocks.growth_parts(by_class, classes, varies)
    by = {part: ("D",) * (part in parts) for part in ("means", "slopes", "variances", "covariances")}
    u = blocks.growth_residuals(
        blocks.random_names(varies), "cluster", covariance, regression.sd_prior, by["variances"], by["covariances"]
    )
    varying = {"C": (), "D": growing if by["means"] else ()}
    between = {} if factor_covariates is None else dict.fromkeys(growing, factor_covariates)
    eta = (
        *regression.level(varying),
        *regression.fixed(varying),
        *regression.on_clusters(between, {"C": (), "D": growing if by["slopes"] else ()}),
        *regression.random(varies),
    )
    outcome = blocks.with_thresholds_from_zero(
        regression.response(eta, {"C": (), "D": ()}, 1, classes if classes > 1 else 0)
    )
    inflated_by = ("D",) * (inflation == "class" and classes > 1)
    (outcome,) = blocks.with_inflation(
        (outcome,), None, inflated_by, asked=f"inflation={inflation!r}" * (inflation != "equal")
    )
    d = blocks.cluster_class(classes if classes > 1 else 0, covariates)
    return Model("growth", (outcome,), d, u, person, freq)


def _refuse(form: str, **given: object) -> None:
    """Refuse what goes with the other form of the data."""
    if came := [f"{k}={v!r}" for k, v in given.items() if v is not None and v not in ((), [])]:
        raise ValueError(f"{came[0]} came with {form}, where it has no place: leave it out.")
