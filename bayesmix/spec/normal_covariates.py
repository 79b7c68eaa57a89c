"""Covariates as variables of the model: normal given the others, so that rows may miss them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bayesmix.checks import nearest
from bayesmix.spec.formulas import parse_formula, parse_terms, roles
from bayesmix.spec.model import Covariates, Effect, Model, Term, check_model
from bayesmix.spec.parameters import Parameter, Prior

MOST = 3
"""Covariates that may miss values: each is a dimension of an integral."""
COMPLETE = "complete_covariate"
"""The dim of the covariates that normal ones are regressed on."""
MEAN, SD = Prior("DataNormal", sigma=2.5), Prior("DataHalfNormal", sigma=2.5)
ON_COMPLETE, BESIDE = Prior("DataNormal", sigma=2.5), Prior("Normal", mu=0.0, sigma=1.0)
IMPUTE = "impute it and pool the fits by bm.pool"


def with_covariates(model: Model, normal: Sequence[str] | str, *, on: str | None = None) -> Model:
    r"""Make covariates variables of the model, so that rows that miss them stay: full information maximum likelihood.

    The covariates x_i of individual i that are named are normal given the complete ones w_i,

        x_i = mu + Gamma w_i + e_i,        e_i ~ N(0, Sigma),                                                    (1)
        log L = sum_i log int p(y_i | x_i, w_i) p(x_i | w_i) d x_i^mis,                                          (2)

    where the integral is over those that miss: given those that are there they are normal too, with the mean and
    covariance matrix that follow from (1). It has a closed form where all is normal and linear; else there are nodes.
    This holds if values are missing at random given w, the x and the y that are there.

    Parameters
    ----------
    model : Model
        Of any template, or of one's own, with these covariates in formulas of individuals.
    normal : str or sequence of str
        Columns of numbers, three at most. Of more, and of categorical ones: impute them, and :func:`bayesmix.pool`.
    on : str, optional
        Formula of w: complete covariates of individuals or clusters, and auxiliary columns that tell of x or of why it
        misses. Left out: all terms of the model's formulas without the columns `normal`. ``"1"`` for none, as in Mplus
        where the covariates alone are mentioned in the model.

    Returns
    -------
    Model
        With, for each covariate x, the parameters ``x_mean`` mu (the mean where w is zero), ``x_slope`` Gamma,
        ``x_sd``, the SD of e; for the second and third b, ``x2_on_x1``, ``x3_beside``, in

            e_k / sd_k = (sum_l<k b_kl r_l + z_k) / sqrt(Var(sum_l b_kl r_l) + 1),        z_k ~ N(0, 1),

        with r_l = e_l / sd_l: of two covariates the correlation is b / sqrt(1 + b^2). They are the same in all classes
        and groups, and independent between the rows of a cluster given w: where a covariate differs between clusters,
        give its cluster mean among `on`.

    Raises
    ------
    TypeError, ValueError
        No column names; a column in no formula, in a function or as categories, of clusters, an offset, two of them in
        one interaction; more than three. With the data: text, infinite values, a column without values or without
        variance.

    Notes
    -----
    The log-likelihood is that of y and x: it, AIC and BIC do not compare with those of models in which x is given.
    Rows with a value of x count too where no item has an answer, if they have w.

    Examples
    --------
    >>> declared = bm.with_covariates(bm.models.lca(["a", "b", "c", "d"], 2, "x"), normal="x")
    >>> [p.name for p in declared.parameters]
    ['class_logit', 'class_slope', 'x_mean', 'x_sd', 'item_logit']
    >>> gaps = df.assign(x=df["x"].where(df.index % 5 > 0))
    >>> bm.fit(declared, gaps, starts=2, rounds=1, progress=False).n_individuals
    200
    """
    check_model(model)
    names = _names(normal)
    if model.normal_covariates:
        raise ValueError(
            f"The model has normal covariates already ({', '.join(e.name for e in model.normal_covariates)}): name all "
            "of them at once."
        )
    _check(model, names)
    formula = _complete_terms(model, names) if on is None else _given(on, names)
    effects = tuple(_effect(name, names[:k], len(names) > 1, formula) for k, name in enumerate(names))
    new = [(e.name, t.parameter.name) for e in effects for t in e.terms]
    if taken := [pair for pair in new if pair[1] in {p.name for p in model.parameters}]:
        raise ValueError(
            f"normal came with '{taken[0][0]}', whose parameter '{taken[0][1]}' has the name of another one of the "
            "model: rename the column."
        )
    return replace(model, effects=(*effects, *model.effects))


def _names(normal: object) -> list[str]:
    """The columns that came."""
    came: Any = [normal] if isinstance(normal, str) else normal
    some = list(came) if isinstance(came, Iterable) else []
    if not some or not all(isinstance(x, str) for x in some):
        raise TypeError(f"normal came as {normal!r}: give names of columns, such as normal=['age', 'income'].")
    if len({*some}) < len(some):
        raise ValueError(f"normal came as {', '.join(some)}: name each covariate once.")
    if len(some) > MOST:
        raise ValueError(
            f"normal came with {len(some)} covariates ({', '.join(some)}): each that misses values is a dimension of "
            f"an integral, of which there may be {MOST}. Impute the data several times instead, and pool the fits by "
            "bm.pool."
        )
    return some


def _check(model: Model, names: Sequence[str]) -> None:
    """Refuse what is no covariate of individuals that a formula takes as it is."""
    known = dict.fromkeys(column for c in model.covariates for column in c.columns)
    taken = {*model.items, *(c.name for c in model.classes), *(e.name for e in model.effects)}
    for x in names:
        if x not in known:
            near = nearest(x, known)
            hint = f"did you mean '{near}'?" if near else f"these are {', '.join(known) or 'none'}."
            raise ValueError(f"normal came with '{x}', which is not among the covariates of the model: {hint}")
        if not x.isidentifier():
            raise ValueError(
                f"normal came with '{x}', which parameters cannot be named by: rename the column to a word."
            )
        if x in taken:
            raise ValueError(f"normal came with '{x}', which is an item, a class or an effect of the model: rename it.")
    for c in model.covariates:
        for x in (x for x in names if x in c.columns):
            _check_use(c, x)
        if c.cells or c.rows:
            continue
        several = [t for t in parse_terms(c.formula) if len({*names} & {*parse_formula(t)} if t != "1" else ()) > 1]
        if several:
            raise ValueError(
                f"normal came with two covariates of the interaction '{several[0]}' in '{c.formula}': a product of "
                "normal covariates is not linear in what is missing. Leave one of them out of normal=, or impute both "
                "and pool the fits by bm.pool."
            )


def _check_use(c: Covariates, x: str) -> None:
    """Refuse a covariate of clusters, an offset, categories, functions."""
    if c.level == "cluster" and x in parse_formula(c.formula):
        raise ValueError(
            f"normal came with '{x}', a covariate of clusters in '{c.formula}': only covariates of individuals may be "
            f"variables of the model; {IMPUTE}."
        )
    if c.times is not None and x in parse_formula(c.formula):
        raise ValueError(
            f"normal came with '{x}', a covariate of clusters in '{c.formula}' (it explains the slope of '{c.times}'): "
            f"only covariates of individuals may be variables of the model; {IMPUTE}."
        )
    if c.rows or c.cells:
        raise ValueError(
            f"normal came with '{x}', which differs between the measurements of a person: only covariates of persons "
            f"may be variables of the model; {IMPUTE}."
        )
    if c.offset:
        raise ValueError(f"normal came with '{x}', an offset: it has to be known in every row.")
    used = set().union(*(roles(text).get(x, set()) for text in (c.formula, *((c.times,) if c.times else ()))))
    if "category" in used:
        raise ValueError(
            f"normal came with '{x}', which '{c.formula}' uses as categories: categories are not normal; {IMPUTE}, or "
            "make missing a category of its own."
        )
    if "number" in used:
        raise ValueError(
            f"normal came with '{x}', which stands in a function in '{c.formula}': make a column of the function's "
            f"values, if that is normal, and name it in the formula; or {IMPUTE}."
        )


def _complete_terms(model: Model, names: Sequence[str]) -> str | None:
    """The terms of all formulas without the columns `names`; None where there are none."""
    out: dict[frozenset[str], str] = {}
    for c in (c for c in model.covariates if not (c.offset or c.cells or c.rows)):
        for text in (c.formula, *((c.times,) if c.times else ())):
            for t in parse_terms(text):
                if t != "1" and not {*names} & {*parse_formula(t)}:
                    out.setdefault(frozenset(t.split(":")), t)
    return " + ".join(out.values()) or None


def _given(on: object, names: Sequence[str]) -> str | None:
    """The formula that came; None where it has no terms."""
    if not isinstance(on, str) or not on.strip():
        raise TypeError(f"on came as {on!r}: give a formula of complete covariates, such as 'age + sex', or '1'.")
    if on.strip() == "1":
        return None
    if own := [x for x in parse_formula(on) if x in names]:
        raise ValueError(
            f"on came as '{on}' with '{own[0]}', which is normal itself: normal covariates are correlated with each "
            "other anyway; leave it out of on=."
        )
    return on


def _effect(name: str, before: Sequence[str], several: bool, formula: str | None) -> Effect:
    """A covariate: its mean, the regression on complete ones, and on the residuals of those before it."""
    mean = [Term(Parameter(f"{name}_mean", (), prior=MEAN))]
    if formula is not None:
        mean.append(Term(Parameter(f"{name}_slope", (COMPLETE,), prior=ON_COMPLETE), Covariates(COMPLETE, formula)))
    if len(before) == 1:
        mean.append(Term(Parameter(f"{name}_on_{before[0]}", (), prior=BESIDE), effects=tuple(before)))
    elif before:
        dim = f"{name}_other"
        mean.append(Term(Parameter(f"{name}_beside", (dim,), prior=BESIDE), None, tuple(before), dim))
    sd = Term(Parameter(f"{name}_sd", (), "positive", SD))
    return Effect(name, "individual", tuple(mean), sd, standard=several, column=name)
