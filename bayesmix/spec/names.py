"""Names that columns of several occasions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


def in_common(waves: Sequence[Sequence[str]]) -> list[str]:
    """What the columns of a variable have in common: ``stubborn`` of stubborn_fall, stubborn_spring.

    Those of the first occasion where nothing, or the same for two of them, is left.
    """
    out = []
    for columns in zip(*waves, strict=True):
        ahead, behind = _beginning(columns), _beginning([c[::-1] for c in columns])[::-1]
        out.append(max(ahead, behind, key=len).strip("_.- ") if len(waves) > 1 else columns[0])
    return out if all(out) and len(set(out)) == len(out) else list(waves[0])


def _beginning(texts: Sequence[str]) -> str:
    """The letters with which all texts begin."""
    return "".join(k[0] for k in takewhile(lambda k: len(set(k)) == 1, zip(*texts, strict=False)))
