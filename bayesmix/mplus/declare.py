"""The model of an Mplus input among ours, and its data: classes, profiles, transitions, growth; others are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.mplus import declare_growth
from bayesmix.mplus.language import Input, expand
from bayesmix.mplus.output import Output
from bayesmix.mplus.reduced import within_part, without_groups
from bayesmix.mplus.text import read_text
from bayesmix.mplus.with_statements import covariances, is_covariance, refused
from bayesmix.mplus.with_statements import says_independence as _independence
from bayesmix.spec import Model
from bayesmix.spec.families import (
    Family,
    bernoulli,
    censored_normal,
    negative_binomial,
    nominal,
    normal,
    ordinal,
    poisson,
    zero_inflated_negative_binomial,
    zero_inflated_poisson,
)

OTHER = ("TRAINING", "SUBPOPULATION", "SURVIVAL", "WEIGHT", "STRATIFICATION", "GROUPING",
         "CONSTRAINT", "PATTERN")  # fmt: skip
RELATION = re.compile(r"^(.+?)\s+(ON|BY|WITH|XWITH|PON|\|)\s+(.+)$")
LABELS = re.compile(r"\(([^)]*)\)")
BRACKET = re.compile(r"^\[(.*)\]\s*(\([^)]*\))?$")


def model(said: Input | Output, df: pd.DataFrame | None = None) -> Model:
    """The latent class, profile, transition or growth model that an Mplus input declares.

    The known classes of KNOWNCLASS are groups; latent class models may have two levels.

    Parameters
    ----------
    said : Output or Input
        What :func:`read` returns, or its `input`.
    df : pandas.DataFrame, optional
        Its data, as :func:`data` returns them: categorical items of two values are then declared binary. Without
        them an output's thresholds say so; without these either, all are ordinal, which is the same model.

    Returns
    -------
    Model
        Items by the names of the input, in capitals.

    Raises
    ------
    ValueError
        Anything that :func:`bayesmix.models.lca`, :func:`bayesmix.models.lta` and :func:`bayesmix.models.growth` cannot
        say.

    Examples
    --------
    >>> bm.mplus.model(bm.mplus.read(run_out)).items
    ('A', 'B', 'C', 'D')
    """
    import bayesmix as bm

    templates: Any = bm.models  # they lie above

    out = said if isinstance(said, Output) else None
    read = said.input if isinstance(said, Output) else said
    _check_options(read)
    freq = read.option("VARIABLE", "FREQWEIGHT")
    given: dict[str, Any] = {"freq": freq.upper() if freq else None}
    if declare_growth.grows(read):
        return _growth(read, templates, df, out, given)
    read, by_group = without_groups(read)
    read, by_cluster = within_part(read)
    if by_group and by_cluster:
        raise refused("known classes beside clusters")
    given |= by_group | by_cluster
    overall = _statements(read, "MODEL", "%OVERALL%")
    later, covariates = _regressions(read, overall)
    items = [v for v in read.used if v not in {x for xs in covariates.values() for x in xs}]
    family = _families(read, items, df, out)
    if len(read.classes) == 1:
        (name, size), *_ = read.classes.items()
        variance = _variance(read, name, size, items)
        given |= covariances(overall, _class_parts(read, name, size), items, family)
        return templates.lca(items, size, _formula(covariates.get(name, ())), family, variance, **given)
    if free := [s for s in overall if is_covariance(s) and not _independence(s)]:
        raise refused(f"'{free[0]}' beside several class variables")
    order, waves = _order(read, later), _waves(read, items)
    names = list(read.classes)
    measurement = _measurement(read, waves)
    varying = [_formula(covariates.get(c, ())) for c in names]
    sizes = [read.classes[c] for c in names]
    same = sizes[0] if len(set(sizes)) == 1 else sizes
    return templates.lta(
        waves, same, varying[0], varying[1:] if any(varying[1:]) else None, names=_item_names(waves),
        family={n: family[i] for n, i in zip(_item_names(waves), waves[0], strict=True)}, measurement=measurement,
        order=order, additive=order > 1, **given,
    )  # fmt: skip


def _growth(read: Input, templates: Any, df: pd.DataFrame | None, out: Output | None, given: dict) -> Model:
    """The growth model of an input."""
    if "TWOLEVEL" in read.analysis_type or read.known:
        raise refused("growth factors of two levels" if not read.known else "growth factors beside known classes")
    items, more, distal = declare_growth.arguments(read)
    found = _families(read, [*items, *distal], df, out)
    return templates.growth(items, **more, **given, **declare_growth.families(items, distal, found))


def data(said: Input | Output, folder: str | Path) -> pd.DataFrame:
    """The data of an Mplus input: free format, missing-value codes set to missing.

    Parameters
    ----------
    said : Output or Input
        What :func:`read` returns, or its `input`.
    folder : str or pathlib.Path
        Where the data file is; of the path in the input the name alone is used.

    Returns
    -------
    pandas.DataFrame
        Columns by the names of the input, in capitals; rows of no known class are left out, as Mplus does.

    Raises
    ------
    ValueError
        No such file, another format, rows that do not fit the names, ``USEOBSERVATIONS`` or ``DEFINE``, which change
        the data (``CUT`` is followed).

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = bm.mplus.write(model, df, f"{folder}/run.inp")
    >>> bm.mplus.data(bm.mplus.read_input(f"{folder}/run.inp"), folder).shape
    (200, 4)
    """
    read = said.input if isinstance(said, Output) else said
    if chosen := read.option("VARIABLE", "USEOBSERVATIONS"):
        raise ValueError(f"The input takes the observations {chosen}: choose them yourself, and fit the result.")
    cuts = _cuts(read.option("DEFINE", "DEFINE") or "", read.names)
    kind = (read.option("DATA", "TYPE") or "INDIVIDUAL").upper()
    form = (read.option("DATA", "FORMAT") or "FREE").upper()
    if kind != "INDIVIDUAL" or form != "FREE":
        raise ValueError(f"The data are of TYPE {kind} and FORMAT {form}: individual data in free format can be read.")
    names, path = read.names, Path(folder) / re.split(r"[\\/]", read.file)[-1].strip()
    text = read_text(path)
    symbol = (read.option("VARIABLE", "MISSING") or "").strip()
    mark = next((w for w in symbol.split() if w in (".", "*")), "")
    words = [w for w in re.split(r"[\s,]+", text.strip()) if w]
    if not names or len(words) % len(names):
        raise ValueError(f"'{path.name}' has {len(words)} values, no multiple of the {len(names)} names of the input.")
    numbers = [float("nan") if w == mark else _value(w, path.name) for w in words]
    df = pd.DataFrame(np.reshape(numbers, (-1, len(names))), columns=list(names))
    for columns, codes in _codes(symbol.removeprefix(mark), names):
        df[columns] = df[columns].mask(df[columns].isin(codes))
    for columns, at in cuts:
        for c in columns:
            df[c] = pd.Series(np.searchsorted(at, df[c], side="left"), df.index, float).where(df[c].notna())
    for column in {c for c, value in read.known_values if value}:  # Mplus leaves out who is in none of the groups
        df = df[df[column].isin([float(v) for c, v in read.known_values if c == column])]
    if (read.option("DATA", "LISTWISE") or "").upper() == "ON":
        df = df.dropna(subset=list(read.used))
    return df


def _value(word: str, name: str) -> float:
    try:
        return float(word.replace("D", "E"))
    except ValueError:
        raise ValueError(f"'{name}' has the value '{word}', expected numbers and missing-value codes.") from None


def _cuts(text: str, names: Sequence[str]) -> list[tuple[list[str], list[float]]]:
    """Read the only commands of DEFINE that are known here, ``CUT u1-u4 (2 3)``: the number of cuts beneath a value."""
    out = []
    for statement in text.split(";"):
        found = re.match(r"^\s*CUT\s+([^(]+)\(([^)]*)\)\s*$", statement, re.IGNORECASE)
        if statement.strip() and not found:
            raise ValueError(
                f"The input changes its data by DEFINE: {statement.strip()}; apply that yourself, and fit."
            )
        if found:
            out.append((list(expand(found[1], names)), sorted(float(x) for x in found[2].replace(",", " ").split())))
    return out


def _codes(text: str, names: Sequence[str]) -> Iterable[tuple[list[str], list[float]]]:
    """Read ``ALL (9999)``, ``y1-y3 (9) y4 (98-99)``."""
    for who, codes in re.findall(r"([^()]+)\(([^)]*)\)", text):
        values: list[float] = []
        for word in codes.replace(",", " ").split():
            ends = re.match(r"^(\d+)-(\d+)$", word)
            values += [float(k) for k in range(int(ends[1]), int(ends[2]) + 1)] if ends else [float(word)]
        yield list(expand(who, names)), values


def _formula(columns: Sequence[str]) -> str | None:
    return " + ".join(columns) or None


# what cannot be said ------------------------------------------------------------------------------


def _check_options(said: Input) -> None:
    """Refuse what changes the likelihood in ways that are not read."""
    kind = said.analysis_type
    if "MIXTURE" not in kind or not said.classes:
        raise refused(f"TYPE = {' '.join(sorted(kind)) or 'GENERAL'}, and no classes" if not said.classes else
                      f"TYPE = {' '.join(sorted(kind))}")  # fmt: skip
    if more := kind - {"MIXTURE", "MISSING", "TWOLEVEL"}:
        raise refused(f"TYPE = {' '.join(sorted(more))}")
    for option in OTHER:
        if value := said.option("VARIABLE", option):
            raise refused(f"{option} = {value}")
    for (command, _), statements in said.model.items():
        if command in ("MODEL CONSTRAINT", "MODEL PRIORS", "MODEL INDIRECT") and not statements[0].startswith("NEW"):
            raise refused(command)
    if (estimator := (said.option("ANALYSIS", "ESTIMATOR") or "MLR").upper()) not in ("MLR", "ML", "MLF"):
        raise refused(f"ESTIMATOR = {estimator}")
    if (form := (said.option("ANALYSIS", "PARAMETERIZATION") or "LOGIT").upper()) != "LOGIT":
        raise refused(f"PARAMETERIZATION = {form}")


def _statements(said: Input, command: str, scope: str) -> list[str]:
    """List the statements of a part; those before any part are of %OVERALL%."""
    more = said.model.get((command, ""), ()) if scope == "%OVERALL%" else ()
    return [*more, *said.model.get((command, scope), ())]


def _bare(text: str) -> str:
    """Drop starting values and labels; a fixed value stays."""
    return re.sub(r"\*\s*-?[\d.]*", " ", LABELS.sub(" ", text))


def _regressions(said: Input, overall: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, list[str]]]:
    """Read %OVERALL%: the classes and the covariates that each class variable is regressed on."""
    later: dict[str, set[str]] = {c: set() for c in said.classes}
    covariates: dict[str, list[str]] = {}
    for statement in overall:
        if is_covariance(statement):
            continue
        if "@" in statement:
            raise refused(f"a fixed value, '{statement}'")
        found = RELATION.match(_bare(statement))
        if not found:
            continue
        left, relation, right = found.groups()
        outcomes = [w.split("#")[0] for w in expand(left, [*said.classes, *said.used])]
        if relation != "ON" or any(o not in said.classes for o in outcomes):
            raise refused(f"'{statement}'")
        for word in expand(right, [*said.classes, *said.used]):
            for outcome in outcomes:
                if word.split("#")[0] in said.classes:
                    later[outcome].add(word.split("#")[0])
                elif word not in covariates.setdefault(outcome, []):
                    covariates[outcome].append(word)
        if LABELS.search(statement) and _repeated(said, statement):
            raise refused(f"an equality constraint, '{statement}'")
    return later, covariates


def _repeated(said: Input, statement: str) -> bool:
    """Whether a label of `statement` stands elsewhere too: an equality constraint."""
    mine = [w for text in LABELS.findall(statement) for w in _expand_labels(text)]
    every = [
        w
        for (command, _), statements in said.model.items()
        if command != "MODEL CONSTRAINT"
        for s in statements
        for text in LABELS.findall(s)
        for w in _expand_labels(text)
    ]
    return any(every.count(w) > 1 for w in mine)


def _expand_labels(text: str) -> list[str]:
    return [w for word in text.replace(",", " ").split() for w in _label_range(word)]


def _label_range(word: str) -> list[str]:
    """List the labels of ``1-5`` or ``p1-p5``."""
    found = re.match(r"^([A-Z_]*)(\d+)-\1(\d+)$", word)
    return [f"{found[1]}{k}" for k in range(int(found[2]), int(found[3]) + 1)] if found else [word]


# measurement --------------------------------------------------------------------------------------


def _class_parts(said: Input, name: str, size: int) -> list[list[str]]:
    """List the statements of each class of a variable."""
    parts: list[list[str]] = [[] for _ in range(size)]
    for (_, scope), statements in said.model.items():
        found = re.match(r"^%(\w+)#(\d+)%$", scope)
        if found and found[1] == name and int(found[2]) <= size:
            parts[int(found[2]) - 1] += statements
        elif (found and found[1] not in said.classes) or (scope and not found and scope != "%OVERALL%"):
            raise refused(f"the part {scope}")
    return parts


def _variance(said: Input, name: str, size: int, items: Sequence[str]) -> str:
    """Read whether residual variances differ by class; refuse what else the classes say."""
    freed: list[set[str]] = []
    labels: list[dict[str, list[str]]] = []
    for statements in _class_parts(said, name, size):
        freed.append(set())
        labels.append({})
        for statement in statements:
            if is_covariance(statement):
                continue
            if "@" in statement:
                raise refused(f"a fixed value, '{statement}'")
            if LABELS.search(statement) and _repeated(said, statement):
                if BRACKET.match(statement) or RELATION.match(_bare(statement)):
                    raise refused(f"an equality constraint, '{statement}'")
                labels[-1][_bare(statement).strip()] = LABELS.findall(statement)
            if RELATION.match(_bare(statement)):
                raise refused(f"'{statement}'")
            if not BRACKET.match(statement):
                freed[-1] |= set(expand(_bare(statement), items))
    every = {i for i in items if i not in (*said.categorical, *said.nominal, *said.count)}
    if any(labels):  # of variances: the same ones in every class is what is meant without any
        if all(x == labels[0] for x in labels) and {v for k in labels[0] for v in expand(k, items)} == freed[0]:
            return "equal"
        raise refused("equality constraints on variances")
    if not any(freed):
        return "equal"
    if all(f >= every for f in freed):
        return "class"
    raise refused("variances that differ by class for some items or classes alone")


def _waves(said: Input, items: Sequence[str]) -> list[list[str]]:
    """List the items of each occasion: those that the MODEL command of its class variable names."""
    waves = []
    for name, size in said.classes.items():
        own: list[str] = []
        for statements in _class_parts(said, name, size):
            for statement in statements:
                found = BRACKET.match(statement)
                if not found or "@" in statement:
                    raise refused(f"'{statement}' beside other class variables")
                own += [v for v, _ in _thresholds(found[1], items)]
        waves.append([i for i in items if i in own])
    if not all(waves) or sorted(i for w in waves for i in w) != sorted(items) or len({len(w) for w in waves}) > 1:
        raise refused("several class variables whose items are not told apart by MODEL commands")
    return waves


def _thresholds(text: str, items: Sequence[str]) -> list[tuple[str, str]]:
    """List the item and the number of each entry between brackets: ``u1$1-u5$1``."""
    text = re.sub(r"\$(\d+)\s*-\s*(\w+)\$\1", r"-\2$\1", _bare(text))
    out = []
    for word in text.replace(",", " ").split():
        names, _, k = word.partition("$")
        out += [(v, k) for v in expand(names, items)]
    return out


def _measurement(said: Input, waves: Sequence[Sequence[str]]) -> str | list[str]:
    """Read which items have the same labels on all occasions: invariant, free, or the names of the free ones."""
    labels: list[dict[tuple[int, int, str], str]] = []
    for (name, size), wave in zip(said.classes.items(), waves, strict=True):
        mine: dict[tuple[int, int, str], str] = {}
        for c, statements in enumerate(_class_parts(said, name, size)):
            for statement in statements:
                found = BRACKET.match(statement)
                assert found
                given = _expand_labels(found[2].strip("()")) if found[2] else []
                for (item, k), label in zip(_thresholds(found[1], wave), given, strict=False):
                    mine[c, wave.index(item), k] = label
        labels.append(mine)
    if not any(labels):
        return "free"
    every = [label for mine in labels for label in mine.values()]
    same = {key for key in labels[0] if all(mine.get(key) == labels[0][key] for mine in labels)}
    if len(every) - len(set(every)) > len(same) * (len(waves) - 1):
        raise refused("equality constraints that are not those of one item over occasions")
    numbers = range(len(waves[0]))
    held = {p for p in numbers if any(key[1] == p for key in same)}
    if any(key[1] in held and key not in same for mine in labels for key in mine):
        raise refused("items that are invariant in some classes alone")
    if len(held) == len(waves[0]):
        return "invariant"
    names = _item_names(waves)
    return [names[p] for p in numbers if p not in held] if held else "free"


def _item_names(waves: Sequence[Sequence[str]]) -> list[str]:
    return [f"item{k + 1}" for k in range(len(waves[0]))] if len(waves) else []


def _order(said: Input, later: Mapping[str, set[str]]) -> int:
    """Find on how many classes before it each class depends; on none where there is no regression of one on another."""
    names = list(said.classes)
    if not any(later.values()):
        return 0
    orders = set()
    for t, name in enumerate(names[1:], start=1):
        before = later[name]
        order = len(before)
        if not before or before != set(names[max(t - order, 0) : t]):
            raise refused(f"class variables that are no chain: {name} on {', '.join(sorted(before)) or 'none'}")
        orders.add((t, order))
    longest = max(order for _, order in orders)
    if any(order != min(t, longest) for t, order in orders):
        raise refused("transitions of different orders")
    return longest


KINDS = {
    "P": poisson, "NB": negative_binomial, "I": zero_inflated_poisson, "PI": zero_inflated_poisson,
    "NBI": zero_inflated_negative_binomial,
}  # fmt: skip
"""Families of counts by what follows their names."""


def _censored(said: Input, items: Sequence[str], df: pd.DataFrame | None) -> dict[str, Family]:
    """Find the censored items: the limit of each is its outermost answer, from below (b) or above (a)."""
    kinds = re.findall(r"([\w -]+?)\s*\((\w+)\)", (said.option("VARIABLE", "CENSORED") or "").upper())
    by_item = {v: k for names, k in kinds for word in names.split() for v in expand(word, said.used)}
    if odd := [k for k in by_item.values() if k not in ("A", "B")]:
        raise refused(f"censored items of the kind ({odd[0].lower()})")
    if by_item and df is None:
        raise refused("censored items without data: their limits are the outermost answers; give df=")
    assert df is not None or not by_item
    found = {i: df[i] for i in items if i in by_item} if df is not None else {}
    return {
        i: censored_normal(lower=float(y.min())) if by_item[i] == "B" else censored_normal(upper=float(y.max()))
        for i, y in found.items()
    }


def _families(said: Input, items: Sequence[str], df: pd.DataFrame | None, out: Output | None) -> dict:
    """Find the family of each item."""
    probit = (said.option("ANALYSIS", "LINK") or "").upper() == "PROBIT"
    link = "probit" if probit else "logit"
    counts = (said.option("VARIABLE", "COUNT") or "").upper()
    kinds = dict(re.findall(r"([\w-]+)\s*\((\w+)\)", counts))
    by_item = {v: k for names, k in kinds.items() for v in expand(names, said.used)}
    if odd := [k for k in by_item.values() if k not in KINDS]:
        raise refused(f"counts of the kind ({odd[0].lower()})")
    censored = _censored(said, items, df)
    deep = set()
    if out is not None and len(out.results):
        deep = {v.partition("$")[0] for v in out.results["variable"] if re.search(r"\$(?!1$)\d+$", v)}

    def binary(item: str) -> bool:
        if df is not None:
            return df[item].nunique() <= 2
        return out is not None and len(out.results) > 0 and item[:8] not in {d[:8] for d in deep}

    def family(item: str):
        if item in said.categorical:
            return bernoulli(link) if binary(item) else ordinal(link)
        if item in said.nominal:
            return nominal()
        if item in said.count:
            return KINDS[by_item.get(item, "P")]()
        return censored[item] if item in censored else normal()

    return {item: family(item) for item in items}
