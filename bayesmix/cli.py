"""The command line: fit, enumerate and compare, with files from which a run can be repeated.

Everything heavy is imported inside the functions that need it, so that mistakes in the command are
answered at once. Depends on everything beneath.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import shlex
import sys
import time
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmix.ml import Enumeration
    from bayesmix.result import Fit

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


# data ---------------------------------------------------------------------------------------------


def read_table(path: Path) -> pd.DataFrame:
    """A data file by its ending: csv, tsv, txt, parquet, dta, sav, xlsx.

    The index is the row number of the data, from 1: the line of the file less its head.

    Raises
    ------
    ValueError
        No such file, an unknown ending, or a file that cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"No file '{path}': check the path ({Path.cwd()} is the folder you are in).")
    endings = [s.lower() for s in path.suffixes if s.lower() not in (".gz", ".zip", ".bz2", ".xz", ".zst")]
    import pandas as pd

    readers: dict[str, Callable] = {
        ".csv": _read_text, ".tsv": _read_text, ".tab": _read_text, ".txt": _read_text, ".dat": _read_text,
        ".parquet": pd.read_parquet, ".dta": pd.read_stata, ".sav": pd.read_spss, ".xlsx": pd.read_excel,
    }  # fmt: skip
    ending = endings[-1] if endings else ""
    if ending not in readers:
        raise ValueError(f"'{path.name}' ends in '{ending or 'nothing'}', expected one of {', '.join(readers)}.")
    try:
        df = readers[ending](path)
    except ImportError as error:
        raise ValueError(f"'{path.name}' needs another package to be read: {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"'{path.name}' is not text in UTF-8: save it as UTF-8 and try again.") from None
    except Exception as error:
        raise ValueError(f"'{path.name}' cannot be read: {error}") from None
    df.columns = [str(c) for c in df.columns]
    df.index = pd.RangeIndex(1, len(df) + 1, name="row")
    return df


def _read_text(path: Path) -> pd.DataFrame:
    import pandas as pd

    start = pd.read_csv(path, header=None, nrows=1, sep="\x00", engine="python", quoting=3).iloc[0, 0]
    separator = next((s for s in (",", "\t", ";") if s in str(start)), ",")
    return pd.read_csv(path, sep=separator)


def columns(wanted: str, known: Sequence[str], leave_out: Sequence[str] = ()) -> list[str]:
    """Columns of ``A,B,C``, of ranges ``A-G`` in the order of the file, or ``all``.

    Raises
    ------
    ValueError
        A name that the file does not have.
    """
    if wanted.strip() == "all" and "all" not in known:
        return [c for c in known if c not in leave_out]
    out: dict[str, None] = {}
    for word in (w.strip() for w in wanted.split(",")):
        if word:
            out |= dict.fromkeys(_range(word, known))
    if not out:
        raise ValueError(f"No columns in '{wanted}': give names such as A,B,C, a range A-G, or all.")
    return list(out)


def _range(word: str, known: Sequence[str]) -> list[str]:
    if word in known:
        return [word]
    for k in (i for i, letter in enumerate(word) if letter == "-"):
        first, last = word[:k].strip(), word[k + 1 :].strip()
        if first in known and last in known:
            a, b = known.index(first), known.index(last)
            if a > b:
                raise ValueError(f"The range '{word}' runs backwards: '{last}' stands before '{first}' in the file.")
            return list(known[a : b + 1])
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Columns are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}."  # noqa: PLR2004
    raise ValueError(f"The data have no column '{word}'. {hint}")


def blank(df: pd.DataFrame, codes: Sequence[str], used: Sequence[str]) -> pd.DataFrame:
    """The data with the missing-value codes of the columns in use set to missing."""
    out = df.copy()
    for code in codes:
        hits = 0
        for c in used:
            hit = _equal(out[c], code)
            hits += int(hit.sum())
            out[c] = out[c].mask(hit)
        if not hits:
            warnings.warn(f"The missing-value code {code} does not occur in the columns in use.", stacklevel=2)
    return out


def _equal(column: pd.Series, code: str) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_numeric(column, errors="coerce") == float(code)
    except ValueError:
        return column.astype(str) == code


# models -------------------------------------------------------------------------------------------


def templates() -> list[str]:
    """Names of the model templates: the files of `bayesmix.models`."""
    import importlib
    import pkgutil

    found = pkgutil.iter_modules(importlib.import_module("bayesmix.models").__path__)
    return sorted(m.name for m in found if not m.name.startswith("_"))


def template(name: str) -> Callable:
    """The function of a template: it has its file's name.

    Raises
    ------
    ValueError
        No such template.
    """
    import importlib

    if name not in (known := templates()):
        raise ValueError(f"No model '{name}': there are {', '.join(known)}.")
    return getattr(importlib.import_module(f"bayesmix.models.{name}"), name)


def family_of(wanted: Sequence[str], items: Sequence[str], known: Sequence[str]) -> Any:
    """A family, or item to family, of ``ordinal``, ``bernoulli:probit``, ``A-C=normal``.

    Raises
    ------
    ValueError
        Another word.
    """
    from bayesmix.families import FAMILIES

    def one(word: str) -> Any:
        name, _, link = word.strip().partition(":")
        if name not in FAMILIES:
            raise ValueError(f"The family came as '{word}': give one of {', '.join(FAMILIES)}, or item=family.")
        return FAMILIES[name](link) if link else FAMILIES[name]()

    words = [w for text in wanted for w in text.split(",") if w.strip()]
    bare = [w for w in words if "=" not in w]
    if len(bare) > 1:
        raise ValueError(f"The families {', '.join(bare)} came for all items: give one, and item=family for others.")
    chosen = dict.fromkeys(items, one(bare[0])) if bare else {}
    if bare and len(words) == 1:
        return one(bare[0])
    for w in (w for w in words if "=" in w):
        left, _, right = w.rpartition("=")
        chosen |= dict.fromkeys(columns(left, known), one(right))
    return chosen or None


def declare(name: str, given: Mapping[str, Any], extra: Sequence[str], known: Sequence[str]) -> Any:
    """The model of a template from the options that came and ``key=value`` settings.

    Raises
    ------
    ValueError
        An option that the template does not take, or one that it needs and did not get.
    """
    function = template(name)
    takes = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    arguments = {k: v for k, v in given.items() if v is not None}
    for word in extra:
        key, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"--set came with '{word}': give key=value, e.g. --set variance=class.")
        arguments[key.strip()] = value if key.strip() not in takes else _typed(key.strip(), value, hints, known)
    if unknown := [k for k in arguments if k not in takes]:
        raise ValueError(f"The model '{name}' takes no '{unknown[0]}': it takes {', '.join(takes)}.")
    needed = [k for k, p in takes.items() if p.default is p.empty and k not in arguments]
    if needed:
        option = f"--{needed[0]}" if needed[0] in OPTIONS else f"--set {needed[0]}=..."
        raise ValueError(f"The model '{name}' needs {', '.join(needed)}: give {option}.")
    return function(**arguments)


OPTIONS = ("items", "classes", "covariates", "family", "freq", "cluster")


def _typed(key: str, text: str, hints: Mapping[str, Any], known: Sequence[str]) -> Any:
    """The value of a setting by the template's annotation; sequences hold columns, ``;`` parts groups."""
    hint = str(hints.get(key, "str"))
    text = text.strip()
    if "Sequence" in hint:
        return [columns(g, known) for g in text.split(";")] if hint.count("Sequence") > 1 else columns(text, known)
    if text.lower() in ("true", "false") and "bool" in hint:
        return text.lower() == "true"
    for kind, convert in (("int", int), ("float", float)):
        if kind in hint:
            try:
                return convert(text)
            except ValueError:
                if "str" not in hint:
                    raise ValueError(f"--set {key} came as '{text}', expected a number.") from None
    if "str" not in hint and "Any" not in hint:
        raise ValueError(f"'{key}' cannot be set from the command line: use Python for it.")
    return text


def nodes_of(text: str | None) -> Any:
    """An integration method of ``trapezoid:15``, ``gauss_hermite:21``, ``monte_carlo:2000``.

    Raises
    ------
    ValueError
        Another word.
    """
    if text is None:
        return None
    from bayesmix import quadrature

    known = ("trapezoid", "gauss_hermite", "monte_carlo", "adaptive", "exact")
    there = {n: getattr(quadrature, n) for n in known if hasattr(quadrature, n)}
    name, *numbers = text.split(":")
    try:
        return there[name](*(int(n) if k == 0 else float(n) for k, n in enumerate(numbers)))
    except (KeyError, TypeError, ValueError) as error:
        detail = f" ({error})" if isinstance(error, ValueError) else ""
        raise ValueError(f"The nodes came as '{text}'{detail}: give e.g. {':15, '.join(there)}.") from None


def numbers_of(text: str) -> list[int]:
    """Whole numbers of ``1-5`` or ``1,2,4``.

    Raises
    ------
    ValueError
        Anything else.
    """
    out: list[int] = []
    try:
        for word in text.replace("..", "-").split(","):
            first, _, last = word.partition("-")
            out += range(int(first), int(last or first) + 1)
    except ValueError:
        out = []
    if not out or min(out) < 1:
        raise ValueError(f"The numbers of classes came as '{text}': give e.g. 1-5 or 2,3,4.")
    return list(dict.fromkeys(out))


# options ------------------------------------------------------------------------------------------

Template = Annotated[str, typer.Argument(help="The model: lca, ... (a file of bayesmix.models).")]
DataFile = Annotated[Path, typer.Argument(metavar="DATA", help="csv, tsv, parquet, dta, sav or xlsx, one row an individual.")]
Items = Annotated[str | None, typer.Option(help="Columns: A,B,C, ranges A-G in the order of the file, or all.")]
Covariates = Annotated[str | None, typer.Option(help="Formula of the class logits: 'age + sex'.")]
FamilyOption = Annotated[list[str] | None, typer.Option(help="nominal, bernoulli, ordinal, normal, poisson, or A-C=normal.")]
Freq = Annotated[str | None, typer.Option(help="Column of frequency weights.")]
Cluster = Annotated[str | None, typer.Option(help="Column of cluster labels, for models that take it.")]
Missing = Annotated[list[str] | None, typer.Option(help="A missing-value code, e.g. 9999 (may be repeated).")]
Id = Annotated[str | None, typer.Option("--id", help="Column to carry into class_probabilities.csv.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any other argument of the model: key=value.")]
Starts = Annotated[int, typer.Option(help="Random starts a round.")]
Finals = Annotated[int, typer.Option(help="Starts of a round that go on to convergence.")]
Rounds = Annotated[int, typer.Option(help="Rounds at most, while the best value is reached only once.")]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
NodesOption = Annotated[str | None, typer.Option("--nodes", help="Integration: trapezoid:15, gauss_hermite:21, ...")]
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

    def __post_init__(self) -> None:
        if self.out is None:
            return
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"--out names '{self.out}', which is a file: give a folder.")
        self.out.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, save: Callable[[Path], Any]) -> None:
        """Put one file into the folder, if there is one."""
        if self.out is not None:
            save(self.out / name)

    def finish(self, data: Path, fit: Fit, **more: Any) -> None:
        """`run.json`: the command, its settings, versions, and the data's checksum."""
        versions = {"bayesmix": _version("bayesmix"), **fit.info.get("versions", {})}
        for name in ("pymc", "arviz", "nutpie", "matplotlib") if more.get("sampled") or self.settings.get("plots") else ():
            versions[name] = _version(name)
        held = {
            "command": shlex.join(["bayesmix", *self.words]),
            "folder": str(Path.cwd()),
            "data": {"file": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest(), "rows": len(self.df)},
            "settings": self.settings,
            "versions": versions,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.began, 2),
            **more,
        }
        self.write("run.json", lambda p: p.write_text(json.dumps(held, indent=2, default=str) + "\n", encoding="utf-8"))


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _prepare(run: _Run, name: str, data: Path, given: dict[str, Any], missing, extra) -> None:
    """Read the data and declare the model."""
    if not data.is_file():
        raise ValueError(f"No file '{data}': check the path ({Path.cwd()} is the folder you are in).")
    df = read_table(data)
    known = list(df.columns)
    aside = [c for c in (given.get("freq"), given.get("cluster"), given.pop("id", None)) if c]
    for c in aside:
        columns(c, known)
    formula: list[str] = []
    if given.get("covariates") is not None:
        from bayesmix.data import parse_formula

        formula = parse_formula(given["covariates"])
    if given.get("items") is not None:
        given["items"] = columns(given["items"], known, [*aside, *formula])
    given["family"] = family_of(given["family"], given.get("items") or [], known) if given.get("family") else None
    run.model = declare(name, given, extra or [], known)
    codes = [c.strip() for text in missing or [] for c in text.split(",")]
    used = [c for c in (*run.model.items, *formula) if c in known]
    run.df = blank(df, codes, list(dict.fromkeys(used))) if codes else df


# commands -----------------------------------------------------------------------------------------


@app.command("fit")
@guarded
def fit_command(
    ctx: typer.Context,
    model: Template,
    data: DataFile,
    items: Items = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
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
    sample: Annotated[bool, typer.Option("--sample", help="Sample the posterior with NUTS as well.")] = False,
    draws: Annotated[int, typer.Option(help="Draws of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(help="Tuning steps of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(help="Chains.")] = 4,
    out: Out = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Fit a model by maximum likelihood and print its listing; with --sample, by NUTS too."""
    run = _Run(ctx.meta["bayesmix.words"], out, _settings(ctx))
    _check_plots(plots, out)
    with status("Loading"):
        given = dict(items=items, classes=classes, covariates=covariates, family=family, freq=freq, cluster=cluster)
        _prepare(run, model, data, given | {"id": id_column}, missing, extra)
        from bayesmix import ml
    with status("Fitting"):
        found = ml.fit(
            run.model, run.df, starts=starts, finals=finals, rounds=rounds, seed=seed, nodes=nodes_of(nodes),
            standard_errors=errors, mode=mode,
        )  # fmt: skip
    _write_fit(run, found, id_column, plots)
    run.finish(data, found)
    _show(found)
    _saved(run)
    if found.quality["interrupted"]:
        raise KeyboardInterrupt
    if sample:
        _sample(run, data, found, {"draws": draws, "tune": tune, "chains": chains, "seed": seed}, nodes, plots)


@app.command("enumerate")
@guarded
def enumerate_command(
    ctx: typer.Context,
    model: Template,
    data: DataFile,
    classes: Annotated[str, typer.Option(help="Numbers of classes: 1-5 or 2,3,4.")],
    items: Items = None,
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
    out: Out = None,
    plots: Plots = False,
    debug: Debug = False,
) -> None:
    """Fit a model with several numbers of classes and lay the fits side by side."""
    run = _Run(ctx.meta["bayesmix.words"], out, _settings(ctx))
    _check_plots(plots, out)
    wanted = numbers_of(classes)
    with status("Loading"):
        given = dict(items=items, classes=wanted[0], covariates=covariates, family=family, freq=freq, cluster=cluster)
        _prepare(run, model, data, given, missing, extra)
        from bayesmix import ml
        from bayesmix.report import listing, show
    with status("Fitting"):
        found = ml.enumerate_classes(
            run.model, run.df, wanted, starts=starts, finals=finals, rounds=rounds, seed=seed, nodes=nodes_of(nodes),
            standard_errors=errors, mode=mode,
        )  # fmt: skip
    run.write("enumeration.csv", lambda p: found.table.to_csv(p))
    for k, one in found.fits.items():
        run.write(f"fit_{k}.nc", one.save)
    run.write("listing.txt", lambda p: p.write_text(listing(found), encoding="utf-8"))
    if plots:
        _draw_enumeration(run, found)
    run.finish(data, next(iter(found.fits.values())))
    show(found)
    _saved(run)
    if len(found.fits) < len(wanted) or any(f.quality["interrupted"] for f in found.fits.values()):
        raise KeyboardInterrupt


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
        raise ValueError(f"'{folder}' has neither fit.nc nor posterior.nc: give a folder that `bayesmix fit --out` wrote.")
    with status("Loading"):
        from bayesmix.compare import compare
        from bayesmix.result import Fit

        found = Fit.load(files["fit.nc"]) if files["fit.nc"].is_file() else None
        post = _load_posterior(files["posterior.nc"]) if files["posterior.nc"].is_file() else None
        values = _read_published(published) if published else None
        table = compare(found, post, values)
    typer.echo(repr(table))
    table.table.to_csv(folder / "comparison.csv")
    if plots:
        _agg()
        table.plot().savefig(folder / "comparison.png", dpi=150)


def _settings(ctx: typer.Context) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in ctx.params.items() if k != "debug"}


def _check_plots(plots: bool, out: Path | None) -> None:
    if plots and out is None:
        raise ValueError("--plots came without --out: say where the pictures go, e.g. --out results.")


# files --------------------------------------------------------------------------------------------


def _write_fit(run: _Run, found: Fit, id_column: str | None, plots: bool) -> None:
    if run.out is None:
        return
    from bayesmix.compare import compare
    from bayesmix.report import listing

    run.write("fit.nc", found.save)
    run.write("parameters.csv", lambda p: found.summary().rename_axis("parameter").to_csv(p))
    run.write("probabilities.csv", lambda p: compare(found).probabilities.dropna(axis=1, how="all").to_csv(p))
    run.write("starts.csv", lambda p: found.starts.to_csv(p, index=False))
    run.write("listing.txt", lambda p: p.write_text(listing(found), encoding="utf-8"))
    _write_classes(run, found, id_column)
    if plots:
        _draw_fit(run, found)


def _write_classes(run: _Run, found: Fit, id_column: str | None) -> None:
    """Class probabilities of every row of the file, and of every cluster where they have classes."""
    names = [str(v).removesuffix("_posterior") for v in found.classes.data_vars]
    of_rows = [n for n in names if "row" in found.classes[f"{n}_posterior"].dims]
    for name in names:
        table = found.class_probabilities(name).rename_axis("row" if name in of_rows else run.model.cluster)
        if name in of_rows and id_column:
            table.insert(0, id_column, run.df[id_column].to_numpy())
        first = name == (of_rows or names)[0]
        run.write("class_probabilities.csv" if first else f"class_probabilities_{name}.csv", table.to_csv)


def _agg() -> None:
    import matplotlib

    matplotlib.use("Agg")


def _draw_fit(run: _Run, found: Fit) -> None:
    _agg()
    from bayesmix import plots
    from bayesmix.compare import compare

    draw = {"profile.png": plots.profile, "classes.png": plots.classes}
    for name, make in draw.items():
        try:
            figure = make(found)[0].figure
        except ValueError as nothing:
            warnings.warn(f"No {name}: {nothing}", stacklevel=2)
            continue
        run.write(name, lambda p, figure=figure: figure.savefig(p, dpi=150))
    run.write("estimates.png", lambda p: compare(found).plot().savefig(p, dpi=150))


def _draw_enumeration(run: _Run, found: Enumeration) -> None:
    _agg()
    from bayesmix import plots

    run.write("enumeration.png", lambda p: plots.enumeration(found).figure.savefig(p, dpi=150))


def _show(found: Fit) -> None:
    from bayesmix.report import show

    show(found)


def _saved(run: _Run) -> None:
    if run.out is not None:
        typer.echo(f"\nFiles are in {run.out}: {', '.join(sorted(p.name for p in run.out.iterdir()))}")


def _sample(run: _Run, data: Path, found: Fit, settings: dict[str, int], nodes: str | None, plots: bool) -> None:
    with status("Compiling and sampling"):
        from bayesmix import bayes
        from bayesmix.compare import compare
        from bayesmix.report import listing

        post = bayes.sample(run.model, run.df, fit=found, nodes=nodes_of(nodes), **settings)
    table = compare(found, post)
    run.write("posterior.nc", lambda p: _save_posterior(post, p))
    run.write("comparison.csv", lambda p: table.table.to_csv(p))
    run.write("listing.txt", lambda p: p.write_text(listing(found, post), encoding="utf-8"))
    if plots:
        run.write("comparison.png", lambda p: table.plot().savefig(p, dpi=150))
    run.finish(data, found, sampled=dict(table.diagnostics))
    typer.echo(f"\n{table!r}")
    if post["posterior"].sizes["draw"] < settings["draws"]:
        raise KeyboardInterrupt


def _save_posterior(post: xr.DataTree, path: Path) -> None:
    post.to_netcdf(path)


def _load_posterior(path: Path) -> xr.DataTree:
    import xarray as xr

    with xr.open_datatree(path) as tree:
        return tree.load()


def _read_published(path: Path) -> dict[str, float]:
    table = read_table(path)
    if table.shape[1] < 2:  # noqa: PLR2004
        raise ValueError(f"'{path.name}' has one column: give two, the row label and the value.")
    return dict(zip(table.iloc[:, 0].astype(str), table.iloc[:, 1].astype(float), strict=True))
