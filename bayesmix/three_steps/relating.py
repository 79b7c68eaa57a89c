"""`bm.three_step`: from a result and its rows to classes related to covariates and outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.checks import check_level, one_of, whole
from bayesmix.results import Fit
from bayesmix.three_steps.inputs import Outcomes
from bayesmix.three_steps.plan import Plan
from bayesmix.three_steps.result import ThreeStep

Method = Literal["ml", "bch", "two-step"]
Assignment = Literal["modal", "proportional"]


def three_step(
    fit: Fit | xr.DataTree | Sequence[Fit],
    df: pd.DataFrame,
    covariates: str | None = None,
    outcomes: Outcomes | None = None,
    method: Method = "ml",
    assignment: Assignment = "modal",
    *,
    outcome_covariates: str | Mapping[str, str] | None = None,
    slopes: Literal["common", "class"] = "common",
    variance: Literal["class", "equal"] = "class",
    correlated: bool = False,
    at: Literal["means", "zero"] = "means",
    uncertainty: bool = True,
    cluster: str | None = None,
    variable: str | None = None,
    occasion: int | None = None,
    sizes: Literal["free", "held"] = "free",
    level: float = 0.95,
    draws: int = 50,
    seed: int = 0,
) -> ThreeStep:
    r"""Relate classes to covariates and outcomes that have no part in what the classes are.

    Step one is the fit. In step two each unit i is assigned to classes s by weights w_is (its most likely class; or all
    by their probabilities), and the errors of that are, Vermunt (2010),

        D_ts = P(W = s | X = t) = sum_i P(X = t | y_i) w_is / sum_i P(X = t | y_i).

    Step three, with covariates Z and outcomes Y, maximises for the methods

        "ml":        sum_i sum_s w_is log sum_t P(X = t | Z_i) D_ts f(Y_i | X = t, Z_i),
        "bch":       sum_i sum_t w*_it log [P(X = t | Z_i) f(Y_i | X = t, Z_i)],     w*_it = sum_s w_is (D^-1)_st,
        "two-step":  sum_i log sum_t P(X = t | Z_i) P(y_i | X = t) f(Y_i | X = t, Z_i),

    the last with P(y_i | X) as step one has it: Bakk and Kuha (2018). P(X = t | Z) is a multinomial logit (R3STEP);
    f is normal with means and variances by class (DU3STEP; with ``variance="equal"`` DE3STEP), logistic for binary and
    nominal outcomes, Poisson or negative binomial for counts. BCH: Vermunt (2010); Bakk, Tekle and Vermunt (2013).

    With several fits the classes X_1, ..., X_K of the occasions are a chain, P(X_1 | Z) prod_k P(X_k | X_k-1, Z), each
    with its own D, Nylund-Gibson, Grimm, Quirk and Furlong (2014); weights of a unit, proportional or BCH, are products
    over occasions, and where it has no answer the class is summed out.

    Standard errors are robust, H^-1 (sum_g s_g s_g') H^-1 over units or clusters g, and, with `uncertainty`, have
    H^-1 C V_1 C' H^-1 added to that, where C = ds/dtheta_1' is how the score moves with the parameters of step one and
    V_1 their robust covariance matrix: Bakk, Oberski and Vermunt (2014); Bakk and Kuha (2018).

    Parameters
    ----------
    fit : Fit, xarray.DataTree or sequence of Fit
        Step one: classes of individuals or of clusters. A posterior of :func:`bayesmix.sample` is pooled over its
        draws. Several fits, one an occasion, of the same rows: transitions between their classes, of individuals, by
        "ml" or "bch".
    df : pandas.DataFrame
        The rows of the fit, with covariates and outcomes. Rows that miss a covariate are left out; missing outcomes
        are taken as missing at random.
    covariates : str, optional
        Formula of the class logits: ``"age + sex"``.
    outcomes : str, sequence of str, or mapping of str to Family, optional
        Columns. Left to themselves, columns of two different numbers are binary and others normal; a mapping says it:
        ``{"score": bm.normal(), "job": bm.nominal(), "visits": bm.poisson()}``. Several outcomes are one model.
    method, assignment
        As above; "two-step" assigns nobody. Its units are clusters where these have the classes: an outcome of theirs
        counts once a cluster.
    outcome_covariates : str or mapping of outcome to str, optional
        Formula of covariates of the outcomes beside the class, of all or by outcome.
    slopes : {"common", "class"}
        Whether these slopes are the same in all classes.
    variance : {"class", "equal"}
        Variances of normal outcomes.
    correlated : bool
        Whether normal outcomes have residual covariances, the same in all classes, as Mplus has them where outcomes
        have covariates; otherwise they are independent given the class.
    at : {"means", "zero"}
        Where these covariates stand for outcomes by class and their tests: at their means over the rows of the last
        step, or at zero, so that intercepts are compared.
    uncertainty : bool
        Whether standard errors have the uncertainty of step one in them. Mplus leaves it out.
    cluster : str, optional
        Column of clusters that standard errors are robust against; that of the fit if left out.
    variable : str, optional
        The class variable, where the fit has several.
    occasion : int, optional
        Of several fits that whose classes outcomes follow from, from 1; the last one if left out.
    sizes : {"free", "held"}
        Whether class sizes are estimated in the last step, or held at those of step one, as DU3STEP and DE3STEP of
        Mplus have them; the latter with the method "ml", outcomes alone and a single fit.
    level : float
        Of the intervals.
    draws : int
        Of a posterior: how many draws are pooled, over all chains. In each the classes of the units are drawn from
        their probabilities at its parameters, with the errors D of such an assignment (random assignment); in two steps
        the measurement is held at these parameters. Results are pooled by Rubin's rules: the spread between draws is
        the uncertainty of step one.
    seed : int
        For these.

    Returns
    -------
    ThreeStep
        Its tables are `coefficients()`, `outcomes()`, `tests`, `pairwise` and others; ``print`` shows all.

    Raises
    ------
    ValueError, TypeError
        Other rows than those of the fit; a fit that has collapsed or has one class; columns that are missing, there
        twice, infinite, text, constant, collinear, or in step one already; a class that nobody is assigned to; outcomes
        that are missing or constant in a class; BCH weights without an estimate, as of a move that hardly anybody
        makes.
    RuntimeError
        Step three has no maximum.

    Examples
    --------
    >>> found = bm.three_step(fit, df, "x", "y")
    >>> found.outcomes()["mean"].shape, found.pairwise.columns[-1]
    ((2,), 'p (Holm)')
    >>> bm.three_step(fit, df, "x", method="two-step").coefficients().shape
    (2, 9)
    """
    one_of("method", method, ("ml", "bch", "two-step"))
    one_of("assignment", assignment, ("modal", "proportional"))
    one_of("slopes", slopes, ("common", "class"))
    one_of("variance", variance, ("class", "equal"))
    one_of("at", at, ("means", "zero"))
    one_of("sizes", sizes, ("free", "held"))
    for name, x in (("correlated", correlated), ("uncertainty", uncertainty)):
        if not isinstance(x, (bool, np.bool_)):
            raise ValueError(f"{name} came as {x!r}: give True or False.")
    check_level(level)
    whole("draws", draws, 2)
    whole("seed", seed, 0)
    plan = Plan.of(
        fit, df, covariates, outcomes, method, assignment, outcome_covariates=outcome_covariates, slopes=slopes,
        variance=variance, correlated=bool(correlated), uncertainty=bool(uncertainty), at=at, cluster=cluster,
        variable=variable, occasion=occasion, sizes=sizes, level=float(level), draws=draws,
    )  # fmt: skip
    if plan.of_draws:
        from bayesmix.three_steps.pooled import pooled

        return pooled(plan, seed)
    return plan.run()
