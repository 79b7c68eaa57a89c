"""Results of three steps on disk: one NetCDF file, numbers as arrays and everything else as JSON that runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from bayesmix.results import FORMAT, settings_of, stored_model
from bayesmix.spec import encode
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import Quantities
from bayesmix.three_steps.result import ThreeStep

PLAIN = (
    "method", "assignment", "variables", "outcome_names", "loglik", "n_parameters", "n_units", "n_left_out",
    "standard_errors", "level", "notes", "doubts", "draws",
)  # fmt: skip
"""Fields that JSON can hold."""


def to_tree(found: ThreeStep) -> xr.DataTree:
    """A result as a tree of arrays with attributes.

    Raises
    ------
    ValueError
        An outcome has a family that is declared where no other program would find it.
    """
    q, m = found.quantities, found.monitor
    held: dict[str, Any] = {k: getattr(found, k) for k in PLAIN}
    held |= {
        "monitor": {"moved": m.moved, "entropy": m.entropy, "entropy_three": m.entropy_three},
        "frames": {
            "keys": _of_frame(q.keys), "errors": _of_frame(found.errors), "classes": _of_frame(m.classes),
            "transitions": None if found.transitions is None else _of_frame(found.transitions),
        },
    }  # fmt: skip
    numbers = xr.Dataset({
        "estimate": ("quantity", q.values), "covariance": (("quantity", "other"), q.covariance),
    })  # fmt: skip
    tree = xr.DataTree.from_dict({"/quantities": numbers})
    tree.attrs["bayesmix"] = json.dumps({"format": FORMAT, "model": encode(found.model), "three_step": held})
    return tree


def from_tree(tree: xr.DataTree, path: object) -> ThreeStep:
    """What :func:`to_tree` made.

    Raises
    ------
    ValueError
        It is no such result, or of another version.
    """
    settings = settings_of(tree)
    if "three_step" not in settings:
        raise ValueError(f"'{path}' is no result of bm.three_step: give a file written by ThreeStep.save.")
    model = stored_model(settings, f"'{path}'", "bm.three_step")
    try:
        held, numbers = settings["three_step"], tree["quantities"].to_dataset()
        frames: dict[str, Any] = {k: None if x is None else _to_frame(x) for k, x in held["frames"].items()}
        plain: dict[str, Any] = {k: tuple(held[k]) if isinstance(held[k], list) else held[k] for k in PLAIN}
        return ThreeStep(
            **plain,
            model=model,
            quantities=Quantities(frames["keys"], numbers["estimate"].values, numbers["covariance"].values),
            errors=frames["errors"],
            monitor=Monitor(frames["classes"], **held["monitor"]),
            transitions=frames["transitions"],
        )
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"'{path}' is not a whole result of bm.three_step: write it again by save.") from None


def _of_frame(df: pd.DataFrame) -> dict[str, Any]:
    """A table as lists; labels keep their types."""
    return {
        "columns": _plain(df.columns), "column name": df.columns.name, "index": _plain(df.index),
        "names": [*df.index.names], "values": [_plain(df.iloc[:, k]) for k in range(df.shape[1])],
    }  # fmt: skip


def _to_frame(held: Mapping[str, Any]) -> pd.DataFrame:
    """What :func:`_of_frame` wrote."""
    names = held["names"]
    index = (
        pd.MultiIndex.from_tuples([tuple(x) for x in held["index"]], names=names)
        if len(names) > 1
        else pd.Index(held["index"], name=names[0])
    )
    columns = pd.Index(held["columns"], name=held["column name"])
    data = dict(enumerate(held["values"]))
    return pd.DataFrame(data, index=index).set_axis(columns, axis=1)


def _plain(values: Any) -> list:
    """Labels and numbers without NumPy's types."""
    return [[*map(_one, v)] if isinstance(v, tuple) else _one(v) for v in values]


def _one(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
