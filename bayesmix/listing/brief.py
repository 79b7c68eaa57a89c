"""A comparison on one screen: estimate, posterior and published value, without intervals."""

from __future__ import annotations

import pandas as pd

from bayesmix.layout import Listing, number
from bayesmix.results import Comparison, sampler

COLUMNS = {"ml": "ML", "ml_se": "SE", "mean": "posterior", "sd": "SD", "published": "published",
           "published_se": "published SE"}  # fmt: skip


def brief_comparison(comparison: Comparison) -> Listing:
    """Lay out the rows of `comparison` that have a published value, all of them where none has one, without intervals.

    Probabilities whose labels have 40 characters are 80 columns wide.
    """
    table = comparison.table
    rows = table.dropna(subset="published")
    rows = (table if rows.empty else rows)[[k for k in COLUMNS if k in table]].dropna(axis=1, how="all")
    heads = {**COLUMNS, "mean": "NUTS"} if sampler(comparison.diagnostics) == "NUTS" else COLUMNS
    columns = [_column(heads[str(name)], x) for name, x in rows.items()]
    wide = max(map(len, rows.index))
    head, *lines = ["".join(cells) for cells in zip([" " * wide, *rows.index.str.ljust(wide)], *columns, strict=True)]
    return Listing("\n".join([head, "-" * len(head), *lines, *_last_line(table)]))


def _column(head: str, x: pd.Series) -> list[str]:
    """Write the cells of a column beneath its `head`, two spaces off the one before; published ones as they came."""
    cells = [head, *("" if pd.isna(v) else f"{v:g}" if head.startswith("published") else number(v) for v in x)]
    wide = max(map(len, cells)) + 2
    return [cell.rjust(wide) for cell in cells]


def _last_line(table: pd.DataFrame) -> list[str]:
    """Say how well the chains of a posterior agree on all rows of `table`, those that are not shown too."""
    if table["r_hat"].isna().all():
        return []
    return [f"Largest R-hat of all {len(table)} rows: {number(table['r_hat'].max())}."]
