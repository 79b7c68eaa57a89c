"""Tables of an Mplus output: parameters, probabilities, odds ratios, counts, transitions, starts, tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from bayesmix.mplus.text import NAN, NUMBER, number, row

HEADER = re.compile(r"\b(Estimate|Posterior)\b")
CLASS = re.compile(r"^(?:Latent )?Class (?:Pattern )?([\w#. ]+?)(?:\s*\([\d ]+\))?$")
LEVEL = re.compile(r"^(Within|Between)(?: [\w-]+)? Level$")
GROUP = re.compile(r"^Group (\S+)(?:\s*\(\d+\))?$")
PART = re.compile(r"^(Categorical Latent Variables|New/Additional Parameters|Class Proportions|"
                  r"(?:Parameters|Results) for Class-specific Model Parts of (\S+)|"
                  r"Parameterization using Reference Class (\d+))$")  # fmt: skip
RELATION = re.compile(r"^(\S+)\s+(BY|ON|WITH|\||PON|PWITH)$")
COLUMNS = ["part", "level", "group", "class", "heading", "outcome", "variable", "estimate", "se", "est_se", "p"]
UNDEFINED = 999.0
"""What Mplus prints for the ratio and the p value of what is fixed."""


class _Place:
    """Where in a table of parameters a line stands; the first seen of class and level is the outer one."""

    def __init__(self) -> None:
        self.at = dict.fromkeys(("part", "level", "group", "class", "heading", "outcome"), "")
        self.outer = ""

    def take(self, line: str) -> bool:
        """Whether `line` moves the place; if so, it does."""
        text = line.strip()
        if m := PART.match(text):
            self._set("part", m[2] or m[1], clears=("level", "class"))
        elif m := GROUP.match(text):
            self._set("group", m[1], clears=("level", "class"))
        elif m := LEVEL.match(text):
            self.outer = self.outer or "level"
            self._set("level", m[1], clears=("class",) * (self.outer == "level"))
        elif m := CLASS.match(text):
            self.outer = self.outer or "class"
            self._set("class", m[1], clears=("level",) * (self.outer == "class"))
        elif m := RELATION.match(text):
            self.at |= {"heading": m[2], "outcome": m[1]}
        elif re.match(r"^ \S", line) and not re.search(NUMBER, line):
            self.at |= {"heading": text, "outcome": ""}
        else:
            return False
        return True

    def _set(self, key: str, value: str, clears: Iterable[str]) -> None:
        self.at |= {key: value, **dict.fromkeys(clears, ""), "heading": "", "outcome": ""}


def parameters(lines: Iterable[str]) -> pd.DataFrame:
    """MODEL RESULTS: one row a parameter."""
    place, out, bayes = _Place(), [], False
    for line in lines:
        if HEADER.search(line) and not re.search(NUMBER, line):
            bayes = bayes or "Posterior" in line
        elif not place.take(line) and (found := row(line)):
            _, name, values = found
            out.append(place.at | {"variable": name} | _columns(values, bayes))
    return pd.DataFrame(out, columns=COLUMNS)


def _columns(values: list[float], bayes: bool) -> dict[str, float]:
    """Name the numbers of a line: estimate, SE, their ratio, p; of a posterior median, SD, p."""
    values = [*values, NAN, NAN, NAN, NAN][:4]
    if bayes:
        return {"estimate": values[0], "se": values[1], "est_se": NAN, "p": values[2]}
    ratio, p = (NAN if x == UNDEFINED else x for x in values[2:])
    return {"estimate": values[0], "se": values[1], "est_se": ratio, "p": p}


def by_category(lines: Iterable[str]) -> pd.DataFrame:
    """RESULTS IN PROBABILITY SCALE: one row a category of an item in a class."""
    table = parameters(lines)
    table = table.assign(variable=table["heading"], category=table["variable"].str.extract(r"(\d+)\s*$", expand=False))
    table = table.dropna(subset=["category"])
    table["category"] = table["category"].astype(int)
    return table[["part", "level", "class", "variable", "category", "estimate", "se", "est_se", "p"]]


def odds_ratios(lines: Iterable[str]) -> pd.DataFrame:
    """LATENT CLASS (INDICATOR) ODDS RATIO(S): one row a threshold of an item for two classes."""
    out, item, pair = [], "", ("", "")
    for line in lines:
        if m := re.match(r"^Latent Class (\S+) Compared to Latent Class (\S+)$", line.strip()):
            pair = (m[1], m[2])
        elif found := row(line):
            values = [*found[2], *[NAN] * 4][:4]
            out.append([*pair, item, found[1], *values])
        elif re.match(r"^ \S+$", line):
            item = line.strip()
    return pd.DataFrame(
        out, columns=["class", "compared_to", "variable", "category", "odds_ratio", "se", "lower", "upper"]
    )


def class_counts(heading: str, lines: Iterable[str]) -> list[dict[str, Any]]:
    """FINAL CLASS COUNTS AND PROPORTIONS: rows of one basis."""
    basis = "posterior" if "POSTERIOR" in heading else "most likely" if "MOST LIKELY" in heading else "model"
    by_variable, out, variable = "EACH LATENT CLASS VARIABLE" in heading, [], ""
    for line in lines:
        if line.startswith("Average Latent Class"):  # older versions: the next tables, under the same heading
            break
        if re.match(r"^\s+(?:[A-Za-z]\S*\s+)?\d+(?:\s+\d+)*\s+[\d.,]+\s+\d*[.,]\d+\s*$", line):
            *words, count, share = line.split()
            if not words[0][0].isdigit():
                variable, words = words[0], words[1:]
            elif not by_variable and variable:
                variable = ""
            out.append(
                {"basis": basis, "variable": variable if by_variable else "", "class": " ".join(words),
                 "count": number(count) if "." in count or "," in count else float(count), "proportion": number(share)}
            )  # fmt: skip
    return out


def classification(lines: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Tables of average probabilities, of classification probabilities and their logits, by class variable."""
    out: dict[str, pd.DataFrame] = {}
    name, title, head, body = "", "", [], []

    def keep() -> None:
        if title and body and all(len(r) == len(body[0][1]) for _, r in body):
            columns = head if len(head) == len(body[0][1]) else [str(k + 1) for k in range(len(body[0][1]))]
            out[f"{title} {name}".strip()] = pd.DataFrame(
                [r for _, r in body], index=[k for k, _ in body], columns=columns
            )

    for line in [*lines, "Classification Quality for"]:
        text = line.strip()
        if m := re.match(r"^Classification Quality for\s*(\S*)", text):
            keep()
            name, title, head, body = m[1], "", [], []
        elif re.match(r"^(Average Latent Class Prob|Classification Probab|Logits for the Class)", text):
            keep()
            title = {"A": "average", "C": "probability", "L": "logit"}[text[0]]
            head, body = [], []
        elif re.match(r"^\s+\d+(\s+\d+)*\s*$", line) and not body:
            head = text.split()
        elif found := row(line):
            body.append((found[1], found[2]))
    return out


def transitions(lines: Iterable[str]) -> pd.DataFrame:
    """LATENT TRANSITION PROBABILITIES: one row a pair of classes."""
    out, pair, head = [], ("", ""), []
    for line in lines:
        if m := re.match(r"^\s*(\S+) Classes \(Rows\) by (\S+) Classes \(Columns\)", line):
            pair, head = (m[1], m[2]), []
        elif re.match(r"^\s+\d+(\s+\d+)*\s*$", line):
            head = line.split()
        elif pair[0] and (found := row(line)):
            out += [[*pair, found[1], to, x] for to, x in zip(head, found[2], strict=False)]
    return pd.DataFrame(out, columns=["from", "to", "from_class", "to_class", "probability"])


def starts(lines: Iterable[str]) -> pd.DataFrame:
    """RANDOM STARTS RESULTS: the final-stage log-likelihoods, with seeds and numbers of starts."""
    found = (re.match(rf"^\s+({NUMBER})\s+(\d+|unperturbed)\s+(\d+)\s*$", line) for line in lines)
    rows = [[number(m[1]), m[2], int(m[3])] for m in found if m]
    return pd.DataFrame(rows, columns=["loglik", "seed", "start"])


def labelled(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Each label with the number at the end of its line, such as ``H0 Value  -5122.478``."""
    for line in lines:
        if m := re.match(rf"^\s*(\S.*?)\s{{2,}}({NUMBER}|-?\d+)\s*$", line):
            yield m[1], number(m[2])


def likelihood_ratio_tests(lines: list[str]) -> dict[str, float]:
    """TECH11 or TECH14: of the tests of one class less against this number, every number by its label."""
    out: dict[str, float] = {}
    prefix = None
    for line in lines:
        if m := re.search(r"FOR\s+(\d+) \(H0\) VERSUS\s+(\d+) CLASS", line):
            prefix = ""
            out |= {"classes_h0": float(m[1]), "classes": float(m[2])}
        elif "ADJUSTED LRT" in line:
            prefix = "adjusted "
        elif prefix is not None and (found := next(labelled([line]), None)):
            out[prefix + found[0]] = found[1]
    return out
