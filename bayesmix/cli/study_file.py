"""A Monte Carlo study as a TOML file: its population, what is fitted, how often.

    replications = 200
    seed = 1

    [population]            # a template and its arguments, as on the command line of `fit`
    model = "lca"
    items = "u1-u6"         # or a list of names
    classes = 2
    n = 500                 # and clusters = 50; or data = "covariates.csv", one row an individual

    [population.params]     # or, above, fit = "folder/fit.nc" alone: the population is an estimated model
    class_logit = [0.4, 0.0]
    ...

    [models."one class"]    # a model that is fitted: the population's, but for what stands here
    classes = 1

    [fit]                   # settings of a fit, and [sample] of NUTS
    starts = 5

Paths are relative to the file. Nothing in it is run.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayesmix.checks import nearest
from bayesmix.cli.arguments import declare, family_of, nodes_of
from bayesmix.cli.read import read_table

SETTINGS = ("replications", "seed", "estimator", "out", "workers")
TABLES = ("population", "models", "fit", "sample")
OF_POPULATION = ("n", "clusters", "data", "fit", "params")


@dataclass(frozen=True)
class StudyFile:
    """What a file asks for.

    Attributes
    ----------
    arguments : dict
        Of :func:`bayesmix.study`.
    out : Path, optional
        The folder of the study.
    workers : int, optional
        Processes.
    """

    arguments: dict[str, Any]
    out: Path | None = None
    workers: int | None = None


def read_study(path: Path) -> StudyFile:
    """Read a study.

    Raises
    ------
    ValueError
        No such file, no TOML, or a word that means nothing here.
    """
    held = _toml(path)
    _only(held, (*SETTINGS, *TABLES), path.name)
    tables = {k: _table(held.pop(k, {}), f"[{k}] of {path.name}") for k in TABLES}
    if not tables["population"]:
        raise ValueError(f"{path.name} has no [population]: give its model, params and n there.")
    own = {k: tables["population"].pop(k, None) for k in OF_POPULATION}
    population = tables["population"]
    model, params = _population(own, population, path.parent)
    models, truth = _models(tables["models"], population)
    arguments = {
        "population": model,
        "params": params,
        "models": models or None,
        "truth": truth,
        "df": None if own["data"] is None else read_table(path.parent / _text(own["data"], "data")),
        "n": own["n"],
        "clusters": own["clusters"],
        **{k: _with_nodes(tables[k]) for k in ("fit", "sample")},
        **{k: held[k] for k in ("replications", "seed", "estimator") if k in held},
    }
    if arguments["n"] is None and arguments["df"] is None:
        raise ValueError("[population] has neither n nor data: say how many individuals to draw, e.g. n = 500.")
    out = path.parent / _text(held["out"], "out") if "out" in held else None
    return StudyFile(arguments, out, held.get("workers"))


def _toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"No file '{path}': check the path ({Path.cwd()} is the folder you are in).")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"'{path.name}' is no TOML: {error}") from None


def _only(held: Iterable[str], known: Sequence[str], where: str) -> None:
    for word in held:
        if word not in known:
            near = nearest(word, known)
            hint = f"did you mean '{near}'?" if near else f"it takes {', '.join(known)}."
            raise ValueError(f"{where} has '{word}', which means nothing there; {hint}")


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} came as {value!r}: give a table.")
    return dict(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} came as {value!r}: give text.")
    return value


# models -------------------------------------------------------------------------------------------


def _models(tables: Mapping[str, Any], population: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The models that are fitted by their names, and what their parameters are compared with, if that is given."""
    models, truth = {}, {}
    for name, value in tables.items():
        where = f"[models.{name}]"
        own = _table(value, where)
        if "truth" in own:
            truth[name] = _table(own.pop("truth"), f"[models.{name}.truth]")
        models[name] = _model(own if "model" in own else {**population, **own}, where)
    return models, truth


def _model(arguments: Mapping[str, Any], where: str) -> Any:
    """A template with its arguments."""
    given = dict(arguments)
    if "model" not in given:
        raise ValueError(f'{where} names no model: give e.g. model = "lca".')
    name = _text(given.pop("model"), f"{where} model")
    if "items" in given:
        given["items"] = names_in(given["items"], f"{where} items")
    if "waves" in given:
        if not isinstance(given["waves"], list):
            raise ValueError(f"{where} waves came as {given['waves']!r}: give a list, one entry an occasion.")
        given["waves"] = [names_in(w, f"{where} waves") for w in given["waves"]]
    if "family" in given:
        items = given.get("items") or _outcomes(given.get("formula"))
        given["family"] = family_of(_words(given["family"]), items, items)
    try:
        return declare(name, given, [], [], lambda key: f"{key} = ...")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from None


def names_in(value: Any, where: str) -> list[str]:
    """Columns of a list, or of text: ``u1, u2`` or the range ``u1-u6`` of numbers."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise ValueError(f'{where} came as {value!r}: give names, such as ["u1", "u2"] or "u1-u6".')
    return [name for w in words for name in _numbered(w.strip())]


def _numbered(word: str) -> list[str]:
    found = re.fullmatch(r"(.*?)(\d+)-(?:\1)?(\d+)", word)
    if not found:
        return [word]
    stem, first, last = found[1], int(found[2]), int(found[3])
    if first > last:
        raise ValueError(f"The range '{word}' runs backwards.")
    return [f"{stem}{k}" for k in range(first, last + 1)]


def _outcomes(formula: Any) -> list[str]:
    """The outcomes of a formula, or of several."""
    from bayesmix.spec import parse_regressions

    return [] if formula is None else [name for name, *_ in parse_regressions(formula)]


def _words(value: Any) -> list[str]:
    """A family as the command line has it: one word, several, or item to family."""
    if isinstance(value, Mapping):
        return [f"{k}={v}" for k, v in value.items()]
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


# parameters and settings --------------------------------------------------------------------------


def _population(own: Mapping[str, Any], template: Mapping[str, Any], folder: Path) -> tuple[Any, Any]:
    """Find what data are drawn from: the model of a `template` and its parameters, or a saved fit of `folder` alone."""
    declared = _model(template, "[population]") if template or own["fit"] is None else None
    if (own["fit"] is None) == (own["params"] is None):
        came = "neither" if own["fit"] is None else "both"
        raise ValueError(
            f"[population] has {came} of params and fit: give its parameters in [population.params], or the file of "
            'an estimated model, fit = "folder/fit.nc".'
        )
    if own["params"] is not None:
        return declared, _table(own["params"], "[population.params]")
    from bayesmix.results import Fit

    path = folder / _text(own["fit"], "[population] fit")
    if not path.is_file():
        raise ValueError(f"[population] fit names '{own['fit']}', and there is no such file: give a saved fit.")
    fit = Fit.load(path)
    if declared not in (None, fit.model):
        raise ValueError(
            f"[population] declares another model than '{own['fit']}' is a fit of: leave all but the fit out, which "
            "knows its model."
        )
    return fit, None


def _with_nodes(settings: Mapping[str, Any]) -> dict[str, Any]:
    more = {"nodes": nodes_of(_text(settings["nodes"], "nodes"))} if "nodes" in settings else {}
    return {**settings, **more}
