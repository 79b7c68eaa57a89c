"""A model and its data as an Mplus input file: the same model, so that the two programs can be laid side by side."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmix.checks import whole
from bayesmix.data import Dataset, Patterns
from bayesmix.files import as_path, written
from bayesmix.mplus.places import Place, Words, columns, fixed_value, places, random_intercepts, refusal
from bayesmix.mplus.restrictions import Restrictions, restrictions
from bayesmix.results import Fit
from bayesmix.spec import Model, check_model

WIDTH = 80
"""Of a line; Mplus cuts what goes beyond 90."""
LONGEST = 8
LIMIT = 15.0
"""Mplus holds thresholds within these logits."""
MISSING = (9999, -9999, 99999, -99999, 999999, -999999)
WORDS = frozenset({"ALL", "ARE", "BY", "IS", "ON", "PON", "PWITH", "WITH", "XWITH"})
"""Of the language itself, which no variable can be named by."""
COUNTS = {
    "poisson": "", "negative_binomial": "(NB)", "zero_inflated_poisson": "(I)",
    "zero_inflated_negative_binomial": "(NBI)",
}  # fmt: skip
"""What follows the name of a count."""
LEFT_OF = {"Means": "[{}]", "Thresholds": "[{}]"}


def write(
    model: Model | Fit, df: pd.DataFrame, path: str | Path, *, starts: int = 100, overwrite: bool = False
) -> dict[str, str]:
    """Write a model as an Mplus input and its data beside it, so that the same model runs in Mplus.

    Written are latent class and profile models (with covariates, frequencies, random effects, factors or classes of
    clusters), transition models (with a random intercept, but no classes of chains), regression mixtures with a random
    intercept at most, factor mixtures, the 1PL to 3PL.
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
    _refuse_growth(declared)
    data = Dataset.encode(declared, df)
    words = Words(_names(declared), {i: len(c) for i, c in data.categories.items() if c})
    if fit is not None:
        _check_same(fit, words)
    table = places(declared, words)
    values = (
        None if fit is None else {p.name: fit.params[p.name].transpose(*p.dims).values for p in declared.parameters}
    )
    held = restrictions(table, Patterns.of(data).packing if declared.constraints else None)
    rows = _data(declared, df, data, words)
    _check_limits(declared, rows, words)
    code = next((c for c in MISSING if not (rows == c).any(axis=None)), None)
    if code is None:
        raise ValueError(f"The data have every missing-value code among {MISSING}: recode one of these values.")
    files = {
        target: _input(
            declared, words, (table, held), values, list(map(str, rows)), f"{target.stem}.dat", code, starts
        ),
        target.with_suffix(".dat"): _rows(rows, code),
    }
    for file, text in files.items():
        if not overwrite and file.exists() and (not file.is_file() or file.read_text(encoding="utf-8") != text):
            raise ValueError(f"'{file}' exists with another content: give overwrite=True, or another name.")
    for file, text in files.items():
        with written(file) as aside:
            aside.write_text(text, encoding="utf-8")
    return dict(words.names)


def _refuse_growth(model: Model) -> None:
    """Refuse growth factors, whose line in Mplus is given for the input that is written by hand."""
    loading = next(
        (t for r in model.responses for t in r.predictor if {*t.effects} & {e.name for e in model.sums}), None
    )
    if loading is None:
        return
    fixed = {f.positions: f.value for f in loading.parameter.fixed}
    items = model.responses[0].items
    scores = [
        fixed.get((("growth", 1), ("item", i)), None if len(loading.effects) > 1 else 0) for i in range(len(items))
    ]
    line = " ".join(f"{item}@{t:g}" if t is not None else f"{item}*" for item, t in zip(items, scores, strict=True))
    raise ValueError(
        f"Mplus cannot be told the growth factors {', '.join(loading.effects)} by this function. By hand their line is "
        f"'{' '.join(loading.effects)} | {line};', and their means by class '[{' '.join(loading.effects)}];'."
    )


def _check_design(model: Model) -> None:
    """Refuse designs of a survey that Mplus cannot be told, or would read otherwise."""
    held = model.survey
    if held.replicate_weights or held.fpc:
        raise refusal("replicate weights" if held.replicate_weights else "a finite population correction")
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


# names and data -----------------------------------------------------------------------------------


def _covariates(model: Model) -> list[str]:
    """List the columns of covariates."""
    terms = (t for part in (*model.classes, *model.effects, *model.responses) for t in part.terms if t.covariates)
    return list(dict.fromkeys(x for t in terms for x in columns(t)))


def _names(model: Model) -> dict[str, str]:
    """Give each column, class variable and effect a name of eight letters."""
    aside = [c for c in (model.cluster, model.freq, *model.survey.columns) if c]
    latent = [c.name for c in model.classes] + [e.name for e in model.effects]
    out: dict[str, str] = {}
    for name in [*latent, *model.items, *_covariates(model), *aside]:
        if name not in out:
            out[name] = _short("CB" if name == "D" and model.classes_at("cluster") else name, out.values())
    return out


def _short(name: str, taken: Iterable[str]) -> str:
    """Shorten `name` to eight letters, digits and underscores that are not taken."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name.encode("ascii", "replace").decode()).upper()
    text = text if text[:1].isalpha() else f"V{text}"
    taken, k, out = set(taken), 1, text[:LONGEST]
    while out in taken or out in WORDS:
        k += 1
        out = f"{text[: LONGEST - len(str(k))]}{k}"
    return out


def _data(model: Model, df: pd.DataFrame, data: Dataset, words: Words) -> pd.DataFrame:
    """Code the columns that Mplus reads, in capitals; rows without any answer are left out."""
    out = {}
    for r in model.responses:
        for k, item in enumerate(r.items):
            finite = item in words.categories
            out[words.names[item]] = data.coded[r.name].y[:, k] if finite else pd.to_numeric(df[item]).to_numpy(float)
    for x in _covariates(model):
        if not pd.api.types.is_numeric_dtype(df[x]) and not pd.api.types.is_bool_dtype(df[x]):
            raise ValueError(
                f"The covariate '{x}' is no number: Mplus takes numbers alone; make it 0 and 1, or several."
            )
        out[words.names[x]] = df[x].to_numpy(float)
    if model.freq:
        out[words.names[model.freq]] = df[model.freq].to_numpy(float)
    if model.cluster:
        out[words.names[model.cluster]] = pd.factorize(df[model.cluster], sort=True)[0] + 1.0
    held = model.survey
    out |= {words.names[c]: df[c].to_numpy(float) for c in (held.weights, held.cluster_weights) if c}
    if held.strata:
        out[words.names[held.strata]] = pd.factorize(df[held.strata], sort=True)[0] + 1.0
    if held.psu and held.psu != model.cluster:  # read within strata
        keys = [df[c] for c in (held.strata, held.psu) if c]
        out[words.names[held.psu]] = pd.MultiIndex.from_arrays(keys).factorize(sort=True)[0] + 1.0
    return pd.DataFrame(out)[data.seen]


def _rows(rows: pd.DataFrame, code: int) -> str:
    lines = [" ".join(f"{x:.12g}" for x in row) for row in rows.fillna(code).to_numpy()]
    return "\n".join(lines) + "\n"


# the input ----------------------------------------------------------------------------------------


def _input(
    model: Model, words: Words, stated: tuple[list[Place], Restrictions], values: Mapping[str, np.ndarray] | None,
    names: list[str], data_file: str, code: int, starts: int,
) -> str:  # fmt: skip
    """Compose the text of the input."""
    out = ["TITLE:", *_wrapped(f"{model.name}, written by bayesmix")]
    out += ["DATA:", f'  FILE = "{data_file}";', "VARIABLE:", *(comment(new, old) for old, new in words.names.items())]
    out += [line for key, value in _variables(model, words, names, code) for line in _wrapped(f"{key} = {value};")]
    out += ["ANALYSIS:"]
    out += [
        line for key, value in _analysis(model, starts, values is not None) for line in _wrapped(f"{key} = {value};")
    ]
    table, held = stated
    out += _model(model, words, table, held, values)
    if held.equations:
        out += ["MODEL CONSTRAINT:", *(line for e in held.equations for line in _wrapped(f"{e};"))]
    out += ["OUTPUT:", "  SVALUES TECH8;"]
    return "\n".join(line[:88] for line in out) + "\n"


def comment(new: str, old: str) -> str:
    """Say in a comment which name stands for which, cut to the width of a line."""
    return f"  ! {new} is {old if old.isascii() else ascii(old)}"[: WIDTH + 8]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _variables(model: Model, words: Words, names: list[str], code: int) -> list[tuple[str, str]]:
    """List the options of VARIABLE."""
    aside = {words.names[c] for c in (model.cluster, model.freq, *model.survey.columns) if c}
    aside -= {words.names[c] for c in (*_covariates(model), *model.items)}
    kinds: dict[str, list[str]] = {}
    for r in model.responses:
        for item in r.items:
            option, mark = _kind(r.family, words.categories.get(item, 0), item)
            kinds.setdefault(option, []).append(words.names[item] + mark)
    out = [("NAMES", " ".join(names)), ("USEVARIABLES", " ".join(n for n in names if n not in aside))]
    out += [("MISSING", f"ALL ({code})")]
    out += [(option, " ".join(own)) for option, own in kinds.items() if option]
    if model.classes:
        out.append(("CLASSES", " ".join(f"{words.names[c.name]}({c.size})" for c in model.classes)))
    if model.freq:
        out.append(("FREQWEIGHT", words.names[model.freq]))
    out += _design(model, words)
    if model.cluster:
        levels = _levels(model)
        random = model.is_regression and any(e.level == "cluster" for e in model.effects)
        within = [words.names[c] for c in (*(() if random else model.items), *levels["individual"])]
        between = [words.names[c] for c in (*(c.name for c in model.classes_at("cluster")), *levels["cluster"])]
        out += [("CLUSTER", " ".join(words.names[c] for c in (model.survey.psu, model.cluster) if c))]
        out += [(k, " ".join(v)) for k, v in (("WITHIN", within), ("BETWEEN", between)) if v]
    return out


def _design(model: Model, words: Words) -> list[tuple[str, str]]:
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


def _kind(family, categories: int, item: str) -> tuple[str, str]:
    """Name the option of VARIABLE that a family's items stand under, and what follows their names."""
    if getattr(family, "guessing", False):
        return "CATEGORICAL", "(3PL)"
    if family.name == "nominal" and categories > 2:
        return "NOMINAL", ""
    if family.name in ("bernoulli", "ordinal", "nominal"):
        return "CATEGORICAL", ""
    if family.name in COUNTS:
        return "COUNT", COUNTS[family.name]
    if family.name == "censored_normal":
        return "CENSORED", "(B)" if family.upper is None else "(A)"
    if family.name == "normal":
        return "", ""
    raise refusal(f"the item '{item}' of the family {family}", "leave it out, or give it another family")


def _analysis(model: Model, starts: int, begun: bool) -> list[tuple[str, str]]:
    """List the options of ANALYSIS."""
    kinds = ["COMPLEX"] * bool(model.survey.strata or model.survey.psu)
    kinds += ["TWOLEVEL"] * model.two_level + ["MIXTURE"] * bool(model.classes)
    links = {getattr(r.family, "link", "logit") for r in model.responses if r.family.finite}
    if len(links) > 1:
        raise refusal("logit and probit items in one model")
    effects = [e for e in model.effects if not (e.level == "cluster" and model.is_regression and not model.classes)]
    out = [("TYPE", " ".join(kinds) or "GENERAL"), ("ESTIMATOR", "MLR")]
    out += [("LINK", "PROBIT")] * ("probit" in links)
    out += [("ALGORITHM", "INTEGRATION")] * bool(effects)
    if model.is_mixture:
        out += [("STARTS", "0")] if begun or not starts else [("STARTS", f"{starts} {max(1, starts // 5)}")]
    return out


# MODEL --------------------------------------------------------------------------------------------


def _model(
    model: Model, words: Words, table: list[Place], held: Restrictions, values: Mapping[str, np.ndarray] | None
) -> list[str]:
    """Compose the MODEL commands."""
    parts: dict[tuple[str, str, str], list[str]] = {}
    own = [words.names[c.name] for c in model.classes]
    home = "%WITHIN%" if model.two_level else ""

    def at(place: Place) -> tuple[str, str, str]:
        level = "%BETWEEN%" if place.between and model.two_level else home
        if place.scope is None:
            return "MODEL", level, "%OVERALL%"
        name, k = place.scope
        return ("MODEL" if len(own) == 1 else f"MODEL {name}"), level, f"%{name}#{k + 1}%"

    for level in dict.fromkeys([home, *["%BETWEEN%"] * model.two_level]):
        parts["MODEL", level, "%OVERALL%"] = _structure(model, words, table, level, values)
    for place in table:
        plain = place.combination not in held.labels and place.combination not in held.fixed
        if values is None and model.two_level and "#" in place.variable and place.heading == "Means" and plain:
            continue  # the means of class logits, free anyhow
        parts.setdefault(at(place), []).append(_statement(place, values, held, model))
    lines: list[str] = []
    for command in dict.fromkeys(key[0] for key in parts):
        lines.append(f"{command}:")
        for level in dict.fromkeys(key[1] for key in parts if key[0] == command):
            lines += [f"  {level}"] * bool(level)
            for key, statements in parts.items():
                if key[:2] == (command, level):
                    lines += [f"  {key[2]}"] * bool(model.classes)
                    lines += [line for s in dict.fromkeys(statements) for line in _wrapped(f"  {s}")]
    return lines


def _statement(place: Place, values: Mapping[str, np.ndarray] | None, held: Restrictions, model: Model) -> str:
    """Write a parameter, with its value where there is one."""
    start = "*" if place.heading == "BY" else ""
    if values is not None:
        theta = sum(a * values[name][at] for a, (name, at) in place.combination)
        m = float(place.form.of(theta))
        bound = LIMIT if place.heading == "Thresholds" else 1e6
        start = f"*{np.clip(m, -bound, bound):.5f}" if np.isfinite(m) else start
    known = [_value_at(model, e) for _, e in place.combination]
    if None not in known:
        theta = sum(a * x for (a, _), x in zip(place.combination, known, strict=True) if x is not None)
        start = f"@{place.form.of(theta):g}"
    if place.combination in held.fixed:
        start = f"@{held.fixed[place.combination] + 0.0:.12g}"
    label = f" ({held.labels[place.combination]})" if place.combination in held.labels else ""
    if place.heading in ("ON", "BY", "WITH"):
        return f"{place.outcome} {place.heading} {place.variable}{start}{label};"
    return LEFT_OF.get(place.heading, "{}").format(f"{place.variable}{start}") + f"{label};"


def _value_at(model: Model, entry: tuple[str, tuple[int, ...]]) -> float | None:
    """The value of an entry that is fixed at a position from the front."""
    p = next(p for p in model.parameters if p.name == entry[0])
    return fixed_value(p, entry[1])


def _structure(
    model: Model, words: Words, table: list[Place], level: str, values: Mapping[str, np.ndarray] | None
) -> list[str]:
    """List statements without parameters of ours: scales of factors, what is free, what is zero."""
    between = level == "%BETWEEN%"
    out: list[str] = []
    if not between:
        for place in table:  # what classes have of their own must be there overall
            if place.scope and place.heading in ("ON", "BY", "WITH") and not place.between:
                out.append(f"{place.outcome} {place.heading} {place.variable}{'*' * (place.heading == 'BY')};")
        factors = [words.names[e.name] for e in model.effects_at("individual")]
        out += [line for f in factors for line in (f"{f}@1;", f"[{f}@0];")]
        out += [
            f"{words.names[a.name]} WITH {words.names[b.name]}{'' if a.standard and _joined(a) else '@0'};"
            for k, a in enumerate(model.effects_at("individual"))
            for b in model.effects_at("individual")[:k]
        ]
        out += _independent(model, words)
        return list(dict.fromkeys(out))
    varying = [words.names[y] for y in random_intercepts(model)]
    out += [f"{' '.join(varying)} WITH {' '.join(varying)}@0;"] * (len(varying) > 1)
    for c in model.classes_at("individual"):
        name = words.names[c.name]
        for t in (t for t in c.terms if t.effects):
            if len(t.effects) == 1 and c.size > 2:
                f = words.names[t.effects[0]]
                out += [f"{f}@1;"]
            elif len(t.effects) > 1:
                out += _covariances(name, c.size - 1, None if values is None else values[t.parameter.name])
    return out


def _independent(model: Model, words: Words) -> list[str]:
    """Fix at zero the residual covariances of normal items that the model does not have."""
    normal = [words.names[i] for r in model.responses if r.family.name == "normal" for i in r.items]
    free = {frozenset(words.names[r.items[k]] for k in pair) for r in model.responses for pair in r.pair_places}
    if not free:
        return [f"{' '.join(normal)} WITH {' '.join(normal)}@0;"] if len(normal) > 1 else []
    zero = {b: [a for a in normal[:k] if frozenset((a, b)) not in free] for k, b in enumerate(normal)}
    return [f"{b} WITH {' '.join(f'{a}@0' for a in own)};" for b, own in zero.items() if own]


def _covariances(name: str, n: int, loadings: np.ndarray | None) -> list[str]:
    """Free the covariance matrix of `n` random class logits, which is L'L of their loadings (effect, class)."""
    starts = np.full((n, n), "", dtype=object)
    if loadings is not None:
        starts = np.vectorize(lambda x: f"*{x:.5f}", otypes=[object])((loadings.T @ loadings)[:n, :n])
    out = [f"{name}#{k + 1}{starts[k, k]};" for k in range(n)]
    return out + [f"{name}#{k + 1} WITH {name}#{j + 1}{starts[k, j]};" for k in range(n) for j in range(k)]


def _joined(effect) -> bool:
    """Whether the residual of a factor is regressed on those of others: they are correlated."""
    return any(t.effects for t in effect.mean)
