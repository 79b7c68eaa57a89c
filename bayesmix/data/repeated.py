"""Rows of measurements as rows of persons: the measurements of a person stand in slots, each an item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.coding import Coding
from bayesmix.data.columns import check_scalars, native
from bayesmix.data.design import columns_of, few_values, missing_column
from bayesmix.spec import Model, Repeated, Response
from bayesmix.typing import Array


@dataclass(frozen=True)
class Persons:
    """Rows of measurements, laid out.

    Attributes
    ----------
    model : Model
        With an item for each slot.
    rows : pandas.DataFrame
        Of measurements, as they came.
    frame : pandas.DataFrame
        A row a person, by its label: what the model reads of persons, and the slots.
    person, slot : array of int (row,)
        Where each measurement stands; the slot is -1 without an answer.
    """

    model: Model
    rows: pd.DataFrame
    frame: pd.DataFrame
    person: NDArray[np.int64]
    slot: NDArray[np.int64]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Rows of measurements with an answer."""
        return self.slot >= 0

    def coding(self, known: Coding | None) -> Coding | None:
        """The coding of other rows, with that of the measure for every slot."""
        assert self.model.repeated is not None
        slots = self.model.responses[0].items
        begins = f"{self.model.repeated.outcome}_"
        if known is None:
            return None
        found = known.categories.get(self.model.repeated.outcome)
        found = found or next((c for i, c in known.categories.items() if i.startswith(begins)), None)
        if found is None:
            return known
        return replace(known, categories={**known.categories, **dict.fromkeys(slots, found)})

    def spread(self, x: Array) -> Array:
        """Rows of a matrix (row, column) in slots (person, slot, column), zero where there is no measurement."""
        out = np.zeros((len(self.frame), len(self.model.responses[0].items), x.shape[1]))
        out[self.person[self.answered], self.slot[self.answered]] = x[self.answered]
        return out

    def of_rows(self, x: Array) -> Array:
        """Numbers in slots (person, slot) by row of measurements; NaN without an answer."""
        return np.where(self.answered, x[self.person, self.slot], np.nan)


def persons_of(model: Model, df: pd.DataFrame) -> Persons:
    """Lay rows of measurements out, a row a person.

    Slots are the times, where something differs by occasion, else the order of time within a person.

    Raises
    ------
    ValueError
        A column is missing, persons have no label, what is of persons varies within one, two measurements stand at
        one time, times are too many for occasions.
    """
    r = cast(Repeated, model.repeated)
    outcome = model.responses[0]
    by_time = any(outcome.item_dim in t.dims for t in outcome.terms)
    own = _columns_of_persons(model)
    needed: list[str] = [r.person, r.outcome, *own, *([model.time] if model.time else [])]
    for column in needed:
        if column not in df.columns:
            raise ValueError(missing_column(column, df))
    what, labels = f"The column of persons '{r.person}'", native(df[r.person])
    check_scalars(what, labels)
    person, known = pd.factorize(labels, sort=True)
    if n := int((person < 0).sum()):
        raise ValueError(f"{what} has {n} missing values: every row needs a person; drop or label them.")
    there = df[r.outcome].notna().to_numpy()
    given: Any = pd.to_numeric(df[model.time], errors="coerce") if model.time else np.arange(len(df))
    times = np.asarray(given, dtype=np.float64)
    if (gone := there & np.isnan(times)).any():
        raise ValueError(
            f"The time '{model.time}' is missing or no number in row {df.index[gone][0]}, where '{r.outcome}' has an "
            "answer: correct it, or drop the row."
        )
    told = tuple(float(x) for x in outcome.labels) if by_time else ()
    slot, names = _slots(model, person, times, there, by_time, told)
    frame = df[[r.person, *own]].groupby(person, sort=True).first().set_axis(pd.Index(known, name=r.person), axis=0)
    _check_constant(df[own], person, known, r.person)
    kept = pd.DataFrame(index=frame.index)
    for k, name in enumerate(columns := [f"{r.outcome}_{name}" for name in names]):
        if name in own:
            raise ValueError(f"The column '{name}' stands for '{r.outcome}' at {names[k]}: rename the one in the data.")
        at = np.flatnonzero(slot == k)
        kept[name] = df[r.outcome].iloc[at].set_axis(known[person[at]], axis=0).reindex(frame.index)
    laid = replace(outcome, items=tuple(columns), labels=tuple(names))
    made = replace(model, responses=(laid, *model.responses[1:]))
    return Persons(made, df, frame[own].join(kept), person.astype(np.int64), slot)


def columns_of_response(model: Model, r: Response) -> tuple[str, ...]:
    """The columns of the data that a response stands for: of repeated measures in rows of their own one."""
    return (model.repeated.outcome,) if model.repeated is not None and r is model.responses[0] else r.items


def _columns_of_persons(model: Model) -> list[str]:
    """What a model reads of persons, beside their measurements."""
    columns = [c for k in model.covariates if not k.rows for c in columns_of(k)]
    columns += [i for r in model.responses[1:] for i in r.items]
    columns += [c for c in (model.cluster, model.freq, model.group, *(c for _, c in model.known)) if c]
    return list(dict.fromkeys([*columns, *model.survey.columns]))


def _slots(
    model: Model,
    person: NDArray[np.int64],
    times: Array,
    there: NDArray[np.bool_],
    by_time: bool,
    told: tuple[float, ...],
) -> tuple[NDArray[np.int64], list[str]]:
    """The slot of each row, -1 without an answer, and the names of the slots."""
    slot = np.full(len(person), -1, dtype=np.int64)
    order = np.lexsort((times, person))
    order = order[there[order]]
    same = (np.diff(person[order]) == 0) & (np.diff(times[order]) == 0)
    if model.time and same.any():
        raise ValueError(
            f"A person has several answers at {model.time} = {times[order][1:][same][0]:g}: give one row a person and "
            "time, such as their mean."
        )
    if not by_time:
        begins = np.concatenate([[True], np.diff(person[order]) != 0])
        place = np.arange(len(order))
        slot[order] = place - np.maximum.accumulate(np.where(begins, place, 0))
        return slot, [str(k + 1) for k in range(int(slot.max()) + 1)]
    values = few_values(f"The time '{model.time}'", np.unique(times[there]), told or None)
    slot[there] = np.searchsorted(values, times[there])
    return slot, [f"{v:g}" for v in values]


def _check_constant(own: pd.DataFrame, person: NDArray[np.int64], known: object, name: str) -> None:
    """Refuse what is of persons and varies within one; missing values beside others are none."""
    number = own.groupby(person, sort=True).nunique()
    for column in own:
        if (odd := number[column].to_numpy() > 1).any():
            label = np.asarray(known, dtype=object)[odd][0]
            raise ValueError(
                f"'{column}' varies within {name} {label!r}, of which it is one value: give the same value to all its "
                "rows; what differs by measurement belongs into the formula."
            )
