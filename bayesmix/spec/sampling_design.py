"""How rows were drawn from a population: weights, strata, primary sampling units, replicate weights.

A declaration names columns; what stands in them is read with the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np

from bayesmix.checks import one_of

METHODS = ("BRR", "Fay", "JK1", "JK2", "JKn", "bootstrap")
SCALINGS = ("sample", "cluster", "effective", "unscaled")
LONELY = ("refuse", "certainty", "average", "adjust")
COLUMNS = {
    "weights": "the weights",
    "strata": "the strata",
    "psu": "the primary sampling units",
    "fpc": "the finite population correction",
    "cluster_weights": "the weights of clusters",
}
"""Roles of single columns."""


@dataclass(frozen=True)
class Survey:
    """The design of a survey, as :func:`bayesmix.survey` declares it; its arguments are the attributes.

    Examples
    --------
    >>> bm.survey(model, weights="w", strata="s", psu="p").survey.columns
    ('w', 's', 'p')
    """

    weights: str | None = None
    strata: str | None = None
    psu: str | None = None
    fpc: str | None = None
    cluster_weights: str | None = None
    scaling: str | None = None
    cluster_scaling: str = "sample"
    lonely: str = "refuse"
    replicate_weights: tuple[str, ...] | str = ()
    method: str | None = None
    rho: float | None = None
    scale: float | None = None
    rscales: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, k) for k in (*COLUMNS, "replicate_weights"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The single columns that are named, each once."""
        return tuple(dict.fromkeys(c for k in COLUMNS if (c := getattr(self, k)) is not None))

    @property
    def words(self) -> str:
        """The columns with their roles."""
        said = [f"{k}='{c}'" for k in COLUMNS if (c := getattr(self, k)) is not None]
        return ", ".join([*said, *(["replicate weights"] if self.replicate_weights else [])])


def read_survey(given: Mapping[str, Any]) -> Survey:
    """Check what came as the design of a survey, as far as it can be without data.

    Parameters
    ----------
    given : mapping
        Fields of :class:`Survey`.

    Raises
    ------
    TypeError, ValueError
        No column name, an unknown word, settings that belong to something that is not there.
    """
    for k in COLUMNS:
        if (c := given.get(k)) is not None and (not isinstance(c, str) or not c.strip()):
            raise TypeError(f"{k} came as {_shown(c)}: give the name of a column of the data.")
    replicates = _replicates(given.get("replicate_weights", ()))
    out = Survey(**{**given, "replicate_weights": replicates, "rscales": _rscales(given.get("rscales", ()))})
    if out.scaling is not None:
        one_of("scaling", out.scaling, SCALINGS)
    one_of("cluster_scaling", out.cluster_scaling, ("sample", "unscaled"))
    one_of("lonely", out.lonely, LONELY)
    if not out:
        raise ValueError(
            "The design of a survey came without a column: name at least one of weights=, strata=, psu=, "
            "cluster_weights= and replicate_weights=."
        )
    if out.scaling is not None and out.weights is None:
        raise ValueError("scaling came without weights: name them, or leave it out.")
    if out.fpc and not (out.strata or out.psu):
        raise ValueError(
            "fpc came without strata or psu: the share of units that were drawn is counted of one of them; name it "
            "(for a simple random sample of rows psu= a column that numbers the rows)."
        )
    _check_replicates(out)
    return out


def _check_replicates(out: Survey) -> None:
    """Refuse settings of replicate weights that do not belong together."""
    if not out.replicate_weights:
        for k in ("method", "rho", "scale", "rscales"):
            if getattr(out, k) not in (None, ()):
                raise ValueError(
                    f"{k} came without replicate weights, to which it belongs: name them, or leave it out."
                )
        return
    if out.weights is None and out.cluster_weights is None:
        raise ValueError(
            "Replicate weights came without the weights of the full sample, at which the estimates are made: name "
            "these, weights= (cluster_weights=, where they are replicates of those of clusters)."
        )
    if more := [k for k in ("strata", "psu", "fpc") if getattr(out, k)]:
        raise ValueError(
            f"Replicate weights came beside {more[0]}: they hold the design already; give one or the other."
        )
    if out.method is None:
        raise ValueError(
            f"Replicate weights came without method=: how they were made, one of {', '.join(METHODS)}, says how their "
            "estimates become a variance; the documentation of the data names it."
        )
    one_of("method", out.method, METHODS)
    if (out.method == "Fay") != (out.rho is not None):
        raise ValueError("rho, Fay's factor, belongs to method='Fay', which needs it: give both, or neither.")
    if out.rho is not None and not (_is_number(out.rho) and 0 <= out.rho < 1):
        raise ValueError(f"rho came as {out.rho!r}: give Fay's factor, a number of at least 0 and below 1.")
    if out.scale is not None and not (_is_number(out.scale) and out.scale > 0 and np.isfinite(out.scale)):
        raise ValueError(f"scale came as {out.scale!r}: give a positive number.")
    if out.method == "JKn" and not out.rscales:
        raise ValueError(
            "method='JKn' came without rscales: give (n_h - 1) / n_h of each replicate, n_h the primary sampling units "
            "of the stratum from which it leaves one out."
        )


def _replicates(came: Any) -> tuple[str, ...] | str:
    if came is None:
        return ()
    if isinstance(came, str):
        return came
    came = [*came] if isinstance(came, Iterable) else came
    if not isinstance(came, list) or not all(isinstance(c, str) and c for c in came):
        raise TypeError(
            f"replicate_weights came as {_shown(came)}: give the names of their columns, or what all of them begin "
            "with, such as 'repwt'."
        )
    if len({*came}) < len(came):
        raise ValueError("replicate_weights names a column twice: name each once.")
    if len(came) == 1:
        raise ValueError(f"replicate_weights came with one column, {came[0]!r}: a variance takes two or more.")
    return tuple(came)


def _rscales(came: Any) -> tuple[float, ...]:
    if came is None:
        return ()
    if isinstance(came, str) or not isinstance(came, Iterable):
        raise TypeError(f"rscales came as {came!r}: give a number for each replicate.")
    out = [*came]
    if bad := [x for x in out if not (_is_number(x) and x >= 0 and np.isfinite(float(x)))]:
        raise ValueError(f"rscales came with {bad[0]!r}: give a number of at least 0 for each replicate.")
    return tuple(float(x) for x in out)


def _is_number(x: object) -> bool:
    return isinstance(x, (Real, np.number)) and not isinstance(x, bool)


def _shown(x: Any) -> str:
    """What came, in few words: a column instead of its name is long."""
    return repr(x) if isinstance(x, (str, bytes, int, float)) or x is None else f"{type(x).__name__}"


def settings_of_survey(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some settings that say something of a survey; the names of all are those of :class:`Survey`."""
    defaults = {f.name: f.default for f in fields(Survey)}
    return {k: v for k, v in given.items() if v is not None and not _same(v, defaults[k])}


def _same(value: Any, default: Any) -> bool:
    return isinstance(value, (str, float, int, Sequence)) and value == default


NO_POSTERIOR = (
    "weights make a pseudo log-likelihood, which with a prior makes no posterior (its spread is that of no sample); "
    "fit by maximum likelihood, bm.fit, or leave the design out and say that the posterior is of the sample."
)


def refuse_survey(survey: Survey | Mapping[str, Any] | None, what: str, why: str) -> None:
    """Refuse what has no meaning for a sample that was drawn by a design.

    Parameters
    ----------
    survey : Survey, or what a fit says of it
    what : str
        What was asked for, such as ``"bm.sample"``.
    why : str
        The reason, and what to do.

    Raises
    ------
    ValueError
        There is a design.
    """
    if survey:
        raise ValueError(f"{what} came for a model with the design of a survey: {why}")
