"""Effects: factors of individuals, random coefficients of clusters, random class logits of an occasion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayesmix.checks import one_of
from bayesmix.spec.blocks.priors import LOADING, REGRESSION, SD, SLOPE
from bayesmix.spec.model import Covariates, Effect, Term
from bayesmix.spec.parameters import Parameter, Prior, at


def named_factors(
    items: Sequence[str], factors: Mapping[str, Sequence[str]] | Sequence[str] | None, loadings: str = "item"
) -> dict[str, tuple[str, ...]]:
    """The items that load on each factor: all of them on one, `f`, if nothing is said.

    Raises
    ------
    ValueError
        A factor without items, with an unknown item, or with the name of something else; one loading for several.
    """
    one_of("loadings", loadings, ("item", "one"))
    if factors is None:
        return {"f": tuple(items)}
    if not isinstance(factors, Mapping) or not factors:
        raise ValueError(
            f"factors came as {factors!r}: give the items of each factor by its name, such as "
            "{'inattention': ['i1', 'i2', 'i3'], 'hyperactivity': ['h1', 'h2', 'h3']}."
        )
    out = {name: tuple(own) if not isinstance(own, str) else (own,) for name, own in factors.items()}
    for name, own in out.items():
        if not own:
            raise ValueError(f"The factor '{name}' came without items: name those that load on it.")
        if unknown := [i for i in own if i not in items]:
            raise ValueError(f"The factor '{name}' came with '{unknown[0]}', which is not among the items.")
        if name in items or name in ("C", "D") or not name.isidentifier():
            raise ValueError(f"A factor came with the name '{name}': give a word that nothing else is named by.")
    if loadings == "one" and len(out) > 1:
        raise ValueError("loadings='one' came with several factors: one loading for all items is of one factor.")
    return out


BY_CLASS = ("intercepts", "loadings", "means", "variances")


def parts_by_class(by_class: str, classes: int) -> set[str]:
    """What of a factor model varies over the classes, as in ``"intercepts + loadings"``, where that is identified.

    Raises
    ------
    ValueError
        Another word; means beside intercepts or loadings, which can do all that they do, variances beside loadings.
    """
    out = {w.strip() for w in str(by_class).split("+")}
    if unknown := out - {*BY_CLASS}:
        raise ValueError(f"by_class came with '{sorted(unknown)[0]}': name some of {', '.join(BY_CLASS)}.")
    for one, others in {"means": ("intercepts", "loadings"), "variances": ("loadings",)}.items():
        if one in out and (beside := [k for k in others if k in out]):
            raise ValueError(
                f"by_class came as {by_class!r}, but {one} of the factors are not identified beside class "
                f"{beside[0]}, which can do all that they do: leave one of the two out."
            )
    return out if classes > 1 else out - {"means", "variances"}


def parts_by_response_class(by_class: str) -> set[str]:
    """What of a factor model varies over classes of single responses, as in ``"intercepts + loadings"``.

    Raises
    ------
    ValueError
        Another word.
    """
    out = {w.strip() for w in str(by_class).split("+")}
    if unknown := out - {"intercepts", "loadings"}:
        raise ValueError(
            f"by_class came with '{sorted(unknown)[0]}': name 'intercepts', 'loadings' or both; a factor lives above "
            "the classes of single responses, so that its mean and variance are the same in all of them."
        )
    return out


def factor_effects(
    names: Sequence[str],
    *,
    correlated: bool = True,
    means: Sequence[str] = (),
    variances: Sequence[str] = (),
    covariates: str | None = None,
    cluster: bool = False,
) -> tuple[Effect, ...]:
    """Factors of individuals, (36): eta_f = mu_cf + beta_f x + sigma_u u_fj + sigma_cf r, with Var(r) = 1.

    Parameters
    ----------
    names : sequence of str
        Of the factors.
    correlated : bool
        Whether their residuals r are.
    means, variances : sequence of str
        Class variables that mu and sigma depend on; 0 and 1 in the last class.
    covariates : str, optional
        Formula of covariates that predict the factors.
    cluster : bool
        Whether clusters have a random part u_fj ~ N(0, 1) of the factors.
    """
    own, shared = [], []
    for k, name in enumerate(names):
        mean: list[Term] = []
        if means:
            fixed = (at(0.0, **dict.fromkeys(means, -1)),)
            mean.append(Term(Parameter(f"{name}_mean", tuple(means), prior=LOADING, fixed=fixed)))
        if covariates is not None:
            x = Covariates("factor_covariate", covariates)
            mean.append(Term(Parameter(f"{name}_slope", (x.name,), prior=REGRESSION), x))
        if cluster:
            shared.append(Effect(f"u_{name}", "cluster"))
            mean.append(Term(Parameter(f"{name}_cluster_sd", (), "sd", SD), effects=(f"u_{name}",)))
        if correlated and k:
            mean.append(regression_on(name, names[:k]))
        sd = None
        if variances:
            fixed = (at(1.0, **dict.fromkeys(variances, -1)),)
            sd = Term(Parameter(f"{name}_sd", tuple(variances), "sd", SD, fixed))
        own.append(Effect(name, "individual", tuple(mean), sd, correlated and len(names) > 1))
    return (*shared, *own)


COVARIANCE = ("unrestricted", "slopes apart", "independent")


def random_coefficients(
    names: Sequence[str],
    covariance: str,
    by: Sequence[str] = (),
    prior: Prior | Mapping[str, Prior] = SD,
    intercepts: int = 1,
) -> tuple[Effect, ...]:
    """Residuals u_kj of the random coefficients of a regression: u = B u + sigma z, R(14)-R(16), R(20)-R(22).

    Each is regressed on those before it, so that their covariance matrix is what is asked for. The
    intercept comes first: its variance is not near zero, that of a slope often is, and then the slope's
    covariance is still a regression on the intercept.

    Parameters
    ----------
    names : sequence of str
        Of the effects: the intercept first, of several outcomes all intercepts.
    covariance : {"unrestricted", "slopes apart", "independent"}
        All covariances; those of the first effect with each other, as Table 1 of the 2009 paper has them
        (then it comes last); none.
    by : sequence of str
        Class variables that the covariance matrix depends on, (18).
    prior : Prior or mapping of str to Prior
        Of the SDs, or of that of each effect.
    intercepts : int
        How many effects come first, whose covariances are free where slopes are apart.
    """
    one_of("covariance", covariance, COVARIANCE)
    apart = covariance == "slopes apart"
    order = [*names[intercepts:], *names[:intercepts]] if apart else list(names)
    effects = []
    for k, name in enumerate(order):
        on = order[:k] if covariance == "unrestricted" or (apart and k >= len(order) - intercepts) else []
        mean = (regression_on(name, on, by),) if on else ()
        own = prior if isinstance(prior, Prior) else prior[name]
        effects.append(Effect(name, "cluster", mean, Term(Parameter(f"{name}_sd", tuple(by), "sd", own))))
    return tuple(effects)


def regression_on(name: str, on: Sequence[str], by: Sequence[str] = ()) -> Term:
    """The regression of an effect on others."""
    if len(on) == 1:
        return Term(Parameter(f"{name}_on_{on[0]}", tuple(by), prior=REGRESSION), effects=tuple(on))
    dim = f"{name}_regressor"
    return Term(Parameter(f"{name}_on", (*by, dim), prior=REGRESSION), None, tuple(on), dim)


def random_class_logits_at_occasion(
    variable: str, names: Sequence[str], earlier: Sequence[str], covariates: str | None = None
) -> tuple[tuple[Effect, ...], Term]:
    """Random logits of a class variable, regressed on those of earlier occasions: (10), (15).

    alpha_k = sum_e beta_ke alpha_e + gamma_k w + sigma_k z_k over the earlier effects e and those of the
    same occasion before it, so that their covariance matrix is unrestricted. The class logits load on
    alpha_k with 1 in class k and 0 in the classes of other effects.

    Parameters
    ----------
    variable : str
        The class variable.
    names : sequence of str
        Of its effects: one (a factor; for two classes all there is), or one for each class but the last.
    earlier : sequence of str
        Effects of earlier occasions.
    covariates : str, optional
        Formula of covariates of clusters (5).
    """
    effects = []
    for k, name in enumerate(names):
        mean, on = [], (*earlier, *names[:k])
        if on:
            mean.append(regression_on(name, on))
        if covariates is not None:
            dim = f"{variable}_cluster_covariate"
            mean.append(Term(Parameter(f"{name}_slope", (dim,), prior=SLOPE), Covariates(dim, covariates, "cluster")))
        effects.append(Effect(name, "cluster", tuple(mean), Term(Parameter(f"{name}_sd", (), "sd", SD))))
    dim = f"{variable}_effect"
    loading = Parameter(f"{variable}_loading", (dim, variable), "unit", LOADING, (at(0.0, **{variable: -1}),))
    return tuple(effects), Term(loading, None, tuple(names), dim)
