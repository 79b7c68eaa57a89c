"""Files that are whole or not there: written beside their place, brought to the disk, and then named."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """Where to write what is to stand at `path`: a hidden file beside it, which takes its place at the end.

    Killed, or on a full disk, what stood at `path` before is whole; after an error nothing is left beside it.

    Raises
    ------
    OSError
        There is no such folder, it cannot be written to, or `path` is a folder.
    """
    path = Path(os.path.realpath(as_path(path)))  # a link stays one
    if path.is_dir():
        raise IsADirectoryError(f"'{path}' is a folder, and a file was to be written there: give another name.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder '{path.parent}' to write '{path.name}' to: make it first.")
    # the ending is kept: it tells writers which format is wanted
    aside = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def as_path(path: object) -> Path:
    """A path of text or a path.

    Raises
    ------
    TypeError
        Anything else.
    """
    if isinstance(path, (str, os.PathLike)):
        return Path(path)
    raise TypeError(f"A path came as {path!r}, expected text or a pathlib.Path: give one of these.")


def check_folder(folder: Path) -> None:
    """Make the folder, and see that files can be written to it.

    Raises
    ------
    ValueError
        Nothing can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(2**16))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise ValueError(f"Nothing can be written to the folder '{folder}' ({error}): give another one.") from None
