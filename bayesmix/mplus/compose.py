"""A model and its data as an Mplus input file: the same model, so that the two programs can be laid side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.checks import whole
from bayesmix.data import Dataset, Patterns
from bayesmix.files import as_path, written
from bayesmix.mplus.data_file import aside, coded, covariates, names_of, rows_of, short, training
from bayesmix.mplus.item_places import adjacent, growing
from bayesmix.mplus.model_command import WIDTH, Params, model_commands, needs_integration, wrapped
from bayesmix.mplus.places import Place, Words, columns, refusal, variables
from bayesmix.mplus.restrictions import Restrictions, restrictions
from bayesmix.mplus.table import places
from bayesmix.results import Fit
from bayesmix.spec import Model, Response, check_model

MISSING = (9999, -9999, 99999, -99999, 999999, -999999)
COUNTS = {
    "poisson": "", "negative_binomial": "(NB)", "zero_inflated_poisson": "(I)",
    "zero_inflated_negative_binomial": "(NBI)",
}  # fmt: skip
"""What follows the name of a count."""


def write(
    model: Model | Fit, df: pd.DataFrame, path: str | Path, *, starts: int = 100, overwrite: bool = False
) -> dict[str, str]:
    """Write a model as an Mplus input and its data beside it, so that the same model runs in Mplus.

    Written are latent class and profile models (with covariates, frequencies, random effects, factors or classes of
    clusters), transition models (with random intercepts, classes of chains, movers and stayers), growth models
    (``i s |``; of two levels too), regression mixtures with a random intercept at most, factor mixtures, the 1PL to
    3PL. Observed groups are a class variable of KNOWNCLASS: a comment says by how much the log-likelihood is lower in
    Mplus, which has their sizes. Known classes are columns of TRAINING, an offset is a slope of 1, partial credit is
    ``(gpcm)``. Stayers take PARAMETERIZATION = PROBABILITY. What all classes share has a label.
    Constraints (``fix=``, ``equal=``) are written in Mplus's parameters, in which the threshold of a binary item is
    minus its logit: as fixed values, labels and equations of MODEL CONSTRAINT.

    Parameters
    ----------
    model : Model or Fit
        What a template returns; or a fit, whose estimates then are the starting values, with ``STARTS = 0``: Mplus
        begins at this maximum.
    df : pandas.DataFrame
        Its data. Categories are written as 0, 1, ... in their order, clusters as 1, 2, ...; rows without an answer
        are left out, as they are of a fit.
    path : str or pathlib.Path
        Of the input, ``folder/run.inp``; the data stand beside it as ``run.dat``.
    starts : int
        Random starts of the first stage, of a model; a fifth of them go on to the second.
    overwrite : bool
        Whether files of these names with another content are replaced.

    Returns
    -------
    dict of str to str
        The Mplus name, of eight letters at most, of each column, class variable and effect; the input has them too,
        as comments. :func:`published` takes it.

    Raises
    ------
    ValueError
        What Mplus cannot be told, by the part; data that are no numbers; a path that does not end in .inp, or where
        something else stands.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> bm.mplus.write(model, df, f"{folder}/run.inp")["C"]
    'C'
    """
    fit = model if isinstance(model, Fit) else None
    declared = fit.model if fit is not None else model
    check_model(declared)
    assert isinstance(declared, Model)
    whole("starts", starts, 0)
    target = as_path(path)
    if target.suffix.lower() != ".inp":
        raise ValueError(f"The path came as '{target}': give one that ends in .inp, such as '{target.stem}.inp'.")
    _check_design(declared)
    data = Dataset.encode(declared, df)
    names = names_of(declared)
    groups = len(data.groups.labels) if data.groups else 0
    words = Words(names, {i: len(c) for i, c in data.categories.items() if c}, groups, short("CG", names.values()))
    if fit is not None:
        _check_same(fit, words)
    table = places(declared, words)
    values = None if fit is None else {p.name: fit.params[p.name].transpose(*p.dims) for p in declared.parameters}
    packing = Patterns.of(data).packing if declared.constraints else None
    held = restrictions(table, packing, _stated_once(declared, table, words))
    rows = coded(declared, df, data, words)
    _check_limits(declared, rows, words)
    code = next((c for c in MISSING if not (rows == c).any(axis=None)), None)
    if code is None:
        raise ValueError(f"The data have every missing-value code among {MISSING}: recode one of these values.")
    options = (
        ("VARIABLE", [*_of_groups(declared, data, words), *_said(_variables(declared, words, rows, code))]),
        ("ANALYSIS", _said(_analysis(declared, starts, values is not None))),
    )
    files = {
        target: _input(declared, words, f"{target.stem}.dat", dict(options), (table, held), values),
        target.with_suffix(".dat"): rows_of(rows, code),
    }
    for file, text in files.items():
        if not overwrite and file.exists() and (not file.is_file() or file.read_text(encoding="utf-8") != text):
            raise ValueError(f"'{file}' exists with another content: give overwrite=True, or another name.")
    for file, text in files.items():
        with written(file) as aside:
            aside.write_text(text, encoding="utf-8")
    return dict(words.names)


def _stated_once(model: Model, table: list[Place], words: Words) -> list[Place]:
    """List the thresholds and means of items that all classes share, which Mplus would let vary over these."""
    if not model.is_mixture and model.group is None:
        return []
    items = {words.names[i] for i in model.items}
    own = [p for p in table if not p.scope and p.combination and p.heading in ("Thresholds", "Means")]
    return [p for p in own if p.variable.split("$")[0].split("#")[0] in items]


def _of_groups(model: Model, data: Dataset, words: Words) -> list[str]:
    """Say by how much the log-likelihood of Mplus is lower, which has the sizes of the groups."""
    if data.groups is None:
        return []
    weight = data.weights[data.seen]
    shares = np.bincount(data.groups.of_row[data.seen], weight, words.groups)
    less = float((shares * np.log(shares / shares.sum())).sum())
    more = "" if model.two_level or model.survey else f", here by {less:.3f}"
    labels = ", ".join(f"{k} is {v!a}" for k, v in enumerate(data.groups.labels, 1))
    return [
        f"  ! groups: {labels}"[: WIDTH + 8],
        f"  ! the log-likelihood in Mplus has the sizes of the groups{more},",
        f"  ! and {words.groups - 1} parameter{'s' if words.groups > 2 else ''} more",
    ]


def _check_design(model: Model) -> None:
    """Refuse designs of a survey that Mplus cannot be told, or would read otherwise."""
    held = model.survey
    if held.replicate_weights:
        raise refusal("replicate weights", "whether its REPWEIGHTS go with classes is not known")
    if held.fpc and model.two_level:
        raise refusal("a finite population correction beside clusters", "FINITE is of TYPE = COMPLEX")
    if held.lonely != "refuse":
        raise refusal(f"strata with one primary sampling unit taken as '{held.lonely}'")
    if held.scaling == "unscaled" and not model.varies_between:
        raise refusal("weights that are not scaled, outside of clusters")
    if held and model.cluster and not model.varies_between:
        raise refusal(
            "the design of a survey beside clusters with nothing latent in them; give psu= in cluster='s place"
        )


def _check_same(fit: Fit, words: Words) -> None:
    """Refuse data whose items have other numbers of categories than those of the fit."""
    for item, categories in dict(fit.info.get("categories") or {}).items():
        if categories and len(categories) != words.categories.get(item):
            raise ValueError(
                f"'{item}' has {words.categories.get(item)} categories in these data and {len(categories)} in those of "
                "the fit: give the data of the fit."
            )


def _check_limits(model: Model, rows: pd.DataFrame, words: Words) -> None:
    """Refuse censored items with two limits, and with one that is not where Mplus looks for it: the outermost value."""
    for r in (r for r in model.responses if r.family.name == "censored_normal"):
        lower, upper = getattr(r.family, "lower", None), getattr(r.family, "upper", None)
        for item in r.items:
            y = rows[words.names[item]]
            if lower is not None and upper is not None:
                raise refusal(f"two limits of '{item}' ({lower:g} and {upper:g})", "Mplus has one, from above or below")
            limit, there = (lower, y.min()) if upper is None else (upper, y.max())
            if limit != there:
                raise refusal(
                    f"the limit {limit:g} of '{item}', which no answer reaches ({there:g} is the outermost)",
                    "Mplus takes the outermost answer for the limit; take normal() for this item",
                )


# the input ----------------------------------------------------------------------------------------


def _input(
    model: Model, words: Words, data_file: str, options: Mapping[str, list[str]],
    stated: tuple[list[Place], Restrictions], values: Params,
) -> str:  # fmt: skip
    """Compose the text of the input."""
    table, held = stated
    out = ["TITLE:", *wrapped(f"{model.name}, written by bayesmix")]
    out += ["DATA:", f'  FILE = "{data_file}";', "VARIABLE:", *(comment(new, old) for old, new in words.names.items())]
    out += [*options["VARIABLE"], "ANALYSIS:", *options["ANALYSIS"]]
    out += model_commands(model, words, table, held, values)
    if held.equations:
        out += ["MODEL CONSTRAINT:", *(line for e in held.equations for line in wrapped(f"{e};"))]
    out += ["OUTPUT:", "  SVALUES TECH8;"]
    return "\n".join(line[:88] for line in out) + "\n"


def _said(options: list[tuple[str, str]]) -> list[str]:
    """Write options of a command."""
    return [line for key, value in options for line in wrapped(f"{key} = {value};")]


def comment(new: str, old: str) -> str:
    """Say in a comment which name stands for which, cut to the width of a line."""
    return f"  ! {new} is {old if old.isascii() else ascii(old)}"[: WIDTH + 8]


def _variables(model: Model, words: Words, rows: pd.DataFrame, code: int) -> list[tuple[str, str]]:
    """List the options of VARIABLE."""
    other = {words.names[c] for c in aside(model)} - {words.names[c] for c in (*covariates(model), *model.items)}
    names = list(map(str, rows))
    kinds: dict[str, list[str]] = {}
    for r in model.responses:
        for item in r.items:
            option, mark = _kind(r, words.categories.get(item, 0), item)
            kinds.setdefault(option, []).append(words.names[item] + mark)
    out = [("NAMES", " ".join(names)), ("USEVARIABLES", " ".join(n for n in names if n not in other))]
    out += [("MISSING", f"ALL ({code})")]
    out += [(option, " ".join(own)) for option, own in kinds.items() if option]
    if known := variables(model, words):
        out.append(("CLASSES", " ".join(f"{name}({n})" for name, n in known.values())))
    if model.group:
        own = " ".join(f"{words.names[model.group]} = {k + 1}" for k in range(words.groups))
        out.append(("KNOWNCLASS", f"{words.group_class} ({own})"))
    if model.known:
        out.append(("TRAINING", " ".join(words.names[c] for c in training(model))))
    if model.freq:
        out.append(("FREQWEIGHT", words.names[model.freq]))
    out += _design(model, words, rows)
    if model.cluster:
        levels = _levels(model)
        random = model.is_regression and any(e.level == "cluster" for e in model.effects)
        both = {i for r in model.responses if random or growing(model, r) for i in r.items}
        within = [words.names[c] for c in (*(i for i in model.items if i not in both), *levels["individual"])]
        between = [words.names[c] for c in (*(c.name for c in model.classes_at("cluster")), *levels["cluster"])]
        out += [("CLUSTER", " ".join(words.names[c] for c in (model.survey.psu, model.cluster) if c))]
        out += [(k, " ".join(v)) for k, v in (("WITHIN", within), ("BETWEEN", between)) if v]
    return out


def _design(model: Model, words: Words, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """List the options of the design of a survey."""
    held, out = model.survey, []
    scaling = {"cluster": "CLUSTER", "effective": "ECLUSTER", "unscaled": "UNSCALED"}
    if held.weights:
        out.append(("WEIGHT", words.names[held.weights]))
        out += [("WTSCALE", scaling[held.scaling or "cluster"])] * model.varies_between
    if held.cluster_weights:
        out += [("BWEIGHT", words.names[held.cluster_weights]), ("BWTSCALE", held.cluster_scaling.upper())]
    if held.strata:
        out.append(("STRATIFICATION", words.names[held.strata]))
    if held.psu and not model.cluster:
        out.append(("CLUSTER", words.names[held.psu]))
    if held.fpc:  # the share that was drawn, or the number in the population
        name = words.names[held.fpc]
        out.append(("FINITE", f"{name} ({'SFRACTION' if rows[name].max() <= 1 else 'POPULATION'})"))
    return out


def _levels(model: Model) -> dict[str, list[str]]:
    """List the covariates of individuals and those of clusters.

    Raises
    ------
    ValueError
        One that is used as both.
    """
    out: dict[str, list[str]] = {"individual": [], "cluster": []}
    for t in (t for part in (*model.classes, *model.effects, *model.responses) for t in part.terms if t.covariates):
        for x in columns(t):
            assert t.covariates
            if x not in out[t.covariates.level]:
                out[t.covariates.level].append(x)
    if both := [x for x in out["individual"] if x in out["cluster"]]:
        raise refusal(f"'{both[0]}' as a covariate of individuals and of clusters", "make a second column of it")
    return out


def _kind(r: Response, categories: int, item: str) -> tuple[str, str]:
    """Name the option of VARIABLE that an item stands under, and what follows its name."""
    family: Any = r.family
    if getattr(family, "guessing", False):
        return "CATEGORICAL", "(3PL)"
    if categories > 2 and (family.name == "nominal" or (family.name == "partial_credit" and not adjacent(r))):
        return "NOMINAL", ""
    if family.name in ("bernoulli", "ordinal", "nominal", "partial_credit"):
        return "CATEGORICAL", "(GPCM)" * (categories > 2 and family.name == "partial_credit")
    if family.name in COUNTS:
        return "COUNT", COUNTS[family.name]
    if family.name == "censored_normal":
        return "CENSORED", "(B)" if family.upper is None else "(A)"
    if family.name == "normal":
        return "", ""
    hint = "it has no trials; a row a trial can be said" if family.name == "binomial" else "give it another family"
    raise refusal(f"the item '{item}' of the family {family}", hint)


def _analysis(model: Model, starts: int, begun: bool) -> list[tuple[str, str]]:
    """List the options of ANALYSIS."""
    kinds = ["COMPLEX"] * bool(model.survey.strata or model.survey.psu)
    kinds += ["TWOLEVEL"] * model.two_level + ["MIXTURE"] * bool(model.classes or model.group)
    links = {getattr(r.family, "link", "logit") for r in model.responses if r.family.finite}
    if len(links) > 1:
        raise refusal("logit and probit items in one model")
    out = [("TYPE", " ".join(kinds) or "GENERAL"), ("ESTIMATOR", "MLR")]
    out += [("LINK", "PROBIT")] * ("probit" in links)
    out += [("PARAMETERIZATION", "PROBABILITY")] * any(c.stays for c in model.classes)
    out += [("ALGORITHM", "INTEGRATION")] * needs_integration(model)
    if model.is_mixture:
        out += [("STARTS", "0")] if begun or not starts else [("STARTS", f"{starts} {max(1, starts // 5)}")]
    return out
