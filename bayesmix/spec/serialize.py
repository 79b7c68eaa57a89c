"""A model as text that runs no code when it is read: JSON, each dataclass by the name of its class and its fields.

Numbers keep their last bit and their type; what is equal before is equal after. A family that a user declares is
found by name in the module that declares it, which must have been imported by then: nothing is imported here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, fields, is_dataclass
from types import ModuleType
from typing import Any

import numpy as np

import bayesmix.spec.model as declaration
from bayesmix.spec import families, parameters, sampling_design
from bayesmix.spec.formulas import parse_formula
from bayesmix.spec.model import Model

MODULES: tuple[ModuleType, ...] = (declaration, parameters, families, sampling_design)
"""Where the classes of a declaration are found by their bare names."""


def dumps(model: Model) -> str:
    """Write a model as JSON.

    Parameters
    ----------
    model : Model
        The declaration.

    Raises
    ------
    TypeError
        A field holds what is no number, text, tuple, list, array or dataclass of a model.
    ValueError
        A family is declared where no other program finds it.
    """
    return json.dumps(encode(model))


def loads(text: str) -> Model:
    """Read what :func:`dumps` wrote.

    Parameters
    ----------
    text : str
        The JSON.

    Raises
    ------
    ValueError
        It holds no model, one of another version, or a family that this program does not know.
    """
    out = decode(json.loads(text))
    if not isinstance(out, Model):
        raise ValueError(f"The text holds {type(out).__name__}, expected a model: give what `dumps` wrote.")
    return out


def encode(value: Any) -> Any:
    """Turn `value`, a model or a part of one, into what JSON can hold.

    Raises
    ------
    TypeError, ValueError
        As in :func:`dumps`.
    """
    if isinstance(value, (np.generic, np.ndarray)):  # before floats and texts: NumPy's are subclasses of them
        return {"dtype": _dtype(value), "values": value.tolist()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return [encode(x) for x in value]
    if isinstance(value, list):
        return {"list": [encode(x) for x in value]}
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": _name_of(type(value))} | {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(
        f"A model came with {value!r}, a {type(value).__name__}, which cannot be kept on disk: its fields hold "
        "numbers, text, tuples, NumPy arrays and dataclasses."
    )


def decode(plain: Any) -> Any:
    """Turn what :func:`encode` returned, `plain`, into the value again.

    Raises
    ------
    ValueError
        As in :func:`loads`.
    """
    if isinstance(plain, list):
        return tuple(decode(x) for x in plain)
    if not isinstance(plain, dict):
        return plain
    if "list" in plain:
        return [decode(x) for x in plain["list"]]
    if "dtype" in plain:
        return np.array(plain["values"], dtype=plain["dtype"])[()]
    return _restored(_class_of(plain["class"]), {k: decode(x) for k, x in plain.items() if k != "class"})


def _restored(cls: type, values: dict[str, Any]) -> Any:
    """Make an object of the dataclass `cls` with `values` by field, and let it check itself.

    The constructor is not called: that of a prior takes other arguments than its fields.
    """
    if cls is Model and "time" not in values:
        values = values | {"time": _time_of(values)}
    # a field that came later has its default in what was kept before
    values = {f.name: f.default for f in fields(cls) if f.name not in values and f.default is not MISSING} | values
    if {f.name for f in fields(cls)} != {*values}:
        raise ValueError(
            f"A {cls.__name__} was kept with the fields {', '.join(values)}, but it now has "
            f"{', '.join(f.name for f in fields(cls))}: it was saved by another version; fit the model again."
        )
    out = object.__new__(cls)
    for name, x in values.items():
        object.__setattr__(out, name, x)
    if check := getattr(out, "__post_init__", None):
        check()
    return out


def _time_of(values: dict[str, Any]) -> str | None:
    """Find the time of growth in the long form, of a model that was kept before it had a field of its own."""
    if values["name"] != "growth" or any(not e.residual for e in values["effects"]):
        return None
    own = (t.covariates for t in values["responses"][0].predictor if t.covariates)
    return next((column for c in own if c.level == "individual" for column in parse_formula(c.formula)), None)


def _dtype(value: np.generic | np.ndarray) -> str:
    """Name the type of a NumPy `value`; refuse those that do not come back from JSON to the last bit."""
    if value.dtype.kind == "U" or (value.dtype.kind in "biuf" and value.dtype.itemsize <= 8):
        return value.dtype.str
    raise TypeError(f"A model came with a NumPy value of type {value.dtype}, which JSON cannot hold: use float64.")


def _name_of(cls: type) -> str:
    """Name a class: a bare name for one of :data:`MODULES`, ``module:name`` for a family of a user's."""
    ours = any(vars(m).get(cls.__name__) is cls for m in MODULES)
    name = cls.__name__ if ours else f"{cls.__module__}:{cls.__qualname__}"
    try:
        known = _class_of(name)
    except ValueError:
        known = None
    if known is not cls:
        raise ValueError(
            f"The class '{cls.__qualname__}' cannot be kept on disk, as no other program would find it: declare it "
            "as a frozen dataclass at the top of a module; it must be a subclass of bm.Family."
        )
    return name


def _class_of(name: str) -> type:
    """Find the dataclass that :func:`_name_of` named `name`, among the modules that have been imported."""
    module, _, inside = name.rpartition(":")
    homes = [sys.modules[module]] if module in sys.modules else [] if module else MODULES
    found = next((vars(m)[inside] for m in homes if inside in vars(m)), None)
    # of modules of a user no class is made but families: a file names what it likes
    if isinstance(found, type) and is_dataclass(found) and (not module or issubclass(found, families.Family)):
        return found
    where = f"import {module}, where it is declared" if module and module != "__main__" else "declare it"
    raise ValueError(
        f"The saved model has a '{inside}', which this program does not know: {where}, and load the file again."
    )
