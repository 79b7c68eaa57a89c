"""The command line: commands from fit to mplus, with files from which a run can be repeated.

Everything heavy is imported inside the functions that need it, so that mistakes in the command are
answered at once.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from bayesmix.checks import whole
from bayesmix.cli.arguments import class_numbers, numbers_of
from bayesmix.cli.inputs import Inputs, read_inputs
from bayesmix.cli.options import (
    MODEL,
    OUTPUT,
    Flag,
    HandoutOptions,
    ModelOptions,
    OutputOptions,
    PictureOptions,
    SamplingOptions,
    SearchOptions,
    StepsOptions,
    Texts,
)
from bayesmix.cli.read import read_result, read_table
from bayesmix.cli.run import Run, add_file, unbroken

if TYPE_CHECKING:
    import pandas as pd

    from bayesmix.results import Fit

BAD, STOPPED = 2, 130
"""Exit codes: a mistake in the command or the data; Ctrl-C."""

LEVEL = 0.95
"""Of intervals, where no other is asked for."""

app = App(
    name="bayesmix",
    help="Multilevel mixture models by maximum likelihood and by NUTS, from one declared model.",
    help_format="plaintext",  # markdown takes a tenth of a second to be loaded
)
ThisRun = Annotated[Run, Parameter(parse=False)]
"""What :func:`main` hands to a command, beside what was typed."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command: mistakes become one line on stderr.

    Parameters
    ----------
    words : sequence of str, optional
        What was typed after the name of the program.

    Returns
    -------
    int
        The exit code.
    """
    words = sys.argv[1:] if words is None else [*words]
    try:
        command, bound, more = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as mistake:
        return _complain("Error", mistake, BAD)
    bound.apply_defaults()
    settings = _flat(bound.arguments)
    run = {name: Run(words, settings) for name in more}
    if settings.pop("debug", False):
        with _intervals(settings):
            command(*bound.args, **bound.kwargs, **run)
        return 0
    try:
        with _plain_warnings(), _intervals(settings):
            command(*bound.args, **bound.kwargs, **run)
        return 0
    except KeyboardInterrupt:
        return _complain("Stopped", "by Ctrl-C; files of what was finished are kept.", STOPPED)
    except Exception as error:
        expected = isinstance(error, (ValueError, TypeError, OSError, RuntimeError, ImportError))
        return _complain("Error", error if expected else f"{type(error).__name__}: {error} (--debug shows where)", BAD)


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Name all settings among the `arguments` of a command, those in groups of options as well."""
    groups = [vars(value) if is_dataclass(value) else {name: value} for name, value in arguments.items()]
    return {name: value for group in groups for name, value in group.items()}


@contextmanager
def _intervals(settings: Mapping[str, Any]) -> Iterator[None]:
    """Make all intervals of a command with the level among its `settings`."""
    level = settings.get("level", LEVEL)
    if level == LEVEL:
        yield
        return
    from bayesmix.spec import at_level

    with at_level(level):
        yield


def _complain(kind: str, what: object, code: int = 0) -> int:
    """Say `what` in one line on stderr; hand on the exit `code`."""
    print(f"{kind}: {' '.join(str(what).split())}", file=sys.stderr)
    return code


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings of the engine as one line each, without the place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _complain("Warning", message)
        yield


@contextmanager
def _status(what: str) -> Iterator[None]:
    """Show a short line on stderr while something takes its time; on a terminal it goes away again."""
    terminal = sys.stderr.isatty()
    sys.stderr.write(f"{what} ..." if terminal else f"{what} ...\n")
    sys.stderr.flush()
    try:
        yield
    finally:
        if terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


# commands -----------------------------------------------------------------------------------------


@app.command(name="fit")
def fit_command(
    model: str,
    data: Path,
    /,
    *,
    classes: Annotated[str | None, Parameter(group=MODEL)] = None,
    id_column: Annotated[str | None, Parameter(name="--id", group=OUTPUT)] = None,
    options: ModelOptions = ModelOptions(),
    search: SearchOptions = SearchOptions(),
    sampling: SamplingOptions = SamplingOptions(),
    output: HandoutOptions = HandoutOptions(),
    run: ThisRun,
) -> None:
    """Fit a model by maximum likelihood and print its listing; with --sample, the posterior too.

    Parameters
    ----------
    model
        The model: lca, ... (a file of bayesmix.models).
    data
        csv, tsv, parquet, dta, sav or xlsx, one row an individual.
    classes
        Number of classes; of an lta, one or one for each occasion: 2,3.
    id_column
        Column to carry into class_probabilities.csv.
    """
    run.open(output.out)
    _check_handouts(run, output)
    with _status("Loading"):
        settings = search.settings()
        inputs = read_inputs(model, data, options, class_numbers(classes), id_column)
        from bayesmix.cli.export import write_fit, write_handouts
        from bayesmix.listing import show
        from bayesmix.ml import estimation
    with _status("Fitting"):
        fit = estimation.fit(inputs.model, inputs.df, **settings)
    try:
        if not output.quiet:
            show(fit)
    finally:  # a reader that went away loses no result
        with unbroken():
            write_fit(run, inputs, fit)
            write_handouts(run, fit, df=inputs.df)
            run.finish(data, fit, len(inputs.df))
    if fit.quality["interrupted"]:
        raise KeyboardInterrupt
    if sampling.sample:
        _sample(run, data, inputs, fit, sampling.settings() | {k: settings[k] for k in ("seed", "nodes")})
    _say_files(run)


def _sample(run: Run, data: Path, inputs: Inputs, fit: Fit, settings: dict[str, Any]) -> None:
    """Sample the posterior about `fit`, print it beside the fit, and write both."""
    with _status("Compiling and sampling"):
        from bayesmix.bayes import sampling
        from bayesmix.cli.export import write_handouts
        from bayesmix.listing import report
        from bayesmix.results import compare

        post = sampling.sample(fit, inputs.df, **settings)
        try:
            with unbroken():
                run.write("posterior.nc", post.to_netcdf)  # before anything that may fail is made of it
        finally:
            table = compare(fit, post)
            if not run.settings["quiet"]:
                print(f"\n{table!r}")
    with unbroken():
        run.write("comparison.csv", table.table.to_csv)
        run.write("listing.txt", lambda path: path.write_text(report(fit, post), encoding="utf-8"))
        if run.settings["plots"]:
            run.write("comparison.png", lambda path: table.plot().savefig(path, dpi=150))
        write_handouts(run, fit, post, inputs.df)
        run.finish(data, fit, len(inputs.df), sampled=dict(table.diagnostics))
    if post["posterior"].sizes["draw"] < settings["draws"]:
        raise KeyboardInterrupt


@app.command(name="enumerate")
def enumerate_command(
    model: str,
    data: Path,
    /,
    *,
    classes: Annotated[str, Parameter(group=MODEL)],
    vuong: Annotated[Flag, Parameter(group=MODEL)] = False,
    bootstrap: Annotated[int, Parameter(group=MODEL)] = 0,
    options: ModelOptions = ModelOptions(),
    search: SearchOptions = SearchOptions(),
    output: HandoutOptions = HandoutOptions(),
    run: ThisRun,
) -> None:
    """Fit a model with several numbers of classes and lay the fits side by side.

    Parameters
    ----------
    model
        The model: lca, ... (a file of bayesmix.models).
    data
        csv, tsv, parquet, dta, sav or xlsx, one row an individual.
    classes
        Numbers of classes: 1-5 or 2,3,4.
    vuong
        Test each number against one class less by Vuong, Lo, Mendell and Rubin.
    bootstrap
        Test it by the bootstrap likelihood ratio test, with so many drawn data sets at most.
    """
    run.open(output.out)
    _check_handouts(run, output)
    whole("--bootstrap", bootstrap, 0)
    numbers = numbers_of(classes)
    with _status("Loading"):
        settings = search.settings()
        inputs = read_inputs(model, data, options, numbers[0])
        from bayesmix.cli.export import write_enumeration, write_handouts
        from bayesmix.enumeration import enumerate_classes
        from bayesmix.listing import show
    with _status("Fitting"):
        result = enumerate_classes(inputs.declare, inputs.df, numbers, vuong=vuong, bootstrap=bootstrap, **settings)
    try:
        if not output.quiet:
            show(result)
    finally:
        with unbroken():
            write_enumeration(run, result)
            write_handouts(run, result)
            run.finish(data, next(iter(result.fits.values())), len(inputs.df))
    _say_files(run)
    if len(result.fits) < len(numbers) or any(f.quality["interrupted"] for f in result.fits.values()):
        raise KeyboardInterrupt


@app.command(name="study")
def study_command(
    file: Path,
    /,
    *,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    output: HandoutOptions = HandoutOptions(),
    run: ThisRun,
) -> None:
    """Run the Monte Carlo study of a file; with a folder, go on where it was stopped.

    Parameters
    ----------
    file
        The study, a TOML file: population, models, settings.
    replications
        Data sets; more of them go on from those there.
    seed
        Everything random follows from it.
    workers
        Processes; 1: none besides this one.
    """
    with _status("Loading"):
        from bayesmix.cli.study_file import read_study

        wanted = read_study(file)
        run.open(output.out or wanted.out)
        _check_handouts(run, output)
        settings: dict[str, Any] = {"replications": replications, "seed": seed}
        settings = wanted.arguments | {k: v for k, v in settings.items() if v is not None}
        executor = _executor(wanted.workers if workers is None else workers)
        from bayesmix.cli.export import write_handouts, write_study
        from bayesmix.listing import show
        from bayesmix.studies import study
    with _status("Running"):
        result = study(**settings, folder=run.out, executor=executor)
    try:
        if not output.quiet:
            show(result)
    finally:
        with unbroken():
            write_study(run, result)
            write_handouts(run, result)
            run.finish(file, None, study=dict(result.info), sampled=result.info["estimator"] == "nuts")
    _say_files(run)
    if len(result.records) < result.info["asked"] * len(result.models):
        raise KeyboardInterrupt
    if not len(result.fits):
        raise RuntimeError(f"Every replication failed: {result.failures['reason'].iloc[0]}")


def _executor(workers: int | None) -> Any:
    """Find where so many `workers` run; None where they were left out."""
    if workers is None:
        return None
    whole("workers", workers)
    from bayesmix.parallel import SerialExecutor, processes

    return SerialExecutor() if workers == 1 else processes(workers)


@app.command(name="predict")
def predict_command(
    folder: Path,
    data: Path,
    /,
    *,
    posterior: Flag = False,
    given: Path | None = None,
    outcomes: str = "given the answers",
    missing: Texts = (),  # pyright: ignore[reportArgumentType]
    id_column: Annotated[str | None, Parameter(name="--id", group=OUTPUT)] = None,
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    debug: Annotated[Flag, Parameter(group=OUTPUT)] = False,
    run: ThisRun,
) -> None:
    """Predict classes, random effects and outcomes of new rows by the fit in a folder that `fit --out` wrote.

    Parameters
    ----------
    folder
        A folder that `fit --out` wrote.
    data
        The new rows: csv, tsv, parquet, dta, sav or xlsx. Items may be missing, covariates may not.
    posterior
        By the posterior that `fit --sample` wrote, averaged over draws, not by the fit.
    given
        A file of rows seen before, such as the data of the fit: clusters are judged by these as well.
    outcomes
        'given the answers' or 'from covariates alone'.
    missing
        A missing-value code (may be repeated); those of the fit are taken as missing anyway.
    id_column
        Column to carry into the tables of rows.
    out
        Folder for the files; existing ones of the same name are replaced.
    debug
        Show the whole traceback of an error.
    """
    run.open(out)
    with _status("Loading"):
        from bayesmix.cli.export import write_prediction
        from bayesmix.cli.inputs import read_new_rows
        from bayesmix.prediction import predict

        result, codes = read_result(folder, posterior)
        df, before = (None if p is None else read_new_rows(p, result, codes, missing) for p in (data, given))
        if before is not None:
            before.index = -before.index  # the rows of both files are numbered from 1
    with _status("Predicting"):
        found = predict(result, df, given=before, outcomes=outcomes, id=id_column)  # pyright: ignore[reportArgumentType]
    print(repr(found).strip("<>"))
    with unbroken():
        write_prediction(run, found)
        run.finish(data, None, len(found.outcomes))
    _say_files(run)


@app.command(name="residuals")
def residuals_command(
    folder: Path,
    data: Path,
    /,
    *,
    posterior: Flag = False,
    bootstrap: int = 0,
    against: str = "mar",
    top: int = 20,
    seed: int = 0,
    missing: Texts = (),  # pyright: ignore[reportArgumentType]
    plots: Annotated[Flag, Parameter(group=OUTPUT)] = False,
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    debug: Annotated[Flag, Parameter(group=OUTPUT)] = False,
    run: ThisRun,
) -> None:
    """Print whether the model is enough: chi-squares, residuals, response patterns, missing answers.

    Parameters
    ----------
    folder
        A folder that `fit --out` wrote.
    data
        The data of that fit.
    posterior
        Of the posterior that `fit --sample` wrote: posterior predictive p values.
    bootstrap
        Data sets drawn from the fit and fitted again, for p values.
    against
        Where answers are missing: 'mar', the unrestricted estimate under missing at random, or 'pairwise'.
    top
        Response patterns to print.
    seed
        The bootstrap follows from it.
    missing
        A missing-value code (may be repeated); those of the fit are taken as missing anyway.
    plots
        A picture of the residuals of pairs, into the folder of the other files.
    out
        Folder for the files; existing ones of the same name are replaced.
    debug
        Show the whole traceback of an error.
    """
    run.open(out)
    with _status("Loading"):
        from bayesmix.cli.export import write_residuals
        from bayesmix.cli.goodness import judged
        from bayesmix.cli.inputs import read_new_rows
        from bayesmix.listing import show

        result, codes = read_result(folder, posterior)
        df = read_new_rows(data, result, codes, missing)
    with _status("Comparing"):
        found = judged(result, df, against=against, bootstrap=bootstrap, seed=seed, top=top)
    try:
        show(found)
    finally:
        with unbroken():
            write_residuals(run, found)
            run.finish(data, None, len(df))
    _say_files(run)


@app.command(name="three-step")
def three_step_command(
    folder: Path,
    data: Path,
    /,
    *,
    posterior: Flag = False,
    then: Annotated[list[Path], Parameter(negative=(), show_default=False)] = (),  # pyright: ignore[reportArgumentType]
    missing: Texts = (),  # pyright: ignore[reportArgumentType]
    steps: StepsOptions = StepsOptions(),
    output: OutputOptions = OutputOptions(),
    run: ThisRun,
) -> None:
    """Relate the classes of the fit in a folder to covariates and outcomes, without moving the classes.

    Parameters
    ----------
    folder
        A folder that `fit --out` wrote.
    data
        The data of that fit, with covariates and outcomes: csv, tsv, parquet, dta, sav or xlsx.
    posterior
        By the posterior that `fit --sample` wrote, pooled over its draws.
    then
        The folder of the fit of a later occasion (may be repeated): transitions between the classes.
    missing
        A missing-value code of covariates and outcomes (may be repeated); those of the fit hold for its items.
    """
    run.open(output.out)
    with _status("Loading"):
        from bayesmix.cli.arguments import outcomes_of
        from bayesmix.cli.export import write_three_step
        from bayesmix.cli.inputs import read_related_rows
        from bayesmix.listing import show
        from bayesmix.three_steps import three_step

        found = [read_result(f, posterior) for f in (folder, *then)]
        outcomes = outcomes_of(steps.outcomes)
        settings = steps.settings()
        df = read_related_rows(data, found, missing, [settings["covariates"], settings["outcome_covariates"]], outcomes)
    with _status("Relating"):
        results: Any = [result for result, _ in found]
        result = three_step(results if then else results[0], df, outcomes=outcomes, **settings)
    try:
        if not output.quiet:
            show(result)
    finally:
        with unbroken():
            write_three_step(run, result)
            run.finish(data, None, len(df))
    _say_files(run)


@app.command(name="show")
def show_command(path: Path, /, *, debug: Annotated[Flag, Parameter(group=OUTPUT)] = False) -> None:
    """Print the listing of a saved result once more: a fit, a posterior, three steps, a study.

    Parameters
    ----------
    path
        A folder that a command with --out wrote, or a file in it: fit.nc, posterior.nc, three_step.nc.
    debug
        Show the whole traceback of an error.
    """
    with _status("Loading"):
        from bayesmix.listing import show
        from bayesmix.reports import load

        found = load(path)
        post = path / "posterior.nc"
        beside = load(post) if path.is_dir() and (path / "fit.nc").is_file() and post.is_file() else None
    show(found, beside)  # pyright: ignore[reportArgumentType]


@app.command(name="compare")
def compare_command(
    folder: Path, /, *, published: Path | None = None, brief: Flag = False, pictures: PictureOptions = PictureOptions()
) -> None:
    """Print maximum likelihood beside the posterior of a folder that `fit --sample --out` wrote.

    Parameters
    ----------
    folder
        A folder that `fit --out` wrote.
    published
        A csv file: row label, value and, in a column `se`, standard errors, if any; or an Mplus output (.out) of the
        same model.
    brief
        A narrow table: no intervals; with published values, their rows alone.
    """
    fit_file, posterior_file = folder / "fit.nc", folder / "posterior.nc"
    if not fit_file.is_file() and not posterior_file.is_file():
        raise ValueError(
            f"'{folder}' has neither fit.nc nor posterior.nc: give a folder that `bayesmix fit --out` wrote."
        )
    with _status("Loading"):
        from bayesmix.listing import brief_comparison
        from bayesmix.results import Fit, compare, read_tree

        fit = Fit.load(fit_file) if fit_file.is_file() else None
        wrote = "what `bayesmix fit --sample --out` wrote"
        post = read_tree(posterior_file, "a posterior", wrote) if posterior_file.is_file() else None
        values, said = _read_published(published, fit) if published else (None, "")
        table = compare(fit, post, values)
    print(brief_comparison(table) if brief else repr(table))
    if said:
        print(said)
    add_file(folder, "comparison.csv", table.table.to_csv)
    if pictures.plots:
        from bayesmix.cli.export import without_display

        without_display()
        add_file(folder, "comparison.png", lambda path: table.plot().savefig(path, dpi=150))


def _read_published(path: Path, fit: Fit | None) -> tuple[pd.DataFrame, str]:
    """Read values by row label from a file of two columns, or from an Mplus output; of that say the likelihood too."""
    if path.suffix.lower() == ".out":
        return _read_mplus(path, fit)
    table = read_table(path)
    if table.shape[1] < 2:
        raise ValueError(f"'{path.name}' has one column: give two, the row label and the value.")
    labels, rest = table.iloc[:, 0].astype(str), table.iloc[:, 1:]
    named = {str(c).strip().lower() for c in rest.columns}
    if rest.shape[1] > 1 and not named & {"estimate", "published", "value"}:
        raise ValueError(
            f"'{path.name}' has the columns {', '.join(map(str, table.columns))}: call that of the values 'estimate', "
            "and that of their standard errors 'se'."
        )
    rest = rest.set_axis(["estimate"], axis=1) if rest.shape[1] == 1 else rest
    return rest.set_index(labels), ""


def _read_mplus(path: Path, fit: Fit | None) -> tuple[pd.DataFrame, str]:
    """Read the values of an Mplus output that has those of `fit`."""
    from bayesmix import mplus

    if fit is None:
        raise ValueError(f"'{path.name}' is an Mplus output, which needs fit.nc beside it: there is a posterior alone.")
    out = mplus.read(path)
    values = mplus.published(out, fit)
    said = (
        f"Mplus {out.version}: log-likelihood {out.loglik:.3f} ({out.n_parameters} parameters); here {fit.loglik:.3f} "
    )
    return values, f"{said}({fit.n_parameters})."


@app.command(name="test")
def hypotheses_command(folder: Path, /, *hypotheses: str, restricted: Path | None = None, debug: Flag = False) -> None:
    """Test hypotheses on the fit in a folder that `fit --out` wrote.

    Parameters
    ----------
    folder
        A folder that `fit --out` wrote, or its fit.nc.
    hypotheses
        Equations of entries as the listing labels them: 'class_slope[1, x] = class_slope[2, x]'; several are tested
        together, by a Wald chi-square.
    restricted
        A folder with the fit of a restricted model: the likelihood ratio against it, scaled where errors are robust.
    debug
        Show the whole traceback of an error.
    """
    if not hypotheses and restricted is None:
        raise ValueError("There is nothing to test: give hypotheses, 'class_logit[1] = 0', or --restricted FOLDER.")
    with _status("Loading"):
        from bayesmix.inference import likelihood_ratio, test
        from bayesmix.results import Fit

        larger, smaller = (None if p is None else Fit.load(_fit_file(p)) for p in (folder, restricted))
    assert larger is not None
    if hypotheses:
        print(test(larger, hypotheses))
    if smaller is not None:
        print(likelihood_ratio(smaller, larger))


def _fit_file(path: Path) -> Path:
    """Find the fit that `path` means: a file, or that in a folder."""
    file = path / "fit.nc" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"'{path}' has no fit.nc: give a folder that `bayesmix fit --out` wrote.")
    return file


@app.command(name="mplus")
def mplus_command(
    model: str,
    data: Path,
    /,
    *,
    out: Path,
    classes: Annotated[str | None, Parameter(group=MODEL)] = None,
    options: ModelOptions = ModelOptions(),
    estimates: Path | None = None,
    starts: int = 100,
    overwrite: bool = False,
) -> None:
    """Write a model and its data as an Mplus input, so that the same model runs in Mplus.

    Parameters
    ----------
    model
        The model: lca, ... (a file of bayesmix.models).
    data
        csv, tsv, parquet, dta, sav or xlsx, one row an individual.
    out
        The input, run.inp; the data are written beside it as run.dat.
    classes
        Number of classes; of an lta, one or one for each occasion: 2,3.
    estimates
        A folder that `fit --out` wrote for this model: Mplus then begins at its estimates, without random starts.
    starts
        Random starts that Mplus is asked for.
    overwrite
        Replace files of these names that have another content.
    """
    with _status("Loading"):
        inputs = read_inputs(model, data, options, class_numbers(classes))
        from bayesmix import mplus
        from bayesmix.results import Fit

        fit = None
        if estimates is not None:
            if not (estimates / "fit.nc").is_file():
                raise ValueError(f"'{estimates}' has no fit.nc: give a folder that `bayesmix fit --out` wrote.")
            fit = Fit.load(estimates / "fit.nc")
            if fit.model != inputs.model:
                raise ValueError(f"'{estimates}' has the fit of another model: give that of the model that is written.")
        names = mplus.write(fit or inputs.model, inputs.df, out, starts=starts, overwrite=overwrite)
    print("\n".join(f"{new:8s}  {old}" for old, new in names.items()))
    print(f"\n{out} and {out.with_suffix('.dat').name} are written.")


def _check_handouts(run: Run, output: HandoutOptions) -> None:
    """Refuse a page and tables that cannot be written, before anything is computed."""
    if output.html is not None and output.html.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--html came as '{output.html}': give a name that ends in .html.")
    for path in (p for p in (output.html, output.tables) if p is not None):
        place = run.place(path)
        if not place.parent.is_dir():
            raise ValueError(f"There is no folder '{place.parent}' to write '{path.name}' to: make it first.")
        if path.suffix and place.is_dir():
            raise ValueError(f"'{place}' is a folder, and a file was to be written there: give another name.")
    if output.tables is not None:
        from bayesmix.reports import check_target

        check_target(run.place(output.tables))


def _say_files(run: Run) -> None:
    """Print what the folder holds, and where a page and tables lie that are not in it."""
    if run.out is not None and not run.settings.get("quiet"):
        print(f"\nFiles are in {run.out}: {', '.join(sorted(p.name for p in run.out.iterdir()))}")
    asked = [run.place(p) for p in (run.settings.get("html"), run.settings.get("tables")) if p is not None]
    for path in (p for p in asked if p.parent != run.out):
        print(f"\nWritten: {path}")
