"""What commands write into their folder: results, tables, listings, pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmix.cli.inputs import Inputs
from bayesmix.cli.run import Run

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmix.cli.goodness import Judgement
    from bayesmix.enumeration import Enumeration
    from bayesmix.prediction import Prediction
    from bayesmix.reports import Picture, Reported
    from bayesmix.results import Fit
    from bayesmix.studies import Study
    from bayesmix.three_steps import ThreeStep


def without_display() -> None:
    """Let Matplotlib draw into files, where there may be no display."""
    import matplotlib

    matplotlib.use("Agg")


# a fit --------------------------------------------------------------------------------------------


def write_fit(run: Run, inputs: Inputs, fit: Fit) -> None:
    """Write a fit, its tables and its listing, and pictures where `run` is to draw them."""
    if run.out is None:
        return
    from bayesmix.listing import report
    from bayesmix.results import compare

    run.write("fit.nc", fit.save)
    run.write("parameters.csv", fit.summary().rename_axis("parameter").to_csv)
    run.write("probabilities.csv", compare(fit).probabilities.dropna(axis=1, how="all").to_csv)
    run.write("starts.csv", lambda path: fit.starts.to_csv(path, index=False))
    run.write("listing.txt", lambda path: path.write_text(report(fit), encoding="utf-8"))
    _write_classes(run, inputs, fit)
    _write_effects(run, inputs, fit)
    _write_occasions(run, inputs, fit)
    if fit.model.has_trajectories:
        from bayesmix.results import trajectories

        run.write("trajectories.csv", trajectories(fit, inputs.df).to_csv)
    if run.settings["plots"]:
        _draw_fit(run, inputs, fit)


def _write_classes(run: Run, inputs: Inputs, fit: Fit) -> None:
    """Write class probabilities of every row of the file, and of every cluster where clusters have classes."""
    names = fit.class_variables
    of_rows = [n for n in names if "row" in fit.classes[f"{n}_posterior"].dims]
    for name in names:
        table = fit.class_probabilities(name)
        table = inputs.by_row(table) if name in of_rows else table.rename_axis(inputs.model.cluster)
        first = name == (of_rows or names)[0]
        run.write("class_probabilities.csv" if first else f"class_probabilities_{name}.csv", table.to_csv)


def _write_effects(run: Run, inputs: Inputs, fit: Fit) -> None:
    """Write random effects of clusters; factor scores and grades of membership of the rows."""
    scores = fit.effects()
    if factors := [e.name for e in fit.model.factors if e.name in scores]:
        table = scores[[c for k in factors for c in (k, f"{k}_sd")]].to_dataframe()
        run.write("factor_scores.csv", inputs.by_row(table).to_csv)
    if effects := [k for k, x in scores.data_vars.items() if x.dims == ("cluster",)]:
        run.write("cluster_effects.csv", scores[effects].to_dataframe().rename_axis(inputs.model.cluster).to_csv)
    for c in inputs.model.classes_at("item"):
        if f"{c.name}_membership" in scores:
            run.write("memberships.csv", inputs.by_row(fit.memberships(c.name)).to_csv)


def _write_occasions(run: Run, inputs: Inputs, fit: Fit) -> None:
    """Write transitions, what explains the classes, and the path of each row."""
    from bayesmix.results import Estimates, decomposition, entered, transitions

    if entered(Estimates.of(fit)):
        run.write("transitions.csv", transitions(fit).to_csv)
    if Estimates.of(fit).of_kind("share"):
        run.write("decomposition.csv", decomposition(fit).to_csv)
    if "path" in fit.classes:
        run.write("paths.csv", inputs.by_row(fit.paths()).to_csv)


def _draw_fit(run: Run, inputs: Inputs, fit: Fit) -> None:
    """Draw what the model of `fit` has."""
    without_display()
    from bayesmix.reports import of_comparison, pictures
    from bayesmix.results import compare

    for picture in pictures(fit, inputs.df):
        _draw(run, picture)
    _draw_diagram(run, fit)
    _draw(run, of_comparison(compare(fit)))


def _draw(run: Run, picture: Picture) -> None:
    """Write a picture: one that cannot be drawn costs a warning."""
    name = f"{picture.name}.png"
    try:
        figure = picture.draw()
    except ValueError as reason:
        warnings.warn(f"No {name}: {reason}", stacklevel=2)
        return
    run.write(name, lambda path: figure.savefig(path, dpi=150))


def _draw_diagram(run: Run, fit: Fit) -> None:
    """Draw the path diagram; without Graphviz, write what it reads."""
    from bayesmix.plots.path_diagram import diagram

    drawn = diagram(fit)
    try:
        run.write("diagram.svg", drawn.save)
    except ImportError as missing:
        warnings.warn(f"No diagram.svg: {missing}", stacklevel=2)
        run.write("diagram.dot", drawn.save)


def write_prediction(run: Run, prediction: Prediction) -> None:
    """Write the tables of a prediction."""
    for name, table in prediction.tables().items():
        run.write(f"{name}.csv", table.to_csv)


def write_residuals(run: Run, found: Judgement) -> None:
    """Write the tables of a judgement, its listing, and a picture where `run` is to draw one."""
    if run.out is None:
        return
    from bayesmix.layout import to_text

    for name, table in found.tables().items():
        run.write(f"{name}.csv", table.to_csv)
    run.write("listing.txt", lambda path: path.write_text(to_text(found.sections()), encoding="utf-8"))
    if run.settings["plots"]:
        without_display()
        from bayesmix import plots

        try:
            figure: Any = plots.residuals(found.residuals).figure
        except ValueError as reason:
            warnings.warn(f"No residuals.png: {reason}", stacklevel=2)
            return
        run.write("residuals.png", lambda path: figure.savefig(path, dpi=150))


def write_three_step(run: Run, found: ThreeStep) -> None:
    """Write three steps, their tables and their listing."""
    run.write("three_step.nc", found.save)
    for name, table in found.tables().items():
        flat = table.index.nlevels == 1 and table.index.name is None
        run.write(f"{name}.csv", lambda path, t=table, i=not flat: t.to_csv(path, index=i))
    run.write("listing.txt", lambda path: path.write_text(str(found), encoding="utf-8"))


# pages and tables ---------------------------------------------------------------------------------


def write_handouts(run: Run, what: Reported, post: xr.DataTree | None = None, df: pd.DataFrame | None = None) -> None:
    """Write the page and the tables that were asked for, of a result and of a posterior where there is one."""
    page, tables = run.settings["html"], run.settings["tables"]
    if page is not None:
        without_display()
        from bayesmix.reports import to_html

        data = Path(run.settings["data"]).name if "data" in run.settings else None
        run.write_to(page, lambda path: to_html(what, path, post=post, df=df, data=data))
    if tables is not None:
        from bayesmix.reports import export

        run.write_to(tables, lambda path: export(what, path, post=post))


# several fits -------------------------------------------------------------------------------------


def write_enumeration(run: Run, enumeration: Enumeration) -> None:
    """Write the table and the fits of an enumeration, and its picture where `run` is to draw one."""
    from bayesmix.listing import report

    run.write("enumeration.csv", enumeration.table.to_csv)
    for k, fit in enumeration.fits.items():
        run.write(f"fit_{k}.nc", fit.save)
    run.write("listing.txt", lambda path: path.write_text(report(enumeration), encoding="utf-8"))
    if run.settings["plots"]:
        without_display()
        from bayesmix.reports import of_enumeration

        _draw(run, of_enumeration(enumeration))


def write_study(run: Run, study: Study) -> None:
    """Write the tables of a study, and its pictures where `run` is to draw them."""
    run.write("summary.csv", study.summary().to_csv)
    run.write("bic.csv", study.bic().to_csv)
    run.write("replications.csv", lambda path: study.replications.to_csv(path, index=False))
    run.write("fits.csv", study.fits.to_csv)
    run.write("listing.txt", lambda path: path.write_text(str(study), encoding="utf-8"))
    if len(study.failures):
        run.write("failures.csv", lambda path: study.failures.to_csv(path, index=False))
    if run.settings["plots"]:
        _draw_study(run, study)


def _draw_study(run: Run, study: Study) -> None:
    """Draw each model of `study` of which the population's values are known."""
    without_display()
    from bayesmix.reports import of_study

    for picture in of_study(study):
        _draw(run, picture)
