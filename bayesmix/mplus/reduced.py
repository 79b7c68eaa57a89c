"""Inputs with known classes, or with clusters, as plain ones, and what of these stands beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bayesmix.mplus.language import Input
from bayesmix.mplus.statements import RELATION, Said, taken_apart
from bayesmix.mplus.with_statements import refused

Statements = Mapping[tuple[str, str], tuple[str, ...]]


class _Model:
    """The statements of a reduced input, collected."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], list[str]] = {}

    def add(self, command: str, scope: str, statement: str) -> None:
        """Add a statement, once."""
        own = self.parts.setdefault((command, scope), [])
        if statement not in own:
            own.append(statement)

    def done(self) -> Statements:
        """The statements as an input has them."""
        return {key: tuple(own) for key, own in self.parts.items()}


def _base(word: str) -> str:
    return word.split("#", maxsplit=1)[0].split("@", maxsplit=1)[0].split("*", maxsplit=1)[0]


# known classes ------------------------------------------------------------------------------------


def without_groups(said: Input) -> tuple[Input, dict[str, Any]]:
    """An input without the class variable of KNOWNCLASS, and the settings of groups in our templates.

    Raises
    ------
    ValueError
        Groups of several columns, items that differ by group otherwise than a template says.
    """
    if not said.known:
        return said, {}
    columns = {c for c, _ in said.known_values}
    if len(columns) != 1:
        raise refused(f"known classes of several columns: {', '.join(sorted(columns))}")
    if len(said.classes) < 2:
        raise refused("known classes alone")
    out, by = _Model(), _ByGroup(said)
    for (command, scope), statements in said.model.items():
        names = [part.split("#")[0] for part in scope.strip("%").split(".")]
        for s in statements:
            if said.known in names:
                by.take(scope, s, out)
            elif scope in ("", "%OVERALL%") and command == "MODEL":
                by.overall(scope, s, out)
            else:
                out.add(command, scope, s)
    rest = {c: n for c, n in said.classes.items() if c != said.known}
    plain = replace(said, classes=rest, known="", known_values=(), model=out.done())
    return plain, {"group": columns.pop(), **by.settings()}


class _ByGroup:
    """What differs by group, found in the statements of the known class."""

    def __init__(self, said: Input) -> None:
        self.said, self.known = said, said.known
        self.latent = [c for c in said.classes if c != said.known]
        self.on_group: set[str] = set()
        self.slopes = self.transitions = False
        self.free: dict[str, set[str]] = {"intercepts": set(), "residuals": set()}

    def overall(self, scope: str, statement: str, out: _Model) -> None:
        """Take the known class out of what class variables are regressed on."""
        found = RELATION.match(statement)
        if not found or found[2] != "ON":
            out.add("MODEL", scope, statement)
            return
        lefts, rights = found[1].split(), found[3].split()
        if any(_base(w) == self.known for w in rights):
            self.on_group |= {_base(w) for w in lefts}
        if rest := [w for w in rights if _base(w) != self.known]:
            out.add("MODEL", scope, f"{found[1]} ON {' '.join(rest)}")

    def take(self, scope: str, statement: str, out: _Model) -> None:
        """Read a statement of a group, or of a group and a class."""
        others = [p for p in scope.strip("%").split(".") if p.split("#")[0] != self.known]
        among = [*self.said.used, *self.latent]
        for s in taken_apart(statement, among):
            base = _base(s.left).split("$")[0]
            if s.label or s.value is not None:
                raise refused(f"a constraint beside known classes, '{statement}'")
            if s.kind == "ON" and base in self.latent:
                above = _base(s.right) in self.latent
                self.transitions, self.slopes = self.transitions or above, self.slopes or not above
            elif s.kind == "mean" and base in self.latent and not others:
                self.on_group.add(base)
            elif s.kind == "mean" and others and base in self.said.used:
                self.free["intercepts"].add(base)
            elif s.kind == "variance" and base in self.said.used:
                self.free["residuals"].add(base)
            else:
                raise refused(f"'{statement}' for the known class")
        if others:
            command = "MODEL" if len(self.latent) == 1 else f"MODEL {'.'.join(p.split('#')[0] for p in others)}"
            out.add(command, f"%{'.'.join(others)}%", statement)
        elif RELATION.match(statement):
            out.add("MODEL", "%OVERALL%", statement)

    def settings(self) -> dict[str, Any]:
        """The settings of the templates."""
        first, *later = self.latent
        if self.transitions != bool(self.on_group & {*later}):
            raise refused("transitions of which intercepts or slopes alone differ between the known classes")
        out: dict[str, Any] = {"sizes_by_group": first in self.on_group, "slopes_by_group": self.slopes}
        if any(self.free.values()):
            out["measurement_by_group"] = {part: sorted(own) for part, own in self.free.items() if own}
        return out | ({"transitions_by_group": self.transitions} if later else {})


# clusters -----------------------------------------------------------------------------------------


def within_part(said: Input) -> tuple[Input, dict[str, Any]]:
    """The part within clusters of a two-level input, and the settings of clusters of a latent class model.

    Raises
    ------
    ValueError
        Items that vary between clusters, random parts that the template does not have.
    """
    if "TWOLEVEL" not in said.analysis_type:
        return said, {}
    above = [c for c in said.classes if c in said.between]
    own = [c for c in said.classes if c not in above]
    if len(own) != 1 or len(above) > 1:
        raise refused(f"the class variables {', '.join(said.classes)} of two levels")
    cluster = (said.option("VARIABLE", "CLUSTER") or "").upper().split()
    if len(cluster) != 1:
        raise refused(f"CLUSTER = {' '.join(cluster)}")
    out, between = _Model(), []
    for (command, scope), statements in said.model.items():
        level, _, rest = scope.partition(" ")
        if level == "%BETWEEN%":
            if rest not in ("%OVERALL%", "") and not all(re.match(r"^\[\w+#\d+\S*\]$", s) for s in statements):
                raise refused(f"the part {scope}")
            between += statements
            continue
        name = "MODEL" if command == f"MODEL {own[0]}" else command
        for s in statements:
            found = RELATION.match(s)
            if found and found[2] == "ON" and above and any(_base(w) in above for w in found[3].split()):
                between.append(s)
            else:
                out.add(name, rest, s)
    given, columns = _between(said, own[0], above, between)
    aside = {*columns, *above, *cluster}
    used = tuple(v for v in said.used if v not in aside)
    if outside := [v for v in used if v not in said.within]:
        raise refused(f"{outside[0]}, which is not on the WITHIN list: it varies between clusters")
    options = {k: v for k, v in said.options.items() if k != ("ANALYSIS", "TYPE")} | {("ANALYSIS", "TYPE"): "MIXTURE"}
    plain = replace(said, classes={own[0]: said.classes[own[0]]}, used=used, between=(), model=out.done(),
                    options=options)  # fmt: skip
    return plain, {"cluster": cluster[0], **given}


def _between(said: Input, name: str, above: Sequence[str], statements: Sequence[str]) -> tuple[dict, list[str]]:
    """Read the between part: settings, and its covariates."""
    found = _Between(said, name, above, {s.split()[0] for s in statements if " BY " in s})
    for statement in statements:
        for s in taken_apart(statement, [*said.used, *said.classes]):
            if not (found.random_logit(s) or found.regression(s)):
                raise refused(f"'{statement}' between clusters")
    return found.settings(), [x for xs in found.covariates.values() for x in xs]


class _Between:
    """What stands in the between part."""

    def __init__(self, said: Input, name: str, above: Sequence[str], factor: set[str]) -> None:
        self.said, self.name, self.above, self.factor = said, name, above, factor
        self.random, self.pairs = set[str](), set[frozenset[str]]()
        self.covariates: dict[str, list[str]] = {c: [] for c in (name, *above)}
        self.joined = False

    def random_logit(self, s: Said) -> bool:
        """Take means, variances and covariances of random logits, and what is of their factor."""
        if s.kind == "mean" and _base(s.left) in self.covariates:
            return True
        if s.left in self.factor:
            return _base(s.right) == self.name or (s.value is not None and s.kind != "BY")
        if _base(s.left) != self.name or s.value is not None:
            return False
        if s.kind == "variance":
            self.random.add(s.left)
        elif s.kind == "WITH" and _base(s.right) == self.name:
            self.pairs.add(frozenset((s.left, s.right)))
        return s.kind in ("variance", "WITH")

    def regression(self, s: Said) -> bool:
        """Take a regression on classes of clusters, or on covariates."""
        base = _base(s.left)
        if s.kind != "ON" or base not in self.covariates or s.value is not None:
            return False
        if base == self.name and _base(s.right) in self.above:
            self.joined = True
            return True
        if s.right not in self.covariates[base]:
            self.covariates[base].append(s.right)
        return s.right in self.said.used

    def settings(self) -> dict[str, Any]:
        """The settings of clusters."""
        size = self.said.classes[self.name]
        if self.above and not self.joined:
            raise refused(f"classes of clusters {self.above[0]} that {self.name} does not depend on")
        if self.factor and self.random:
            raise refused("a factor of random class logits beside variances of their own")
        whole = len(self.random) == size - 1 and len(self.pairs) == (size - 1) * (size - 2) // 2
        if self.random and not whole:
            raise refused("random class logits of which some do not vary, or are not correlated")
        own = {c: " + ".join(xs) for c, xs in self.covariates.items() if xs}
        given: dict[str, Any] = {"effects": "factor" if self.factor else "unrestricted" if self.random else "none"}
        given |= {"cluster_covariates": own[self.name]} if self.name in own else {}
        if self.above:
            given["cluster_classes"] = self.said.classes[self.above[0]]
            given |= {"cluster_class_covariates": own[self.above[0]]} if self.above[0] in own else {}
        return given
