"""The data and the model of a command."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bayesmix.cli.arguments import declare, design_of, family_of, fixed_entries
from bayesmix.cli.options import ModelOptions
from bayesmix.cli.read import blank, columns, read_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmix.results import Fit
    from bayesmix.spec import Model


@dataclass(frozen=True)
class Inputs:
    """What is estimated.

    Attributes
    ----------
    df : pandas.DataFrame
        The data, with missing-value codes set to missing.
    model : Model
    declare : callable
        The model with another number of classes.
    id_column : str, optional
        A column that tables by row have, too.
    """

    df: pd.DataFrame
    model: Model
    declare: Callable[[int], Model]
    id_column: str | None = None

    def by_row(self, table: pd.DataFrame) -> pd.DataFrame:
        """Name the rows of a `table` that has one for each of the data."""
        if self.model.repeated is not None:  # a row a person
            return table.rename_axis(self.model.repeated.person)
        out = table.rename_axis("row")
        if self.id_column:
            out.insert(0, self.id_column, self.df[self.id_column].to_numpy())
        return out


def read_inputs(
    template: str, data: Path, options: ModelOptions, classes: int | list[int] | None, id_column: str | None = None
) -> Inputs:
    """Read the file `data`, and declare the model of a `template` with `options`.

    Raises
    ------
    ValueError
        The file, a column or an argument is not there, or is not what it should be.
    """
    from bayesmix.spec import parse_formula, parse_regressions

    df = read_table(data)
    names = list(df.columns)
    design = (options.weights, options.strata, options.psu, options.fpc, options.cluster_weights)
    aside = [c for c in (options.freq, options.cluster, *design, id_column) if c]
    for c in aside:
        columns(c, names)
    predictors = parse_formula(options.covariates) if options.covariates is not None else []
    held = design_of(options, names).get("replicate_weights") or ()
    aside += [c for c in names if c.startswith(held)] if isinstance(held, str) and held else [*held]
    items = columns(options.items, names, [*aside, *predictors]) if options.items is not None else None
    outcomes = [name for name, *_ in parse_regressions(options.formula)] if options.formula is not None else []
    given = {
        "items": items,
        "waves": [columns(w, names) for w in options.waves] or None,
        "formula": options.formula,
        "covariates": options.covariates,
        "family": family_of(options.family, items or outcomes, names) if options.family else None,
        "freq": options.freq,
        "cluster": options.cluster,
        "fix": fixed_entries(options.fix),
        "equal": options.equal or None,
    }

    drawn = design_of(options, names)

    def declared(size: int | list[int] | None) -> Model:
        model = declare(template, given | {"classes": size}, options.set, names)
        if not drawn:
            return model
        from bayesmix.spec import survey

        return survey(model, **drawn)

    model = declared(classes)
    formulas = [column for c in model.covariates for column in parse_formula(c.formula)]
    used = dict.fromkeys(c for c in (*model.items, *formulas) if c in names)
    codes = _each(options.missing)
    df = blank(df, codes, list(used)) if codes else df
    if options.missing_covariates is None:
        return Inputs(df, model, declared, id_column)
    from bayesmix.data import with_gaps_normal

    return Inputs(df, with_gaps_normal(model, df), lambda size: with_gaps_normal(declared(size), df), id_column)


def _each(codes: Sequence[str]) -> list[str]:
    """Missing-value codes one by one, of which an option may name several."""
    return [code.strip() for text in codes for code in text.split(",")]


def read_related_rows(
    data: Path,
    found: Sequence[tuple[Fit | xr.DataTree, Sequence[str]]],
    missing: Sequence[str],
    formulas: Sequence[str | None],
    outcomes: Mapping[str, object] | None,
) -> pd.DataFrame:
    """Read the rows of fits with what their classes are to be related to.

    Parameters
    ----------
    data : Path
    found : sequence of (result, codes)
        Fits, and the missing-value codes of their items.
    missing : sequence of str
        Codes of covariates and outcomes.
    formulas : sequence of str
        Of covariates.
    outcomes : mapping of str, optional
    """
    from bayesmix.results import Estimates
    from bayesmix.spec import parse_formula

    df = read_table(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for result, codes in found:
            items = [k for k in Estimates.of(result).model.items if k in df.columns]
            df = blank(df, _each(codes), items)
    used = [*(c for f in formulas if f is not None for c in parse_formula(f)), *map(str, outcomes or {})]
    return blank(df, _each(missing), [k for k in dict.fromkeys(used) if k in df.columns])


def read_new_rows(data: Path, result: Fit | xr.DataTree, codes: Sequence[str], more: Sequence[str]) -> pd.DataFrame:
    """Read rows to be predicted by `result`.

    Parameters
    ----------
    data : Path
    result : Fit or xarray.DataTree
    codes : sequence of str
        Missing-value codes of its own data: where they occur they are missing here too.
    more : sequence of str
        Further codes, of which it is said where they do not occur.
    """
    from bayesmix.data.design import columns_of
    from bayesmix.results import Estimates

    df, model = read_table(data), Estimates.of(result).model
    used = dict.fromkeys([*model.items, *(k for c in model.covariates for k in columns_of(c))])
    here = [k for k in used if k in df.columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        df = blank(df, _each(codes), here)
    return blank(df, _each(more), here)
