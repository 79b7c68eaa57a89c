"""The command line: fit, enumerate, study and compare, with files from which a run can be repeated.

Everything heavy is imported inside the functions that need it, so that mistakes in the command are
answered at once.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import shlex
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from bayesmix.cli.arguments import blank, class_numbers, columns, declare, family_of, nodes_of, numbers_of, read_table
from bayesmix.files import check_folder, written

if TYPE_CHECKING:
    import xarray as xr

    from bayesmix.ml.enumeration import Enumeration
    from bayesmix.results.fit import Fit
    from bayesmix.studies.summary import Study

BAD, STOPPED = 2, 130
"""Exit codes: a mistake in the command or the data; Ctrl-C."""


class _Group(TyperGroup):
    """Keeps the words of the command for the file that says how to repeat it."""

    def parse_args(self, ctx, args):
        ctx.meta["bayesmix.words"] = list(args)
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help="Multilevel mixture models by maximum likelihood and by NUTS, from one declared model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line."""
    app(prog_name="bayesmix")


# what a person sees besides the result ------------------------------------------------------------


@contextmanager
def status(what: str) -> Iterator[None]:
    """A short line on stderr while something takes its time; on a terminal it goes away again."""
    terminal = sys.stderr.isatty()
    sys.stderr.write(f"{what} ..." if terminal else f"{what} ...\n")
    sys.stderr.flush()
    try:
        yield
    finally:
        if terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _complain(kind: str, what: object) -> None:
    typer.echo(f"{kind}: {' '.join(str(what).split())}", err=True)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings of the engine as one line each, without the place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _complain("Warning", message)
        yield


@contextmanager
def unbroken() -> Iterator[None]:
    """Puts Ctrl-C off until the files of what is finished are whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def guarded(command: Callable) -> Callable:
    """Mistakes become one line on stderr and exit code 2; Ctrl-C becomes 130."""

    @functools.wraps(command)
    def run(*args, **kwargs):
        if kwargs.get("debug"):
            return command(*args, **kwargs)
        try:
            with _plain_warnings():
                return command(*args, **kwargs)
        except KeyboardInterrupt:
            _complain("Stopped", "by Ctrl-C; files of what was finished are kept.")
            raise typer.Exit(STOPPED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            expected = isinstance(error, (ValueError, TypeError, OSError, RuntimeError))
            _complain("Error", error if expected else f"{type(error).__name__}: {error} (--debug shows where)")
            raise typer.Exit(BAD) from None

    return run


# options ------------------------------------------------------------------------------------------

Template = Annotated[str, typer.Argument(help="The model: lca, ... (a file of bayesmix.models).")]
DataFile = Annotated[
    Path, typer.Argument(metavar="DATA", help="csv, tsv, parquet, dta, sav or xlsx, one row an individual.")
]
Items = Annotated[str | None, typer.Option(help="Columns: A,B,C, ranges A-G in the order of the file, or all.")]
Waves = Annotated[
    list[str] | None, typer.Option(help="Columns of one occasion, as --items; repeated for each occasion of an lta.")
]
Formula = Annotated[str | None, typer.Option(help="Of a regression: 'math ~ female + ses'.")]
Covariates = Annotated[str | None, typer.Option(help="Formula of the class logits: 'age + sex'.")]
FamilyOption = Annotated[
    list[str] | None, typer.Option(help="nominal, bernoulli, ordinal, normal, poisson, or A-C=normal.")
]
Freq = Annotated[str | None, typer.Option(help="Column of frequency weights.")]
Cluster = Annotated[str | None, typer.Option(help="Column of cluster labels, for models that take it.")]
Missing = Annotated[list[str] | None, typer.Option(help="A missing-value code, e.g. 9999 (may be repeated).")]
Id = Annotated[str | None, typer.Option("--id", help="Column to carry into class_probabilities.csv.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any other argument of the model: key=value.")]
Starts = Annotated[int, typer.Option(help="Random starts a round.")]
Finals = Annotated[int, typer.Option(help="Starts of a round that go on to convergence.")]
Rounds = Annotated[
    int, typer.Option(help="Rounds to run, whatever their time, while one start alone reached the best; 1: one.")
]
Budget = Annotated[
    float, typer.Option(help="Seconds a search may go on beyond that for what it has not seen; 0: none, inf: all.")
]
SmallestSd = Annotated[
    float,
    typer.Option(help="Floor of a residual SD by class, as a share of the item's SD; below it a start collapsed."),
]
NoSimpler = Annotated[bool, typer.Option("--no-simpler", help="No starts from solutions of simpler models.")]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
NodesOption = Annotated[
    str | None, typer.Option("--nodes", help="adaptive:7, trapezoid:15, gauss_hermite:21, monte_carlo:2000, exact.")
]
Errors = Annotated[str, typer.Option("--se", help="Standard errors: robust or hessian.")]
Mode = Annotated[str | None, typer.Option(help="A PyTensor mode: NUMPY, NUMBA, C, JAX.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files; existing ones of the same name are replaced.")]
Plots = Annotated[bool, typer.Option("--plots", help="Pictures as well, into the folder of --out.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")]


@dataclass
class _Run:
    """One command: its model and data, where its files go, and what it takes to repeat it."""

    words: Sequence[str]
    out: Path | None
    settings: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)
    df: Any = None
    model: Any = None
    declare: Callable[[int | None], Any] = lambda classes: None

    files: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    """What an earlier run of this command wrote into the folder: what this run does not write again goes."""

    def __post_init__(self) -> None:
        if self.out is not None:
            if self.out.exists() and not self.out.is_dir():
                raise ValueError(f"--out names '{self.out}', which is a file: give a folder.")
            check_folder(self.out)
            _check_targets(self.out)
            self.earlier = _files_of_earlier_run(self.out, self.words[0])

    def write(self, name: str, save: Callable[[Path], Any]) -> None:
        """Put one file into the folder, if there is one: whole, or not at all."""
        if self.out is None:
            return
        if name not in self.files:
            self.files.append(name)
            self._note({"command": self.command, "unfinished": True})
        with written(self.out / name) as aside:
            save(aside)

    @property
    def command(self) -> str:
        """What was typed."""
        return shlex.join(["bayesmix", *self.words])

    def _note(self, held: dict[str, Any]) -> None:
        """`run.json`, with the names of all files of this run, and of an earlier one while they are there."""
        assert self.out is not None
        names = sorted({*self.files, *self.earlier})
        with written(self.out / RUN) as aside:
            text = json.dumps({**held, "files": names}, indent=2, default=str)
            aside.write_text(text + "\n", encoding="utf-8")

    def finish(self, data: Path, fit: Fit | None, **more: Any) -> None:
        """`run.json`: the command, its settings, versions, and the checksum of the data (or of the study's file)."""
        versions = {"bayesmix": _version("bayesmix"), **(fit.info.get("versions", {}) if fit else {})}
        used = ["pymc", "arviz", "nutpie"] if more.get("sampled") else []
        used += ["matplotlib"] if self.settings.get("plots") else []
        used += [] if fit else ["pytensor", "numpy", "scipy", "pandas", "xarray"]
        versions |= {name: _version(name) for name in used}
        rows = {} if self.df is None else {"rows": len(self.df)}
        held = {
            "command": self.command,
            "folder": str(Path.cwd()),
            "data": {"file": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest(), **rows},
            "settings": self.settings,
            "versions": versions,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.began, 2),
            **more,
        }
        if self.out is None:
            return
        for name in {*self.earlier} - {*self.files}:
            (self.out / name).unlink(missing_ok=True)
        self.earlier = []
        self._note(held)


RUN = "run.json"
ENDINGS = (".nc", ".csv", ".txt", ".json", ".png", ".svg", ".dot")
"""Of the files that commands write."""


def _check_targets(out: Path) -> None:
    if folders := sorted(p.name for p in out.iterdir() if p.is_dir() and p.suffix in ENDINGS):
        raise ValueError(
            f"'{out}' has a folder named '{folders[0]}', where a file may have to be written: give another --out, or "
            "rename it."
        )


def _files_of_earlier_run(out: Path, command: str) -> list[str]:
    """What the last run of the same command wrote into the folder.

    Raises
    ------
    ValueError
        The folder holds what another command wrote, or what cannot be told from it.
    """
    if command != "study" and (out / "study.json").exists():
        raise ValueError(f"'{out}' holds a study: give another --out.")
    if not (out / RUN).exists():
        return []
    held = read_run(out)
    before = str(held.get("command", "")).split()[1:2]
    if before != [command]:
        raise ValueError(
            f"'{out}' holds the files of `bayesmix {' '.join(before)}`: give another --out, or empty the folder."
        )
    if "files" not in held:
        raise ValueError(
            f"'{out}' holds a run of an earlier version, which kept no list of its files: give another --out, or "
            "empty the folder."
        )
    return [name for name in map(str, held["files"]) if Path(name).name == name and name != RUN]


def read_run(folder: Path) -> dict[str, Any]:
    """What `run.json` says.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    try:
        held = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if isinstance(held, dict):
            return held
    except (OSError, ValueError):
        pass
    raise ValueError(
        f"'{folder / RUN}' cannot be read as what a run of bayesmix keeps there: give another folder, or empty this "
        "one."
    )


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _prepare(run: _Run, name: str, data: Path, given: dict[str, Any], missing, extra) -> None:
    """Read the data and declare the model."""
    df = read_table(data)
    known = list(df.columns)
    aside = [c for c in (given.get("freq"), given.get("cluster"), given.pop("id", None)) if c]
    for c in aside:
        columns(c, known)
    from bayesmix.spec.formulas import parse_formula

    formula = parse_formula(given["covariates"]) if given.get("covariates") is not None else []
    if given.get("items") is not None:
        given["items"] = columns(given["items"], known, [*aside, *formula])
    given["waves"] = [columns(w, known) for w in given.get("waves") or []] or None
    given["family"] = family_of(given["family"], given.get("items") or [], known) if given.get("family") else None
    run.declare = lambda k: declare(name, given | {"classes": k}, extra or [], known)
    run.model = run.declare(given["classes"])
    codes = [c.strip() for text in missing or [] for c in text.split(",")]
    formulas = [column for c in run.model.covariates for column in parse_formula(c.formula)]
    used = [c for c in (*run.model.items, *formulas) if c in known]
    run.df = blank(df, codes, list(dict.fromkeys(used))) if codes else df


# commands -----------------------------------------------------------------------------------------


@app.command("fit")
@guarded
def fit_command(  # noqa: PLR0917 - options, by name only
    ctx: typer.Context,
    model: Template,
    data: DataFile,
    items: Items = None,
    waves: Waves = None,
    classes: Annotated[
        str | None, typer.Option(help="Number of classes; of an lta, one or one for each occasion: 2,3.")
    ] = None,
    formula: Formula = None,
    covariates: Covariates = None,
    family: FamilyOption = None,
    freq: Freq = None,
    cluster: Cluster = None,
    missing: Missing = None,
    id_column: Id = None,
    extra: Set = None,
    starts: Starts = 20,
    finals: Finals = 5,
    rounds: Rounds = 4,
    seed: Seed = 0,
    nodes: NodesOption = None,
    errors: Errors = "robust",
    mode: Mode = None,
    budget: Budget = 10.0,
    smallest_sd: SmallestSd = 0.01,
    no_simpler: NoSimpler = False,
    sample: Annotated[bool, typer.Option("--sample", help="Sample the posterior with NUTS as well.")] = False,
    draws: Annotated[int, typer.Option(help="Draws of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(help="Tuning steps of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(help="Chains.")] = 4,
    sample_effects: Annotated[
        bool, typer.Option("--sample-effects", help="Sample random effects with the parameters, not integrate them.")
    ] = False,
    out: Out = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Fit a model by maximum likelihood and print its listing; with --sample, by NUTS too."""
    run = _Run(ctx.meta["bayesmix.words"], out, _settings(ctx))
    _check_plots(plots, out)
    with status("Loading"):
        method = nodes_of(nodes)
        given = dict(items=items, waves=waves, classes=class_numbers(classes), covariates=covariates, family=family)
        given |= dict(formula=formula, freq=freq, cluster=cluster, id=id_column)
        _prepare(run, model, data, given, missing, extra)
        from bayesmix.ml import estimation as ml
    with status("Fitting"):
        found = ml.fit(
            run.model, run.df, starts=starts, finals=finals, rounds=rounds, seed=seed, nodes=method,
            standard_errors=cast(Any, errors), mode=mode, simpler=not no_simpler, budget=budget,
            smallest_sd=smallest_sd,
        )  # fmt: skip
    try:
        _show(found)
    finally:  # a reader that went away loses no result
        with unbroken():
            _write_fit(run, found, id_column, plots)
            run.finish(data, found)
    if found.quality["interrupted"]:
        raise KeyboardInterrupt
    if sample:
        settings = {"draws": draws, "tune": tune, "chains": chains, "seed": seed}
        settings |= {"effects": "sample" if sample_effects else "integrate"}
        _sample(run, data, found, settings, method, plots)
    _saved(run)


@app.command("enumerate")
@guarded
def enumerate_command(  # noqa: PLR0917 - options, by name only
    ctx: typer.Context,
    model: Template,
    data: DataFile,
    classes: Annotated[str, typer.Option(help="Numbers of classes: 1-5 or 2,3,4.")],
    items: Items = None,
    waves: Waves = None,
    formula: Formula = None,
    covariates: Covariates = None,
    family: FamilyOption = None,
    freq: Freq = None,
    cluster: Cluster = None,
    missing: Missing = None,
    extra: Set = None,
    starts: Starts = 20,
    finals: Finals = 5,
    rounds: Rounds = 4,
    seed: Seed = 0,
    nodes: NodesOption = None,
    errors: Errors = "robust",
    mode: Mode = None,
    budget: Budget = 10.0,
    smallest_sd: SmallestSd = 0.01,
    no_simpler: NoSimpler = False,
    out: Out = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Fit a model with several numbers of classes and lay the fits side by side."""
    run = _Run(ctx.meta["bayesmix.words"], out, _settings(ctx))
    _check_plots(plots, out)
    wanted = numbers_of(classes)
    with status("Loading"):
        method = nodes_of(nodes)
        given = dict(items=items, waves=waves, classes=wanted[0], covariates=covariates, family=family)
        given |= dict(formula=formula, freq=freq, cluster=cluster)
        _prepare(run, model, data, given, missing, extra)
        from bayesmix.listing.overview import show
        from bayesmix.ml import enumeration
    with status("Fitting"):
        found = enumeration.enumerate_classes(
            run.declare, run.df, wanted, starts=starts, finals=finals, rounds=rounds, seed=seed, nodes=method,
            standard_errors=cast(Any, errors), mode=mode, simpler=not no_simpler, budget=budget,
            smallest_sd=smallest_sd,
        )  # fmt: skip
    try:
        show(found)
    finally:
        with unbroken():
            _write_enumeration(run, found, plots)
            run.finish(data, next(iter(found.fits.values())))
    _saved(run)
    if len(found.fits) < len(wanted) or any(f.quality["interrupted"] for f in found.fits.values()):
        raise KeyboardInterrupt


@app.command("study")
@guarded
def study_command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study: population, models, settings.")],
    replications: Annotated[int | None, typer.Option(help="Data sets; more of them go on from those there.")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random follows from it.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; 1: none besides this one.")] = None,
    out: Out = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Run the Monte Carlo study of a file; with a folder, go on where it was stopped."""
    with status("Loading"):
        from bayesmix.cli.study_file import read_study

        asked = read_study(file)
        run = _Run(ctx.meta["bayesmix.words"], out or asked.out, _settings(ctx))
        _check_plots(plots, run.out)
        given: dict[str, Any] = {"replications": replications, "seed": seed}
        given = asked.arguments | {k: v for k, v in given.items() if v is not None}
        executor = _executor(asked.workers if workers is None else workers)
        from bayesmix.studies.run import study
    with status("Running"):
        found = study(**given, folder=run.out, executor=executor)
    from bayesmix.listing.overview import show

    try:
        show(found)
    finally:
        with unbroken():
            _write_study(run, found, plots)
            run.finish(file, None, study=dict(found.info), sampled=found.info["estimator"] == "nuts")
    _saved(run)
    if len(found.records) < found.info["asked"] * len(found.models):
        raise KeyboardInterrupt
    if not len(found.fits):
        raise RuntimeError(f"Every replication failed: {found.failures['reason'].iloc[0]}")


def _executor(workers: int | None) -> Any:
    if workers is None:
        return None
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers came as {workers!r}: give a whole number of at least 1.")
    from bayesmix.parallel import SerialExecutor, processes

    return SerialExecutor() if workers == 1 else processes(workers)


@app.command("compare")
@guarded
def compare_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `fit --out` wrote.")],
    published: Annotated[Path | None, typer.Option(help="A csv file with two columns: row label, value.")] = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Print maximum likelihood beside the posterior of a folder that `fit --sample --out` wrote."""
    files = {k: folder / k for k in ("fit.nc", "posterior.nc")}
    if not any(p.is_file() for p in files.values()):
        raise ValueError(
            f"'{folder}' has neither fit.nc nor posterior.nc: give a folder that `bayesmix fit --out` wrote."
        )
    with status("Loading"):
        from bayesmix.results.comparison import compare
        from bayesmix.results.fit import Fit

        found = Fit.load(files["fit.nc"]) if files["fit.nc"].is_file() else None
        post = _load_posterior(files["posterior.nc"]) if files["posterior.nc"].is_file() else None
        values = _read_published(published) if published else None
        table = compare(found, post, values)
    typer.echo(repr(table))
    _add_to_run(folder, "comparison.csv", table.table.to_csv)
    if plots:
        _agg()
        _add_to_run(folder, "comparison.png", lambda p: table.plot().savefig(p, dpi=150))


def _add_to_run(folder: Path, name: str, save: Callable[[Path], Any]) -> None:
    """One more file of the run that a folder holds."""
    with written(folder / name) as aside:
        save(aside)
    if (folder / RUN).exists() and "files" in (held := read_run(folder)) and name not in held["files"]:
        with written(folder / RUN) as aside:
            text = json.dumps({**held, "files": sorted([*held["files"], name])}, indent=2)
            aside.write_text(text + "\n", encoding="utf-8")


def _settings(ctx: typer.Context) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) or v == math.inf else v for k, v in ctx.params.items() if k != "debug"}


def _check_plots(plots: bool, out: Path | None) -> None:
    if plots and out is None:
        raise ValueError("--plots came without --out: say where the pictures go, e.g. --out results.")


# files --------------------------------------------------------------------------------------------


def _write_fit(run: _Run, found: Fit, id_column: str | None, plots: bool) -> None:
    if run.out is None:
        return
    from bayesmix.listing.overview import report
    from bayesmix.results.comparison import compare

    run.write("fit.nc", found.save)
    run.write("parameters.csv", lambda p: found.summary().rename_axis("parameter").to_csv(p))
    run.write("probabilities.csv", lambda p: compare(found).probabilities.dropna(axis=1, how="all").to_csv(p))
    run.write("starts.csv", lambda p: found.starts.to_csv(p, index=False))
    run.write("listing.txt", lambda p: p.write_text(report(found), encoding="utf-8"))
    _write_classes(run, found, id_column)
    _write_effects(run, found, id_column)
    _write_occasions(run, found, id_column)
    if plots:
        _draw_fit(run, found)


def _write_enumeration(run: _Run, found: Enumeration, plots: bool) -> None:
    from bayesmix.listing.overview import report

    run.write("enumeration.csv", found.table.to_csv)
    for k, one in found.fits.items():
        run.write(f"fit_{k}.nc", one.save)
    run.write("listing.txt", lambda p: p.write_text(report(found), encoding="utf-8"))
    if plots and run.out is not None:
        _agg()
        from bayesmix.plots import enumeration

        figure = cast(Any, enumeration(found).figure)
        run.write("enumeration.png", lambda p: figure.savefig(p, dpi=150))


def _write_study(run: _Run, found: Study, plots: bool) -> None:
    run.write("summary.csv", found.summary().to_csv)
    run.write("bic.csv", found.bic().to_csv)
    run.write("replications.csv", lambda p: found.replications.to_csv(p, index=False))
    run.write("fits.csv", found.fits.to_csv)
    run.write("listing.txt", lambda p: p.write_text(str(found), encoding="utf-8"))
    if len(found.failures):
        run.write("failures.csv", lambda p: found.failures.to_csv(p, index=False))
    if plots:
        _draw_study(run, found)


def _draw_study(run: _Run, found: Study) -> None:
    """A picture of each model of which the population's values are known."""
    _agg()
    from bayesmix.plots import study

    for k, name in enumerate(found.models, start=1):
        if found.summary(name)["cover"].isna().all():
            continue
        try:
            figure = study(found, name)[0].figure
        except ValueError as nothing:
            warnings.warn(f"No picture of '{name}': {nothing}", stacklevel=2)
            continue
        title = f"study_{k}.png" if len(found.models) > 1 else "study.png"
        run.write(title, lambda p, figure=figure: figure.savefig(p, dpi=150))


def _write_classes(run: _Run, found: Fit, id_column: str | None) -> None:
    """Class probabilities of every row of the file, and of every cluster where they have classes."""
    names = found.class_variables
    of_rows = [n for n in names if "row" in found.classes[f"{n}_posterior"].dims]
    for name in names:
        table = found.class_probabilities(name).rename_axis("row" if name in of_rows else run.model.cluster)
        if name in of_rows and id_column:
            table.insert(0, id_column, run.df[id_column].to_numpy())
        first = name == (of_rows or names)[0]
        run.write("class_probabilities.csv" if first else f"class_probabilities_{name}.csv", table.to_csv)


def _write_effects(run: _Run, found: Fit, id_column: str | None) -> None:
    """Random effects of clusters; factor scores and grades of membership of the rows."""
    scores = found.effects()
    if names := [e.name for e in found.model.factors if e.name in scores]:
        table = scores[[c for k in names for c in (k, f"{k}_sd")]].to_dataframe().rename_axis("row")
        if id_column:
            table.insert(0, id_column, run.df[id_column].to_numpy())
        run.write("factor_scores.csv", table.to_csv)
    of_clusters = [k for k, x in scores.data_vars.items() if x.dims == ("cluster",)]
    if of_clusters:
        table = scores[of_clusters].to_dataframe().rename_axis(run.model.cluster)
        run.write("cluster_effects.csv", table.to_csv)
    for c in run.model.classes_at("item"):
        if f"{c.name}_membership" in scores:
            table = found.memberships(c.name).rename_axis("row")
            if id_column:
                table.insert(0, id_column, run.df[id_column].to_numpy())
            run.write("memberships.csv", table.to_csv)


def _write_occasions(run: _Run, found: Fit, id_column: str | None) -> None:
    """Transitions, what explains the classes, and the path of each row."""
    from bayesmix.results.estimates import Estimates
    from bayesmix.results.occasions import decomposition, entered, transitions

    if entered(Estimates.of(found)):
        run.write("transitions.csv", transitions(found).to_csv)
    if Estimates.of(found).of_kind("share"):
        run.write("decomposition.csv", decomposition(found).to_csv)
    if "path" in found.classes:
        table = found.paths().rename_axis("row")
        if id_column:
            table.insert(0, id_column, run.df[id_column].to_numpy())
        run.write("paths.csv", table.to_csv)


def _agg() -> None:
    import matplotlib

    matplotlib.use("Agg")


def _draw_fit(run: _Run, found: Fit) -> None:
    _agg()
    from bayesmix import plots
    from bayesmix.plots.regression_diagram import is_simple_regression
    from bayesmix.results.comparison import compare

    draw: dict[str, Callable] = {"classes.png": plots.classes} if found.model.is_mixture else {}
    draw |= _of_regression(run) if is_simple_regression(found.model) else {"profile.png": plots.profile}
    draw |= _of_factors(run, found)
    if any(str(k).endswith("_membership") for k in found.effect_scores):
        freq = None if run.model.freq is None else run.df[run.model.freq]
        draw["memberships.png"] = functools.partial(plots.memberships, freq=freq)
    if "path" in found.classes:
        draw["transitions.png"] = lambda fit: [plots.transitions(fit)]
    if any(c.effects for k in run.model.classes_at("individual") for c in k.predictor):
        draw["class_curves.png"] = lambda fit: plots.class_curves(fit, df=run.df)
    for name, make in draw.items():
        try:
            figure = make(found)[0].figure
        except ValueError as nothing:
            warnings.warn(f"No {name}: {nothing}", stacklevel=2)
            continue
        run.write(name, lambda p, figure=figure: figure.savefig(p, dpi=150))
    _draw_diagram(run, found)
    run.write("estimates.png", lambda p: compare(found).plot().savefig(p, dpi=150))


def _of_factors(run: _Run, found: Fit) -> dict[str, Callable]:
    """Items over their factors, and the factors' scores."""
    from bayesmix import plots

    if not found.model.factors:
        return {}
    draw: dict[str, Callable] = {"scores.png": lambda fit: plots.scores(fit, run.df)}
    if any(r.family.finite and any(t.effects for t in r.predictor) for r in run.model.responses):
        draw["item_curves.png"] = lambda fit: plots.item_curves(fit, run.df)
        draw["information.png"] = lambda fit: plots.information(fit, run.df)
    return draw


def _of_regression(run: _Run) -> dict[str, Callable]:
    """The outcome by class, and random slopes against intercepts."""
    from bayesmix import plots

    draw: dict[str, Callable] = {}
    if run.model.responses[0].family.kind != "categorical":
        draw["outcome.png"] = lambda fit: plots.outcome(fit, run.df)
    if any(t.effects and t.covariates for t in run.model.responses[0].predictor):
        draw["random_effects.png"] = lambda fit: [plots.random_effects(fit, run.df)]
    return draw


def _draw_diagram(run: _Run, result: Any) -> None:
    """The path diagram; without Graphviz, what it reads."""
    from bayesmix.plots.path_diagram import diagram

    drawn = diagram(result)
    try:
        run.write("diagram.svg", drawn.save)
    except ImportError as missing:
        warnings.warn(f"No diagram.svg: {missing}", stacklevel=2)
        run.write("diagram.dot", drawn.save)


def _show(found: Fit) -> None:
    from bayesmix.listing.overview import show

    show(found)


def _saved(run: _Run) -> None:
    if run.out is not None:
        typer.echo(f"\nFiles are in {run.out}: {', '.join(sorted(p.name for p in run.out.iterdir()))}")


def _sample(run: _Run, data: Path, found: Fit, settings: dict[str, Any], method: Any, plots: bool) -> None:
    with status("Compiling and sampling"):
        from bayesmix.bayes import sampling as bayes
        from bayesmix.listing.overview import report
        from bayesmix.results.comparison import compare

        post = bayes.sample(found, run.df, nodes=method, **settings)
        try:
            with unbroken():
                run.write("posterior.nc", post.to_netcdf)  # before anything that may fail is made of it
        finally:
            table = compare(found, post)
            typer.echo(f"\n{table!r}")
    with unbroken():
        run.write("comparison.csv", table.table.to_csv)
        run.write("listing.txt", lambda p: p.write_text(report(found, post), encoding="utf-8"))
        if plots:
            run.write("comparison.png", lambda p: table.plot().savefig(p, dpi=150))
        run.finish(data, found, sampled=dict(table.diagnostics))
    if post["posterior"].sizes["draw"] < settings["draws"]:
        raise KeyboardInterrupt


def _load_posterior(path: Path) -> xr.DataTree:
    from bayesmix.results.fit import read_tree

    return read_tree(path, "a posterior", "what `bayesmix fit --sample --out` wrote")


def _read_published(path: Path) -> dict[str, float]:
    table = read_table(path)
    if table.shape[1] < 2:
        raise ValueError(f"'{path.name}' has one column: give two, the row label and the value.")
    return dict(zip(table.iloc[:, 0].astype(str), table.iloc[:, 1].astype(float), strict=True))
