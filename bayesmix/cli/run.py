"""The folder of a run: its files, each whole or not there, and `run.json`, from which the run can be repeated."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmix.files import check_folder, written

if TYPE_CHECKING:
    from bayesmix.results import Fit

RUN = "run.json"
ENDINGS = (".nc", ".csv", ".txt", ".json", ".png", ".svg", ".dot", ".html", ".docx", ".tex", ".md")
"""Of the files that commands write."""


@dataclass
class Run:
    """One command: what was typed and set, and the folder of its files.

    Attributes
    ----------
    words : sequence of str
        What was typed after the name of the program.
    settings : mapping
        Its arguments and options by name.
    out : Path, optional
        The folder; nothing is written without one.
    files, earlier : list of str
        What this run wrote; what an earlier run of the same command wrote: what is not written again goes.
    """

    words: Sequence[str]
    settings: Mapping[str, Any]
    out: Path | None = None
    files: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def open(self, out: Path | None) -> None:
        """Write to `out` from now on.

        Raises
        ------
        ValueError
            It is a file, holds what is not to be replaced, or nothing came for pictures or the listing to be put into.
        """
        if out is None:
            if self.settings.get("plots"):
                raise ValueError("--plots came without --out: say where the pictures go, e.g. --out results.")
            if self.settings.get("quiet"):
                raise ValueError("--quiet came without --out: say where the listing goes, e.g. --out results.")
            return
        if out.exists() and not out.is_dir():
            raise ValueError(f"--out names '{out}', which is a file: give a folder.")
        check_folder(out)
        _check_targets(out)
        self.out, self.earlier = out, _files_of_earlier_run(out, self.words[0])

    def write(self, name: str, save: Callable[[Path], Any]) -> None:
        """Put the file `name`, which `save` writes, into the folder, if there is one: whole, or not at all."""
        if self.out is None:
            return
        if name not in self.files:
            self.files.append(name)
            self._note({"command": self.command, "unfinished": True})
        with written(self.out / name) as aside:
            save(aside)

    def place(self, path: Path) -> Path:
        """Find where a file that was asked for by an option of its own lies: in the folder, if its name has none."""
        return self.out / path if self.out is not None and path.parent == Path() else path

    def write_to(self, path: Path, save: Callable[[Path], Any]) -> None:
        """Put what `save` writes where it was asked for: :meth:`place`."""
        place = self.place(path)
        if self.out is not None and place.parent == self.out and path.suffix:
            self.write(path.name, save)
        else:
            save(place)

    @property
    def command(self) -> str:
        """What was typed."""
        return shlex.join(["bayesmix", *self.words])

    def _note(self, record: Mapping[str, Any]) -> None:
        """Write `record` to `run.json`, with the names of this run's files, and of an earlier one's while they last."""
        assert self.out is not None
        write_record(self.out, {**record, "files": sorted({*self.files, *self.earlier})})

    def finish(self, file: Path, fit: Fit | None, rows: int | None = None, **more: Any) -> None:
        """Write `run.json`, and remove what an earlier run left.

        Parameters
        ----------
        file : Path
            The data, or the file of a study: its checksum is kept.
        fit : Fit, optional
            Versions of the packages that it was made with.
        rows : int, optional
            Of the data.
        more
            Further entries.
        """
        if self.out is None:
            return
        used = ["bayesmix", *(["pymc", "arviz", "nutpie"] if more.get("sampled") else [])]
        used += ["matplotlib"] if self.settings.get("plots") else []
        used += [] if fit else ["pytensor", "numpy", "scipy", "pandas", "xarray"]
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        record = {
            "command": self.command,
            "folder": str(Path.cwd()),
            "data": {"file": str(file), "sha256": checksum} | ({} if rows is None else {"rows": rows}),
            "settings": {k: str(v) if isinstance(v, Path) or v == math.inf else v for k, v in self.settings.items()},
            "versions": (fit.info.get("versions", {}) if fit else {}) | {name: _version(name) for name in used},
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.began, 2),
            **more,
        }
        for name in {*self.earlier} - {*self.files}:
            (self.out / name).unlink(missing_ok=True)
        self.earlier = []
        self._note(record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `record` as the `run.json` of `folder`."""
    with written(folder / RUN) as aside:
        aside.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any]:
    """Read the `run.json` of `folder`.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    try:
        record = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
    except (OSError, ValueError):
        pass
    raise ValueError(
        f"'{folder / RUN}' cannot be read as what a run of bayesmix keeps there: give another folder, or empty this "
        "one."
    )


def add_file(folder: Path, name: str, save: Callable[[Path], Any]) -> None:
    """Put one more file, `name`, which `save` writes, beside those of the run that `folder` holds."""
    with written(folder / name) as aside:
        save(aside)
    if (folder / RUN).exists() and "files" in (record := read_record(folder)) and name not in record["files"]:
        write_record(folder, {**record, "files": sorted([*record["files"], name])})


@contextmanager
def unbroken() -> Iterator[None]:
    """Put Ctrl-C off until the files of what is finished are whole."""
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
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


def _check_targets(out: Path) -> None:
    """Raise if `out` has a folder where a file may have to be written."""
    if folders := sorted(p.name for p in out.iterdir() if p.is_dir() and p.suffix in ENDINGS):
        raise ValueError(
            f"'{out}' has a folder named '{folders[0]}', where a file may have to be written: give another --out, or "
            "rename it."
        )


def _files_of_earlier_run(out: Path, command: str) -> list[str]:
    """List what the last run of the same `command` wrote into `out`.

    Raises
    ------
    ValueError
        The folder holds what another command wrote, or what cannot be told from it.
    """
    if command != "study" and (out / "study.json").exists():
        raise ValueError(f"'{out}' holds a study: give another --out.")
    if not (out / RUN).exists():
        return []
    record = read_record(out)
    before = str(record.get("command", "")).split()[1:2]
    if before != [command]:
        raise ValueError(
            f"'{out}' holds the files of `bayesmix {' '.join(before)}`: give another --out, or empty the folder."
        )
    if "files" not in record:
        raise ValueError(
            f"'{out}' holds a run of an earlier version, which kept no list of its files: give another --out, or "
            "empty the folder."
        )
    return [name for name in map(str, record["files"]) if Path(name).name == name and name != RUN]


def _version(name: str) -> str:
    """Look up the installed version of a package."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"
