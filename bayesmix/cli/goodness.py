"""What `bayesmix residuals` prints and writes: everything that tells whether a model is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from bayesmix.goodness import (
    GoodnessOfFit,
    MissingData,
    Residuals,
    goodness_of_fit,
    missing_data,
    residuals,
    response_patterns,
)
from bayesmix.layout import Section, make_table, number
from bayesmix.results import Estimates, Fit


@dataclass(frozen=True)
class Judgement:
    """Chi-squares and patterns, where there is a table of them; residuals; missing data, where there are some."""

    chi_squares: GoodnessOfFit | None
    residuals: Residuals
    patterns: pd.DataFrame | None
    missing: MissingData | None
    top: int

    def sections(self) -> list[Section]:
        """What is printed."""
        out = [] if self.missing is None else self.missing.sections()
        out += [] if self.chi_squares is None else self.chi_squares.sections()
        out += self.residuals.sections()
        return out if self.patterns is None else [*out, _patterns(self.patterns.head(self.top))]

    def tables(self) -> dict[str, pd.DataFrame]:
        """What is written, by the names of files."""
        found = {k: getattr(self.residuals, k) for k in ("univariate", "pairs", "cells", "numbers", "mixed")}
        out = {f"residuals_{k}": x for k, x in found.items() if len(x)}
        if self.chi_squares is not None:
            out["chi_squares"] = self.chi_squares.table
        if self.patterns is not None:
            out["patterns"] = self.patterns.rename_axis("rank")
        if self.missing is not None:
            out["coverage"] = self.missing.coverage
        return out


def _patterns(x: pd.DataFrame) -> Section:
    numbers = ("observed", "expected", "z", "n")
    items = [c for c in x.columns if c not in numbers]
    answers = [" ".join("." if pd.isna(v) else str(v) for v in r) for r in x[items].astype(object).to_numpy()]
    numbers_of = zip(x["observed"], x["expected"], x["z"], strict=True)
    rows = [(a, number(o, 0), number(e, 1), number(z, 2)) for a, (o, e, z) in zip(answers, numbers_of, strict=True)]
    head = ("pattern", "observed", "expected", "z")
    return Section("Most common response patterns", [f"Items: {', '.join(items)}", make_table(head, rows)])


def judged(
    result: Fit | xr.DataTree, df: pd.DataFrame, *, against: Any, bootstrap: int, seed: int, top: int
) -> Judgement:
    """Everything that tells whether the model of `result` is enough for its data."""
    model = Estimates.of(result).model
    more: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed}
    found = residuals(result, df, against=against, **more)
    table = any(r.family.kind == "categorical" for r in model.responses)
    chi_squares = goodness_of_fit(result, df, **more) if table else None
    patterns = response_patterns(result, df, top=None) if table and isinstance(result, Fit) else None
    gaps = missing_data(model, df)
    missing = gaps if (gaps.coverage < 1).any(axis=None) else None
    return Judgement(chi_squares, found, patterns, missing, top)
