"""Words of the command line as values: a model, families, nodes, numbers.

Heavy packages are imported where they are needed.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints

from bayesmix.cli.read import columns

# models -------------------------------------------------------------------------------------------


def templates() -> list[str]:
    """List the names of the model templates: the files of `bayesmix.models`."""
    modules = pkgutil.iter_modules(importlib.import_module("bayesmix.models").__path__)
    return sorted(m.name for m in modules if not m.name.startswith("_"))


def template(name: str) -> Callable:
    """Find the function of a template: it has its file's name.

    Raises
    ------
    ValueError
        No such template.
    """
    if name not in (names := templates()):
        raise ValueError(f"No model '{name}': there are {', '.join(names)}.")
    return getattr(importlib.import_module(f"bayesmix.models.{name}"), name)


def family_of(wanted: Sequence[str], items: Sequence[str], names: Sequence[str]) -> Any:
    """Read a family, or item to family, of ``ordinal``, ``bernoulli:probit``, ``binomial:n``, ``A-C=normal``.

    Parameters
    ----------
    wanted : sequence of str
        Words, or several of them with commas between.
    items : sequence of str
        Those of the model.
    names : sequence of str
        Columns of the data.

    Raises
    ------
    ValueError
        Another word.
    """
    from bayesmix.spec.families import FAMILIES

    def one(word: str) -> Any:
        name, *words = word.strip().split(":")
        if name not in FAMILIES:
            raise ValueError(f"The family came as '{word}': give one of {', '.join(FAMILIES)}, or item=family.")
        return FAMILIES[name].of_words(tuple(words))

    words = [w for text in wanted for w in text.split(",") if w.strip()]
    bare = [w for w in words if "=" not in w]
    if len(bare) > 1:
        raise ValueError(f"The families {', '.join(bare)} came for all items: give one, and item=family for others.")
    chosen = dict.fromkeys(items, one(bare[0])) if bare else {}
    if bare and len(words) == 1:
        return one(bare[0])
    for w in (w for w in words if "=" in w):
        left, _, right = w.rpartition("=")
        chosen |= dict.fromkeys(columns(left, names), one(right))
    return chosen or None


def outcomes_of(wanted: Sequence[str]) -> dict[str, Any] | None:
    """Read outcomes and their families of ``score``, ``job=nominal``, ``ill=bernoulli:probit``.

    Raises
    ------
    ValueError
        Another family.
    """
    out: dict[str, Any] = {}
    for word in (w.strip() for text in wanted for w in text.split(",") if w.strip()):
        name, mark, family = word.rpartition("=")
        out[name.strip() if mark else word] = family_of([family], [], []) if mark else None
    return out or None


OPTIONS = ("items", "waves", "formula", "classes", "covariates", "family", "freq", "cluster", "fix", "equal")
"""Arguments of templates that have an option of their own."""


def _as_option(key: str) -> str:
    """Say how the argument `key` of a template is given on the command line."""
    return f"--{key}" if key in OPTIONS else f"--set {key}=..."


def declare(
    name: str,
    given: Mapping[str, Any],
    settings: Sequence[str],
    names: Sequence[str],
    written: Callable[[str], str] = _as_option,
) -> Any:
    """Declare the model of a template.

    Parameters
    ----------
    name : str
        Of the template.
    given : mapping
        Its arguments; None stands for what was not given.
    settings : sequence of str
        Further ones, as ``key=value``, which are read by the template's annotations.
    names : sequence of str
        Columns of the data.
    written : callable
        Says how an argument is given, to those who left it out.

    Raises
    ------
    ValueError
        An option that the template does not take, or one that it needs and did not get.
    """
    function = template(name)
    takes = inspect.signature(function).parameters
    hints = get_type_hints(function, include_extras=True)
    arguments = {k: v for k, v in given.items() if v is not None}
    for word in settings:
        key, mark, value = (part.strip() for part in word.partition("="))
        if not mark:
            raise ValueError(f"--set came with '{word}': give key=value, e.g. --set variance=class.")
        arguments[key] = read_as(hints.get(key, str), key, value, names) if key in takes else value
    if unknown := [k for k in arguments if k not in takes]:
        raise ValueError(f"The model '{name}' takes no '{unknown[0]}': it takes {', '.join(takes)}.")
    needed = [k for k, p in takes.items() if p.default is p.empty and k not in arguments]
    if needed:
        raise ValueError(f"The model '{name}' needs {', '.join(needed)}: give {written(needed[0])}.")
    return function(**arguments)


def design_of(options: Any, names: Sequence[str]) -> dict[str, Any]:
    """Read the design of a survey off the options of a model: arguments of :func:`bayesmix.survey`.

    Raises
    ------
    ValueError
        Fay's factor is no number.
    """
    out = {k: getattr(options, k) for k in ("weights", "strata", "psu", "fpc", "cluster_weights", "lonely")}
    out["scaling"] = options.weight_scaling
    if (word := options.replicate_weights) is not None:
        several = "," in word or "-" in word or word in names
        out["replicate_weights"] = columns(word, names) if several else word
    if (word := options.replicate_method) is not None:
        name, mark, rho = word.partition(":")
        out["method"] = name
        try:
            out["rho"] = float(rho) if mark else None
        except ValueError:
            raise ValueError(f"--replicate-method came as '{word}': give Fay's factor as in Fay:0.5.") from None
    return {k: v for k, v in out.items() if v is not None}


def fixed_entries(wanted: Sequence[str]) -> dict[str, float] | None:
    """Read entries and their values, each as ``item_logit[1, A, 2] = 0.5``.

    Raises
    ------
    ValueError
        Anything else.
    """
    out: dict[str, float] = {}
    for text in wanted:
        label, mark, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not mark or not label.strip() or math.isnan(number):
            raise ValueError(f"--fix came as '{text}': give an entry and its value, 'class_logit[1] = 0'.")
        if out.get(label.strip(), number) != number:
            raise ValueError(f"--fix came twice for '{label.strip()}', with different values: give one.")
        out[label.strip()] = number
    return out or None


# annotations --------------------------------------------------------------------------------------


def read_as(hint: Any, key: str, text: str, names: Sequence[str]) -> Any:
    """Read `text`, which was set for the argument `key`, as its annotation `hint` says.

    Of several types, text is the last resort; where text is one of them, a mapping needs an ``=`` and a sequence a
    ``;``. A mapping to text or several has a ``|`` between these. A sequence of text holds columns, of those with
    `names`; where it is annotated as :data:`WORDS`, these.

    Raises
    ------
    ValueError
        The text is no such value, or no text can be one.
    """
    kinds = _kinds(hint)
    is_text = bool({str, Literal, Any} & kinds.keys())
    to = _kinds(get_args(kinds[Mapping])[1]) if Mapping in kinds else {}
    if {str, Sequence} <= to.keys() and "=" in text:  # one formula, or one for each occasion
        each = _mapping(False, key, text, names)
        return {k: [part.strip() for part in v.split("|")] if "|" in v else v for k, v in each.items()}
    if (Sequence in to or str in to) and ("=" in text or not is_text):
        return _mapping(Sequence in to, key, text, names)
    if Annotated in kinds and WORDS & {*kinds[Annotated].__metadata__}:
        return [word.strip() for word in text.split(",") if word.strip()]
    scalars = {words: read for kind, (words, read) in SCALARS.items() if kind in kinds}
    for read in scalars.values():
        with suppress(ValueError):
            return read(text)
    if Sequence in kinds and (";" in text or not is_text):
        return _sequence(_kinds(get_args(kinds[Sequence])[0]), key, text, names)
    if is_text:
        return text
    if scalars:
        raise ValueError(f"--set {key} came as '{text}', expected {' or '.join(scalars)}.")
    raise ValueError(f"'{key}' cannot be set by --set: {f'give --{key}' if key in OPTIONS else 'use Python for it'}.")


def _boolean(text: str) -> bool:
    """Read ``true`` or ``false``; raise for other `text`, of which ``bool`` would make True."""
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


WORDS = {"names", "terms"}
"""Annotations of sequences of text that hold no columns: names of any kind, terms of a formula."""
SCALARS = {bool: ("true or false", _boolean), int: ("a whole number", int), float: ("a number", float)}


def _kinds(hint: Any) -> dict[Any, Any]:
    """List the types that `hint` admits besides None, by what they are a kind of: those of unions, behind aliases."""
    if isinstance(hint, TypeAliasType):
        return _kinds(hint.__value__)
    if get_origin(hint) in (Union, UnionType):
        return {origin: kind for arm in get_args(hint) for origin, kind in _kinds(arm).items()}
    return {} if hint in (None, NoneType) else {get_origin(hint) or hint: hint}


def _mapping(to_columns: bool, key: str, text: str, names: Sequence[str]) -> dict[str, Any]:
    """Read a mapping from `text`: to text, ``a=x; b=z``, or `to_columns`, ``g: A-C; h: D-F``."""
    entries = [word.strip() for word in text.split(";") if word.strip()]
    marks = [next((mark for mark in ":=" if mark in word), "") if to_columns else "=" for word in entries]
    pairs = [word.partition(mark) for word, mark in zip(entries, marks, strict=True) if mark]
    if not pairs or len(pairs) < len(entries) or not all(mark for _, mark, _ in pairs):
        form = "name: columns, such as 'g: A-C; h: D-F'" if to_columns else "item=value, several with ';' between them"
        raise ValueError(f"--set {key} came as '{text}', expected {form}.")
    return {left.strip(): columns(right, names) if to_columns else right.strip() for left, _, right in pairs}


def _sequence(of: Mapping[Any, Any], key: str, text: str, names: Sequence[str]) -> list[Any]:
    """Read a sequence of such kinds from `text`: groups of columns, or texts, parted by ``;``; columns; numbers."""
    if Sequence in of:
        return [columns(group, names) for group in text.split(";")]
    if kind := next((k for k in (int, float) if k in of), None):
        return [read_as(kind, key, word.strip(), names) for word in text.split(",")]
    return [part.strip() or None for part in text.split(";")] if ";" in text else columns(text, names)


# nodes and numbers --------------------------------------------------------------------------------

METHODS = ("trapezoid", "gauss_hermite", "monte_carlo", "adaptive", "exact")


def nodes_of(text: str | None) -> Any:
    """Read a method of integration: ``adaptive:7``, ``trapezoid:15``, ``monte_carlo:2000``, ``exact``.

    Raises
    ------
    ValueError
        Another word.
    """
    if text is None:
        return None
    from bayesmix.spec import quadrature

    name, *numbers = text.split(":")
    try:
        method = {k: getattr(quadrature, k) for k in METHODS}[name]
        return method(*(int(n) if k == 0 else float(n) for k, n in enumerate(numbers)))
    except (KeyError, TypeError, ValueError) as error:
        detail = f" ({error})" if isinstance(error, ValueError) else ""
        raise ValueError(
            f"The nodes came as '{text}'{detail}: give e.g. trapezoid:15, gauss_hermite:15, monte_carlo:1000, "
            "adaptive:7, exact."
        ) from None


def class_numbers(text: str | None) -> int | list[int] | None:
    """Read a number of classes, or one for each occasion: ``2``, ``2,3``.

    Raises
    ------
    ValueError
        Anything else.
    """
    if text is None:
        return None
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"--classes came as '{text}': give a whole number, or one for each occasion: 2,3.") from None
    return sizes[0] if len(sizes) == 1 else sizes


def numbers_of(text: str) -> list[int]:
    """Read whole numbers of ``1-5`` or ``1,2,4``.

    Raises
    ------
    ValueError
        Anything else.
    """
    out: list[int] = []
    try:
        for word in text.replace("..", "-").split(","):
            first, _, last = word.partition("-")
            out += range(int(first), int(last or first) + 1)
    except ValueError:
        out = []
    if not out or min(out) < 1:
        raise ValueError(f"The numbers of classes came as '{text}': give e.g. 1-5 or 2,3,4.")
    return list(dict.fromkeys(out))
