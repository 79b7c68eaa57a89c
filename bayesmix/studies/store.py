"""The folder of a study: what it is, and one file for each replication that is finished.

A file is whole or not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayesmix.files import written

Record = Mapping[str, Any]
"""A replication of a model: plain values, lists and None."""


@dataclass(frozen=True)
class Folder:
    """A folder that holds one study."""

    path: Path

    def describe(self, info: Mapping[str, Any]) -> None:
        """Keep what the study is; in a folder that has one already, make sure that it is the same.

        Raises
        ------
        ValueError
            The folder is of another study, or is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"The folder of the study came as '{self.path}', which is a file: name a folder.")
        if (self.path / "study.json").is_file():
            there = self.description()["is"]
            other = [k for k in dict.fromkeys([*there, *info["is"]]) if there.get(k) != info["is"].get(k)]
            if other:
                raise ValueError(
                    f"'{self.path}' holds another study: it differs in {', '.join(other)}. Give another folder, or "
                    "what the study in it was given."
                )
        (self.path / "replications").mkdir(parents=True, exist_ok=True)
        _write(self.path / "study.json", {**info, "bayesmix study": 1})

    def description(self) -> dict[str, Any]:
        """What :meth:`describe` kept.

        Raises
        ------
        ValueError
            There is no study in the folder.
        """
        try:
            held = json.loads((self.path / "study.json").read_text(encoding="utf-8"))
            if "bayesmix study" in held:
                return held
        except (OSError, ValueError):
            pass
        raise ValueError(f"'{self.path}' holds no study: give the folder= that bm.study was given.")

    def keep(self, record: Record) -> None:
        """Write one replication, at once and whole."""
        _write(self.path / "replications" / f"{record['replication']:06d}-{record['position']}.json", record)

    def records(self) -> Iterator[Record]:
        """Every replication that is whole; one that cannot be read counts as not there."""
        for path in sorted((self.path / "replications").glob("[0-9]*.json")):
            try:
                yield json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue


def _write(path: Path, what: Mapping[str, Any]) -> None:
    """The whole file or nothing, whatever happens."""
    with written(path) as aside:
        aside.write_text(json.dumps(what, indent=1), encoding="utf-8")
