"""An Mplus output, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmix.checks import is_whole
from bayesmix.mplus import language, results
from bayesmix.mplus.language import Input
from bayesmix.mplus.text import BANNER, NAN, first_value, outputs, paragraphs, read_text, sections

COUNTS = {
    "Number of observations": "n",
    "Total sample size": "n",
    "Number of groups": "groups",
    "Number of clusters": "clusters",
    "Number of dependent variables": "dependent",
    "Number of independent variables": "independent",
    "Number of continuous latent variables": "continuous_latent",
    "Number of categorical latent variables": "class_variables",
    "Number of missing data patterns": "missing_patterns",
}
WORDS = {"Estimator": "estimator", "Link": "link", "Parameterization": "parameterization"}
KINDS = (
    "Continuous", "Binary and ordered categorical (ordinal)", "Unordered categorical (nominal)", "Count", "Censored",
    "Observed independent variables", "Continuous latent variables", "Categorical latent variables",
)  # fmt: skip
FIT = {
    "Number of Free Parameters": "n_parameters",
    "H0 Value": "loglik",
    "H0 Scaling Correction Factor": "scaling",
    "Akaike (AIC)": "aic",
    "Bayesian (BIC)": "bic",
    "Sample-Size Adjusted BIC": "abic",
    "Entropy": "entropy",
}
TERMINATED = "THE MODEL ESTIMATION TERMINATED NORMALLY"


@dataclass(frozen=True, repr=False)
class Output:
    """What an Mplus output says.

    Attributes
    ----------
    title, version : str
    input : Input
        The input section, as text and read: names, kinds of variables, classes, the statements of the model.
    summary : mapping
        Numbers of observations, groups, clusters, variables, missing-data patterns; the estimator, the link; and
        the variables by their kind in ``summary["variables"]``.
    loglik, scaling, aic, bic, abic, entropy : float
        NaN where the output does not have them; `scaling` is the correction factor of the H0 log-likelihood.
    n_parameters : int or None
    terminated : bool
        Whether the model estimation terminated normally.
    replicated : bool or None
        Whether the best log-likelihood was replicated; None where nothing is said of it, as without random starts.
    starts : pandas.DataFrame
        Log-likelihoods of the final stage, with seeds and numbers of starts.
    results : pandas.DataFrame
        MODEL RESULTS, one row a parameter: part, level, group, class, heading (BY, ON, WITH, Means, Thresholds, ...),
        outcome (left of BY, ON, WITH), variable, estimate, se, est_se, p. What is fixed has the SE 0 and no p;
        ``*********`` is NaN.
    probabilities, odds_ratios, transitions, class_counts : pandas.DataFrame
        Results in probability scale; odds ratios of two classes; latent transition probabilities; counts and
        proportions by basis: model, posterior, most likely.
    classification : mapping of str to pandas.DataFrame
        Most likely class by latent class: ``"average"``, ``"probability"``, ``"logit"``, of several class variables
        with the name behind, ``"average C1"``.
    tech11, tech14 : mapping of str to float
        Tests of one class less, by the labels of the output.
    messages : tuple of str
        Warnings and errors that Mplus printed.
    missing : tuple of str
        What one would expect in an output and this one does not have, a sentence each; empty for a whole one.

    Examples
    --------
    >>> out = bm.mplus.read(run_out)
    >>> isinstance(out, bm.mplus.Output), out.version, out.starts.shape
    (True, '8.11', (3, 3))
    """

    title: str
    version: str
    input: Input
    summary: Mapping[str, Any]
    loglik: float = NAN
    scaling: float = NAN
    n_parameters: int | None = None
    aic: float = NAN
    bic: float = NAN
    abic: float = NAN
    entropy: float = NAN
    terminated: bool = False
    replicated: bool | None = None
    starts: pd.DataFrame = field(default_factory=pd.DataFrame)
    results: pd.DataFrame = field(default_factory=pd.DataFrame)
    probabilities: pd.DataFrame = field(default_factory=pd.DataFrame)
    odds_ratios: pd.DataFrame = field(default_factory=pd.DataFrame)
    transitions: pd.DataFrame = field(default_factory=pd.DataFrame)
    class_counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    classification: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    tech11: Mapping[str, float] = field(default_factory=dict)
    tech14: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __repr__(self) -> str:
        classes = ", ".join(f"{name}({k})" for name, k in self.input.classes.items())
        lines = [
            f"Mplus {self.version}: {self.title}",
            f"{classes or 'no classes'}; n = {self.summary.get('n', '?')}; {self.summary.get('estimator', '?')}",
            f"log-likelihood {self.loglik:.3f}, {self.n_parameters} parameters, BIC {self.bic:.3f}, "
            f"entropy {self.entropy:.3f}",
            f"{len(self.results)} rows of model results, {len(self.messages)} messages",
            *(f"missing: {text}" for text in self.missing),
        ]
        return "\n".join(lines)


def read(path: str | Path, number: int | None = None) -> Output:
    """Read an Mplus output.

    Parameters
    ----------
    path : str or pathlib.Path
        The .out file.
    number : int, optional
        Which one, from 1, of a file that holds several outputs.

    Returns
    -------
    Output
        As far as the output goes: one that stops early, of a run that failed or of a file that was cut, says in
        `missing` what it does not have, and in `messages` what Mplus said.

    Raises
    ------
    ValueError
        No such file, no output of Mplus, several of them and no number.

    Examples
    --------
    >>> out = bm.mplus.read(run_out)
    >>> out.input.classes, out.terminated, out.results["heading"].unique().tolist()
    ({'C': 2}, True, ['Thresholds', 'Means'])
    """
    text = read_text(path)
    found = outputs(text)
    if not found:
        what = "is empty" if not text.strip() else "has no line 'Mplus VERSION ...'"
        raise ValueError(f"'{path}' {what}: give the .out file that Mplus wrote, from its first line on.")
    if number is None:
        if len(found) > 1:
            raise ValueError(f"'{path}' holds {len(found)} outputs: say which one, number=1 to number={len(found)}.")
        number = 1
    if not is_whole(number, 1) or number > len(found):
        raise ValueError(f"number came as {number!r}: '{path}' holds {len(found)} output(s), the first is number=1.")
    return parse(found[number - 1])


def read_input(path: str | Path) -> Input:
    """Read an Mplus input.

    Parameters
    ----------
    path : str or pathlib.Path
        The .inp file.

    Returns
    -------
    Input

    Raises
    ------
    ValueError
        No such file, or one without the commands of Mplus.

    Examples
    --------
    >>> import tempfile
    >>> run = f"{tempfile.mkdtemp()}/run.inp"
    >>> _ = bm.mplus.write(model, df, run)
    >>> bm.mplus.read_input(run).classes
    {'C': 2}
    """
    text = read_text(path)
    said = language.parse(text)
    if not said.names:
        raise ValueError(f"'{path}' has no NAMES of variables: give the .inp file that Mplus runs.")
    return said


def parse(text: str) -> Output:
    """Read the text of one output."""
    version = BANNER.search(text)
    echo, rest = _input(text)
    said = language.parse(echo)
    parts = sections(rest)

    def under(*beginnings: str) -> list[str]:
        return next((lines for heading, lines in parts if heading.startswith(beginnings)), [])

    fit = _fit(
        [line for heading, lines in parts if not heading.startswith(("TECHNICAL", "SAVEDATA")) for line in lines]
    )
    counts = [r for h, ls in parts if h.startswith(("FINAL CLASS COUNTS", "CLASSIFICATION OF INDIV")) for r in
              results.class_counts(h, ls)]  # fmt: skip
    table = results.parameters(next((lines for heading, lines in parts if heading == "MODEL RESULTS"), []))
    messages = _messages(rest)
    out: dict[str, Any] = {
        "starts": results.starts(under("RANDOM STARTS RESULTS")),
        "results": table,
        "probabilities": results.by_category(under("RESULTS IN PROBABILITY SCALE")),
        "odds_ratios": results.odds_ratios(
            under("LATENT CLASS INDICATOR ODDS RATIOS", "LATENT CLASS ODDS RATIO RESULTS")
        ),
        "transitions": results.transitions(under("LATENT TRANSITION PROBABILITIES BASED ON THE ESTIMATED")),
        "class_counts": pd.DataFrame(counts, columns=["basis", "variable", "class", "count", "proportion"]),
        "classification": results.classification(
            [line for heading, lines in parts if heading.startswith(("CLASSIFICATION", "C-SPECIFIC")) for line in lines]
        ),
        "tech11": results.likelihood_ratio_tests(under("TECHNICAL 11")),
        "tech14": results.likelihood_ratio_tests(under("TECHNICAL 14")),
    }
    terminated = TERMINATED in rest
    summary = _summary(rest.split("\n"))
    return Output(
        title=said.title, version=version[1] if version else "", input=said, summary=summary, **fit,
        terminated=terminated, replicated=_replicated(rest), messages=messages,
        missing=tuple(_missing(rest, said, summary, fit, terminated, table)), **out,
    )  # fmt: skip


def _input(text: str) -> tuple[str, str]:
    """Split an output after the echo of its input."""
    start = re.search(r"^INPUT INSTRUCTIONS[ \t]*$", text, re.MULTILINE)
    if not start:
        return "", text
    end = re.compile(r"^(\*\*\* (WARNING|ERROR|FATAL)|INPUT READING TERMINATED|SUMMARY OF ANALYSIS)", re.MULTILINE)
    stop = end.search(text, start.end())
    at = stop.start() if stop else len(text)
    return text[start.end() : at].strip("\n"), text[at:]


def _fit(lines: list[str]) -> dict[str, Any]:
    """Collect log-likelihood, criteria, entropy: the first of each that is printed."""
    out: dict[str, Any] = {}
    for label, value in results.labelled(lines):
        name = FIT.get(label)
        if name and name not in out:
            out[name] = int(value) if name == "n_parameters" else value
    return out


def _summary(lines: list[str]) -> dict[str, Any]:
    """Collect the numbers, the words and the variables of SUMMARY OF ANALYSIS and SUMMARY OF DATA."""
    out: dict[str, Any] = {}
    variables: dict[str, tuple[str, ...]] = {}
    kind = ""
    for line in lines:
        text = line.strip()
        if (count := next((k for k in COUNTS if text.startswith(k)), None)) and COUNTS[count] not in out:
            value = first_value(text[len(count) :])
            if value is not None:
                out[COUNTS[count]] = int(value)
        elif (word := re.match(r"^(\w+)\s{3,}(\S+)$", text)) and word[1] in WORDS:
            out.setdefault(WORDS[word[1]], word[2])
        elif text in KINDS:
            kind = text
        elif kind and re.match(r"^   ?\S", line) and text == text.upper():
            variables[kind] = (*variables.get(kind, ()), *text.split())
        elif text and not text.startswith("Observed dependent"):
            kind = ""
        if text.startswith(("Estimator", "RANDOM STARTS RESULTS")):
            kind = ""
        if text == "MODEL RESULTS":
            break
    return out | {"variables": variables}


def _replicated(text: str) -> bool | None:
    if "BEST LOGLIKELIHOOD VALUE WAS NOT REPLICATED.  THE" in " ".join(text.split()).replace(". THE", ".  THE"):
        return False
    if re.search(r"^THE BEST LOGLIKELIHOOD VALUE HAS BEEN REPLICATED", text, re.MULTILINE):
        return True
    return False if re.search(r"BEST LOGLIKELIHOOD VALUE WAS NOT REPLICATED\.", text) else None


def _messages(text: str) -> tuple[str, ...]:
    """Collect ``*** WARNING`` blocks, and what is said in capitals about the estimation."""
    before, _, _ = text.partition("\nMODEL RESULTS\n")
    out: list[str] = []
    for block in re.split(r"^(?=\*\*\*)", before, flags=re.MULTILINE)[1:]:
        said = re.split(r"^(?:\s*\d+ (?:WARNING|ERROR)|\s*$|INPUT READING|SUMMARY OF)", block, flags=re.MULTILINE)[0]
        out.append(" ".join(said.split()))
    for group in paragraphs(before.split("\n")):
        first = group[0].strip()
        words = " ".join(" ".join(group).split())
        said = re.match(r"^[A-Z][^a-z]*$", first) and len(words.split()) > 5 and re.search(r"\.(\s|$)", words)
        if said and not re.match(
            r"^(MUTHEN|SUMMARY|FINAL CLASS|CLASSIFICATION|RANDOM STARTS RESULTS|MAXIMUM LOG)", first
        ):
            out.append(words)
    return tuple(dict.fromkeys(out))


def _missing(
    text: str, said: Input, summary: Mapping[str, Any], fit: Mapping[str, Any], terminated: bool, table: pd.DataFrame
) -> list[str]:
    """Say what is not there that an output of an analysis has."""
    if not said.text:
        return ["the input section: the file does not begin where Mplus began, or was cut"]
    if "BASIC" in said.analysis_type:
        return ["a model: TYPE = BASIC describes the data alone"]
    if any(key[0] == "MODEL POPULATION" for key in said.model) or "MONTECARLO:" in said.text.upper():
        return ["results of one data set: this is a Monte Carlo study"]
    out = []
    if not summary.get("n"):
        out.append("the summary of the analysis: the input has an error, or the file was cut before it")
    elif not terminated:
        out.append("a normal end: the model estimation did not terminate normally, or the file was cut before its end")
    if "loglik" not in fit and summary.get("estimator", "ML").startswith("ML"):
        out.append("the log-likelihood")
    if not len(table):
        cut = " (the section is there but empty: the file was cut)" if "\nMODEL RESULTS\n" in text else ""
        out.append(f"the model results{cut}")
    elif table["se"].isna().all():
        out.append("standard errors: the model results have estimates alone")
    if "MUTHEN & MUTHEN\n3463" not in text and not re.search(r"Beginning Time", text):
        out.append("the end of the file: there is no beginning and ending time, so that later sections may be cut")
    return out
