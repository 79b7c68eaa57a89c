r"""The models of the 2009 paper: Figs 2-4, and 1, 1b, 1c, A, B and C of Table 2.

Each is :func:`bayesmix.models.regression_mixture` with some of its parts; on the paper's variables unless others
are named. Of mathematics on sex and socio-economic status,

    1       beta_kj = gamma_k + gamma_k1 w_j + u_kj for the intercept and both slopes,               R(13)-R(16)
            the residual variances and covariances that Table 1 lists: that of the slopes is zero;
    1b, 1c  and the residual variance linear in the covariates R(17), or one for each school type;
    A       every coefficient varies over K classes of students, the intercept alone over schools; the class
            logits have one factor R(24)-R(25), regressed on w, and covariates of students R(19);
    B       and the slope of sex varies over schools too; w predicts both slopes R(21)-R(22), and the class
            logits directly R(23), which is the factor's regression and direct effects on the others;
    C       and the coefficients vary over L classes of schools as well, R(26)-R(32).
"""

from __future__ import annotations

from collections.abc import Sequence

from bayesmix.models.regression_mixture import regression_mixture

from bayesmix import Model, constrain
from bayesmix.checks import one_of
from bayesmix.spec import Equal, Fix

BETWEEN = "per_adva + private + catholic + mean_ses"


def nels(
    model: str = "B",
    classes: int = 3,
    formula: str = "math ~ female + stud_ses",
    between: str = BETWEEN,
    cluster: str = "school",
    random: str = "female",
    groups: str = "private + catholic",
    cluster_classes: int = 2,
    *,
    fix: Fix = None,
    equal: Equal = None,
) -> Model:
    """Declare a model of Table 2.

    Parameters
    ----------
    model : {"1", "1b", "1c", "A", "B", "C"}
        Its name there.
    classes : int
        Number of classes K of individuals in A, B and C.
    formula : str
        The regression.
    between : str
        Formula of the covariates of clusters, w.
    cluster : str
        Column of the cluster labels.
    random : str
        The slopes that vary over clusters in B and C.
    groups : str
        Formula of the groups of clusters in 1c.
    cluster_classes : int
        Number of classes L of clusters in C.
    fix, equal
        Entries that are fixed, held equal or related by equations: as in :func:`bayesmix.constrain`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        No model of that name, and as :func:`bayesmix.models.regression_mixture`.

    Examples
    --------
    >>> bm.models.nels("A", classes=2).name
    'regression_mixture'
    """
    one_of("The model", model, ("1", "1b", "1c", "A", "B", "C"), " or ")
    if model == "A":
        declared = model_a(formula, classes, between, cluster)
    elif model in "BC":
        declared = model_b(formula, classes, between, cluster, random, cluster_classes if model == "C" else 0)
    else:
        within = formula.partition("~")[2].strip()
        declared = model_1(formula, between, cluster, {"1": "equal", "1b": within, "1c": groups}[model])
    return constrain(declared, fix=fix, equal=equal)


def figure_2(formula: str, classes: int = 2) -> Model:
    """Fig. 2, R(1)-R(2): a regression mixture of one level; the covariates predict the class too."""
    return regression_mixture(formula, classes, formula.partition("~")[2].strip())


def figure_3(formula: str, between: str, cluster: str, classes: int = 2) -> Model:
    """Fig. 3, R(3)-R(9): random intercepts of the outcome and of the class logits, not correlated, both predicted."""
    return regression_mixture(
        formula,
        classes,
        formula.partition("~")[2].strip(),
        cluster=cluster,
        covariance="independent",
        cluster_covariates={"1": between, "class": between},
    )


def figure_4(formula: str, between: str, cluster: str) -> Model:
    """Fig. 4, R(10)-R(12): the conventional two-level regression with random slopes."""
    within = formula.partition("~")[2].strip()
    return regression_mixture(formula, cluster=cluster, random=f"1 + {within}", cluster_covariates=between)


def model_1(formula: str, between: str, cluster: str, variance: str = "equal") -> Model:
    """Models 1, 1b and 1c, R(13)-R(17)."""
    within = formula.partition("~")[2].strip()
    return regression_mixture(
        formula,
        variance=variance,
        cluster=cluster,
        random=f"1 + {within}",
        covariance="slopes apart",
        cluster_covariates=between,
    )


def model_a(formula: str, classes: int, between: str, cluster: str, covariance: str = "unrestricted") -> Model:
    """Model A: R(18)-R(25) without random slopes.

    The count of A2 in Table 2 leaves the covariance of intercept and factor out ("independent"), those of A3 and A4
    have it.
    """
    return regression_mixture(
        formula,
        classes,
        formula.partition("~")[2].strip(),
        cluster=cluster,
        covariance=covariance,
        cluster_covariates={"1": between, "factor": between},
    )


def model_b(
    formula: str,
    classes: int,
    between: str,
    cluster: str,
    random: str = "0",
    cluster_classes: int = 0,
    by_cluster_class: Sequence[str] = ("1",),
) -> Model:
    """Model B, R(18)-R(25), Fig. 7; with classes of clusters model C, R(26)-R(32).

    In C every intercept and slope varies over both kinds of classes. The count of C23 asks for four parameters
    more than that: with the slopes of one coefficient's cluster covariates by D, here the intercept's, it is met.
    """
    within = formula.partition("~")[2].strip()
    predicted = dict.fromkeys(["1", *(t.strip() for t in within.split("+")), "class"], between)
    return regression_mixture(
        formula,
        classes,
        within,
        cluster=cluster,
        random="1" if random == "0" else f"1 + {random}",
        effects="factor",
        cluster_covariates=predicted,
        cluster_classes=cluster_classes,
        cluster_class_covariates=between if cluster_classes else None,
        cluster_covariates_by_cluster_class=by_cluster_class if cluster_classes else (),
    )
