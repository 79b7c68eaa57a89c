"""Programs that are kept on disk, so that a new process need not make their graphs again.

A program follows from the structure of a model, the code of this package and PyTensor: all three are in the name of its
file. Models with families that a user has written are not kept: nobody knows when such a family changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytensor

from bayesmix.graph.engines import COMPILEDIR
from bayesmix.spec import Model

ROOMS = ("graph", "spec", "data")
"""The rooms whose code programs are made by."""


def kept[T](key: tuple, make: Callable[[], T]) -> T:
    """What `make` makes for a key; from its file, where there is one. A file that cannot be read is made anew."""
    path = _folder() / hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    with contextlib.suppress(Exception):  # of a file that is cut short or foreign pickle raises all kinds
        written, value = pickle.loads(path.read_bytes())
        if written == repr(key):
            return value
    value = make()
    with contextlib.suppress(OSError):  # nowhere to write: made anew next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(pickle.dumps((repr(key), value)))
        os.replace(file.name, path)
    return value


def own_families(model: Model) -> bool:
    """Whether all families of a model are those of this package, and its key says all of it."""
    return all(type(r.family).__module__.startswith("bayesmix.") for r in model.responses)


@cache
def _folder() -> Path:
    """The folder of this version of the code: its files by their sizes and times, and PyTensor's version."""
    root = Path(__file__).parents[1]
    files = sorted(f for room in ROOMS for f in (root / room).rglob("*.py"))
    said = [(str(f.relative_to(root)), (s := f.stat()).st_size, s.st_mtime_ns) for f in files]
    version = hashlib.sha256(repr((said, pytensor.__version__)).encode()).hexdigest()[:16]
    return COMPILEDIR / "bayesmix" / version
