"""What commands write into their folder: results, tables, listings, pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bayesmix.cli.inputs import Inputs
from bayesmix.cli.run import Run

if TYPE_CHECKING:
    from bayesmix.ml import Enumeration
    from bayesmix.prediction import Prediction
    from bayesmix.results import Fit
    from bayesmix.studies import Study


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
    """Draw what the model of `fit` has: a picture that cannot be drawn costs a warning."""
    without_display()
    from bayesmix.results import compare

    for name, draw in _pictures(inputs, fit):
        try:
            figure = draw().figure
        except ValueError as reason:
            warnings.warn(f"No {name}: {reason}", stacklevel=2)
            continue
        run.write(name, lambda path, figure=figure: figure.savefig(path, dpi=150))
    _draw_diagram(run, fit)
    run.write("estimates.png", lambda path: compare(fit).plot().savefig(path, dpi=150))


def _pictures(inputs: Inputs, fit: Fit) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name the files of the pictures of `fit`, each with what draws it and returns Axes."""
    from bayesmix import plots
    from bayesmix.plots.regression_diagram import is_simple_regression

    model, df = inputs.model, inputs.df
    if model.is_mixture:
        yield "classes.png", lambda: plots.classes(fit)[0]
    if not is_simple_regression(model):
        yield "profile.png", lambda: plots.profile(fit)[0]
    else:
        if model.responses[0].family.kind != "categorical":
            yield "outcome.png", lambda: plots.outcome(fit, df)[0]
        if any(t.effects and t.covariates for t in model.responses[0].predictor):
            yield "random_effects.png", lambda: plots.random_effects(fit, df)
    if model.factors:
        yield "scores.png", lambda: plots.scores(fit, df)[0]
        if any(r.family.finite and any(t.effects for t in r.predictor) for r in model.responses):
            yield "item_curves.png", lambda: plots.item_curves(fit, df)[0]
            yield "information.png", lambda: plots.information(fit, df)[0]
    if any(str(k).endswith("_membership") for k in fit.effect_scores):
        freq = None if model.freq is None else df[model.freq].to_list()
        yield "memberships.png", lambda: plots.memberships(fit, freq=freq)[0]
    if "path" in fit.classes:
        yield "transitions.png", lambda: plots.transitions(fit)
    if any(c.effects for k in model.classes_at("individual") for c in k.predictor):
        yield "class_curves.png", lambda: plots.class_curves(fit, df=df)[0]


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
        from bayesmix import plots

        figure: Any = plots.enumeration(enumeration).figure
        run.write("enumeration.png", lambda path: figure.savefig(path, dpi=150))


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
    from bayesmix import plots

    for k, name in enumerate(study.models, start=1):
        if study.summary(name)["cover"].isna().all():
            continue
        try:
            figure = plots.study(study, name)[0].figure
        except ValueError as reason:
            warnings.warn(f"No picture of '{name}': {reason}", stacklevel=2)
            continue
        title = f"study_{k}.png" if len(study.models) > 1 else "study.png"
        run.write(title, lambda path, figure=figure: figure.savefig(path, dpi=150))
