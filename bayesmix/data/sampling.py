"""From the columns of a survey's design to numbers: scaled weights, primary sampling units, the variance of totals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.data.columns import check_scalars, native, numbers, plain
from bayesmix.data.design import missing_column
from bayesmix.spec import Model, Survey
from bayesmix.typing import Array

SAME = 1e-9
"""How far two values that should be one may be apart, as a share."""


@dataclass(frozen=True)
class Units:
    """Primary sampling units: which rows belong to each, and of which stratum it is.

    Attributes
    ----------
    psu : array of int (row,), optional
        None where every individual is one.
    stratum : array of int (row,)
    sizes : array (stratum,)
        Primary sampling units of each stratum, those without a row in the analysis too.
    fraction : array (stratum,)
        The share of them that was drawn; 0 without a finite population correction.
    lonely : str
        What is done with strata of one.
    declared : bool
        Whether strata or primary sampling units were named: the variance is then that between them, within strata.
    times : array (row,)
        Individuals that a row stands for.
    """

    psu: NDArray[np.int64] | None
    stratum: NDArray[np.int64]
    sizes: Array
    fraction: Array
    lonely: str
    declared: bool
    times: Array

    def take(self, rows: NDArray) -> Units:
        """The units of some rows, by position, in the design of all."""
        psu = None if self.psu is None else self.psu[rows]
        return replace(self, psu=psu, stratum=self.stratum[rows], times=self.times[rows])

    @property
    def df(self) -> int:
        """Primary sampling units less strata."""
        return round(float(self.sizes.sum())) - len(self.sizes)

    def variance(self, each: Array) -> Array:
        """The variance of the total of the weighted scores `each` of rows: M of :func:`bayesmix.survey`.

        Parameters
        ----------
        each : array (row, parameter)
            Of one individual of a row; of rows that are not here they are zero.
        """
        totals, times, stratum = self._totals(each)
        if not self.declared:
            return (totals * times[:, None]).T @ totals
        n = self.sizes
        weighted = totals * times[:, None]
        sums = np.zeros((len(n), each.shape[1]))
        np.add.at(sums, stratum, weighted)
        lonely = n < 1.5
        factor = (1 - self.fraction) * n / np.maximum(n - 1, 1)
        factor[lonely] = 0.0
        out = (weighted * factor[stratum][:, None]).T @ totals - (sums * (factor / n)[:, None]).T @ sums
        if lonely.any() and self.lonely == "adjust":
            apart = (sums[lonely] - sums.sum(axis=0) / n.sum()) * np.sqrt(1 - self.fraction[lonely])[:, None]
            out = out + apart.T @ apart
        if lonely.any() and self.lonely == "average":
            out = out * len(n) / (~lonely).sum()
        return out

    def _totals(self, each: Array) -> tuple[Array, Array, NDArray[np.int64]]:
        """Totals of primary sampling units, how many each stands for, and their strata."""
        if self.psu is None:
            return each, self.times, self.stratum
        found, first, code = np.unique(self.psu, return_index=True, return_inverse=True)
        totals = np.zeros((len(found), each.shape[1]))
        np.add.at(totals, code, each * self.times[:, None])
        return totals, np.ones(len(found)), self.stratum[first]


@dataclass(frozen=True)
class Sampling:
    """The design of a survey for some rows.

    Attributes
    ----------
    weight : array (row,)
        Scaled; within clusters, where something is latent in these. Zero for rows that are left out.
    cluster_weight : array (cluster,), optional
        Scaled.
    units : Units
    replicates : array (replicate, row)
        Replicate weights as they came; those of clusters at each of their rows.
    said : dict
        What was done, in plain values: what a fit keeps.
    raw, between : array (row,)
        The weights of rows and of clusters as they came.
    """

    weight: Array
    cluster_weight: Array | None
    units: Units
    replicates: Array = field(default_factory=lambda: np.zeros((0, 0)))
    said: Mapping[str, Any] = field(default_factory=dict)
    raw: Array = field(default_factory=lambda: np.zeros(0))
    between: Array | None = None

    @classmethod
    def of(
        cls, model: Model, df: pd.DataFrame, raw: Array, freq: Array, seen: NDArray, cluster: NDArray | None
    ) -> Self:
        """Scale the weights and find the units.

        Parameters
        ----------
        model : Model
        df : pandas.DataFrame
        raw : array (row,)
            The weights as they came.
        freq : array (row,)
        seen : array of bool (row,)
            Rows in the analysis.
        cluster : array of int (row,), optional

        Raises
        ------
        ValueError
            What came, what was expected, and what to do.
        """
        held = model.survey
        between = _cluster_weights(held, df, seen, cluster, model.cluster)
        weight, of_cluster, more = _scaled(model, raw, between, freq, seen, cluster)
        said: dict[str, Any] = {k: getattr(held, k) for k in ("weights", "strata", "psu", "fpc", "cluster_weights")}
        units, words = _units(model, df, freq, cluster, seen)
        said |= more | {"zero": int((raw == 0).sum())} | words
        replicates = np.zeros((0, 0))
        if held.replicate_weights:
            columns = replicate_columns(held, df)
            replicates = _replicates(columns, df, seen)
            if held.cluster_weights and cluster is not None:
                for c, x in zip(columns, replicates, strict=True):
                    _check_constant(
                        _replicates_of_clusters(c), x[seen], cluster[seen], df[model.cluster][seen], "cluster"
                    )
            said |= _of_replicates(held, columns, replicates)
        return cls(weight, of_cluster, units, replicates, said, raw, between)

    def replicate(self, k: int, cluster: NDArray | None) -> Self:
        """The same rows under the replicate weights number `k`.

        Parameters
        ----------
        k : int
        cluster : array of int (row,), optional
            The cluster of each row, -1 where it is left out.
        """
        own = self.replicates[k]
        if self.cluster_weight is not None and cluster is not None:
            of_cluster = np.zeros(len(self.cluster_weight))
            np.maximum.at(of_cluster, cluster[cluster >= 0], own[cluster >= 0])
            return replace(self, cluster_weight=of_cluster * self.said.get("cluster_factor", 1.0))
        own = own if self.between is None else own * self.raw
        return replace(self, weight=own * self.said["factor"])

    def under(self, model: Model, freq: Array, seen: NDArray, cluster: NDArray | None) -> Self:
        """The same design for another model of the rows, with or without something latent in clusters."""
        weight, of_cluster, more = _scaled(model, self.raw, self.between, freq, seen, cluster)
        return replace(self, weight=weight, cluster_weight=of_cluster, said={**self.said, **more})


def _scaled(
    model: Model, raw: Array, between: Array | None, freq: Array, seen: NDArray, cluster: NDArray | None
) -> tuple[Array, Array | None, dict[str, Any]]:
    """Weights of rows and of clusters, scaled, and what was done."""
    held = model.survey
    if model.varies_between and cluster is not None:
        weight, of_cluster, more = _nested(held, raw, freq, seen, cluster, between)
    else:
        product = raw if between is None else raw * between
        scaling = "unscaled" if held.scaling == "unscaled" else "sample"
        factor = 1.0 if scaling == "unscaled" else float(freq[seen].sum()) / float((freq * product)[seen].sum())
        weight, of_cluster = np.where(seen, product * factor, 0.0), None
        more = {"scaling": scaling, "factor": factor, "within": False} | _spread(product[seen], freq[seen])
    return weight, of_cluster, more | {"sum": float((freq * weight)[seen].sum())}


def raw_weights(survey: Survey, df: pd.DataFrame) -> Array:
    """The weights as they came; ones where there are none.

    Raises
    ------
    ValueError
        Missing, infinite or negative ones, text, or all zero.
    """
    if survey.weights is None:
        return np.ones(len(df))
    return _weights(f"The weights '{survey.weights}'", df[survey.weights])


def weight_columns(model: Model) -> list[str]:
    """Columns that say how often a row counts: frequencies, and weights of a survey."""
    return [c for c in (model.freq, model.survey.weights, model.survey.cluster_weights) if c]


def frame_weights(model: Model, df: pd.DataFrame) -> Array:
    """How often each row of a frame counts: its frequency, by its weights, which are scaled to an average of one."""
    freq = np.ones(len(df)) if model.freq is None else df[model.freq].to_numpy(dtype=float)
    columns = [c for c in (model.survey.weights, model.survey.cluster_weights) if c]
    product = df[columns].to_numpy(dtype=float).prod(axis=1)
    return freq * product * (freq.sum() / (freq @ product)) if columns else freq


def _weights(what: str, column: pd.Series, zero: bool = True) -> Array:
    out = numbers(what, column, np.ones(len(column), dtype=bool))
    for bad, words in ((np.isnan(out), "a missing value"), (np.isinf(out), "an infinite value"), (out < 0, "{x:g}")):
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            hint = (
                "give every row a weight, 0 to those outside of the subpopulation"
                if zero
                else "give every row a positive number"
            )
            raise ValueError(
                f"{what} came with {words.format(x=out[at])} (row {column.index[at]}; {int(bad.sum())} such rows), "
                f"expected how many of the population a row stands for: {hint}."
            )
    if not zero and (out == 0).any():
        raise ValueError(f"{what} came with 0 (row {column.index[int(np.argmin(out))]}): leave these rows out.")
    if not out.any():
        raise ValueError(f"{what} are zero in every row: give positive numbers.")
    return out


def _cluster_weights(held: Survey, df: pd.DataFrame, seen, cluster, name: str | None) -> Array | None:
    if held.cluster_weights is None:
        return None
    what = f"The weights of clusters '{held.cluster_weights}'"
    out = _weights(what, df[held.cluster_weights], zero=False)
    if cluster is not None:
        _check_constant(what, out[seen], cluster[seen], df[name][seen], "cluster")
    return out


def _check_constant(what: str, x: Array, code: NDArray, labels: pd.Series, of: str) -> None:
    """Refuse values that differ within a group."""
    low, high = np.full(code.max() + 1, np.inf), np.full(code.max() + 1, -np.inf)
    np.minimum.at(low, code, x)
    np.maximum.at(high, code, x)
    if (bad := np.flatnonzero(high - low > SAME * np.abs(high))).size:
        label = labels.iloc[int(np.flatnonzero(code == bad[0])[0])]
        raise ValueError(
            f"{what} came with {low[bad[0]]:g} and {high[bad[0]]:g} in the {of} {plain(label)!r}: they must be equal "
            f"within each {of}."
        )


def _nested(
    held: Survey, raw: Array, freq: Array, seen, cluster, between: Array | None
) -> tuple[Array, Array, dict[str, Any]]:
    """Weights of rows within clusters and of clusters, scaled (Asparouhov, 2006)."""
    owner, w, n = cluster[seen], raw[seen], freq[seen]
    size, total, square = (np.bincount(owner, n * x) for x in (np.ones(len(w)), w, w**2))
    scaling = held.scaling or "cluster"
    factor = {"cluster": size / total, "effective": total / square, "unscaled": np.ones(len(size))}[scaling]
    weight = np.zeros(len(raw))
    weight[seen] = w * factor[owner]
    out: dict[str, Any] = {"scaling": scaling if held.weights else None, "within": True} | _spread(w, n)
    of_cluster = np.ones(len(size))
    if between is not None:
        np.maximum.at(of_cluster := np.zeros(len(size)), owner, between[seen])
        whole = size.sum() / float(np.bincount(owner, n * weight[seen]) @ of_cluster)
        times = whole if held.cluster_scaling == "sample" else 1.0
        out |= {"cluster_scaling": held.cluster_scaling, "cluster_factor": times}
        out["cluster_range"] = [float(of_cluster.min()), float(of_cluster.max())]
        of_cluster = of_cluster * times
    return weight, of_cluster, out


def _spread(w: Array, freq: Array) -> dict[str, Any]:
    """The range of weights, and what their differences alone cost: 1 + CV^2 (Kish, 1965)."""
    total, square = float(freq @ w), float(freq @ w**2)
    kept = w[w > 0]
    return {
        "range": [float(kept.min()), float(kept.max())] if kept.size else [0.0, 0.0],
        "effect": float(freq.sum() * square / total**2),
    }


# units --------------------------------------------------------------------------------------------


def _labels(what: str, column: pd.Series) -> tuple[NDArray[np.int64], list]:
    check_scalars(what, column := native(column))
    codes, labels = pd.factorize(column)
    blank = [k for k, v in enumerate(labels) if isinstance(v, str) and not v.strip()]
    if n := int((codes < 0).sum() + np.isin(codes, blank).sum()):
        raise ValueError(f"{what} have {n} missing values: every row needs one; label or drop them.")
    return codes.astype(np.int64), list(labels)


def _units(model: Model, df: pd.DataFrame, freq: Array, cluster, seen) -> tuple[Units, dict[str, Any]]:
    """Primary sampling units and strata of the rows."""
    held, n = model.survey, len(df)
    stratum, names = np.zeros(n, dtype=np.int64), [""]
    if held.strata:
        stratum, names = _labels(f"The strata '{held.strata}'", df[held.strata])
    column = held.psu or model.cluster
    psu, repeated = None, None
    if column:
        inside, units = _labels(f"The primary sampling units '{column}'", df[column])
        own = inside if held.psu is None else stratum * (inside.max() + 1) + inside  # labels are read within strata
        psu = np.unique(own, return_inverse=True)[1].astype(np.int64)
        repeated = len(units) if held.psu and psu.max() + 1 > len(units) else None
    if model.cluster and cluster is not None and psu is not None:
        _check_whole(psu, cluster, seen, f"primary sampling unit '{held.psu}'", df, model.cluster)
        _check_whole(stratum, cluster, seen, f"stratum '{held.strata}'", df, model.cluster)
    if psu is None:
        sizes = np.bincount(stratum, freq, len(names))
    else:
        first = np.unique(psu, return_index=True)[1]
        sizes = np.bincount(stratum[first], minlength=len(names)).astype(float)
        if held.strata and held.psu is None:  # clusters, whose labels are those of the whole data
            _check_whole(stratum, psu, np.ones(n, dtype=bool), f"stratum '{held.strata}'", df, str(model.cluster))
    declared = bool(held.strata or held.psu)
    fraction = _fractions(held, df, stratum, sizes, names)
    lonely = np.flatnonzero(sizes < 1.5)
    if declared and lonely.size:
        _check_lonely(held, lonely, names, len(sizes), column)
    said = {
        "strata": held.strata,
        "psu": column,
        "n_strata": len(names) if held.strata else None,
        "n_psu": round(float(sizes.sum())),
        "psu_labels": repeated,
        "lonely": {"strata": int(lonely.size), "taken": held.lonely} if lonely.size and declared else None,
        "fractions": [float(fraction.min()), float(fraction.max())] if held.fpc else None,
        "df": round(float(sizes.sum())) - len(names) if declared else None,
    }
    return Units(psu, stratum, sizes, fraction, held.lonely, declared, freq), said


def _check_whole(of: NDArray, group: NDArray, used: NDArray, what: str, df: pd.DataFrame, column: str) -> None:
    """Refuse groups of rows that are in several units."""
    code = group[used]
    low, high = np.full(code.max() + 1, of.max()), np.zeros(code.max() + 1, dtype=np.int64)
    np.minimum.at(low, code, of[used])
    np.maximum.at(high, code, of[used])
    if (bad := np.flatnonzero(low != high)).size:
        label = df[column].to_numpy()[used][int(np.flatnonzero(code == bad[0])[0])]
        raise ValueError(
            f"The cluster {plain(label)!r} of '{column}' has rows in more than one {what}: clusters lie within strata "
            "and primary sampling units; give labels that are different in different ones."
        )


def _check_lonely(held: Survey, lonely: NDArray, names: Sequence, strata: int, column: str | None) -> None:
    unit = f"'{column}'" if column else "row"
    if held.lonely == "refuse":
        shown = ", ".join(repr(plain(names[k])) for k in lonely[:5]) + (", ..." if lonely.size > 5 else "")
        where = (
            f"{lonely.size} of {strata} strata of '{held.strata}' ({shown}) have" if held.strata else "The data have"
        )
        raise ValueError(
            f"{where} one primary sampling unit ({unit}), from which no variance between units can be seen: join it "
            "to a like stratum, or say bm.survey(..., lonely=): 'certainty' where it was drawn with certainty, "
            "'average' for the average of the other strata, 'adjust' for its distance from the mean of all."
        )
    if held.lonely == "average" and lonely.size == strata:
        raise ValueError("Every stratum has one primary sampling unit: there is no average to take; join strata.")


def _fractions(held: Survey, df: pd.DataFrame, stratum, sizes: Array, names: Sequence) -> Array:
    """The share of primary sampling units that was drawn, by stratum."""
    if held.fpc is None:
        return np.zeros(len(sizes))
    what = f"The finite population correction '{held.fpc}'"
    x = _weights(what, df[held.fpc], zero=False)
    labels = df[held.strata] if held.strata else pd.Series([""] * len(df))
    _check_constant(what, x, stratum, labels, "stratum")
    first = np.unique(stratum, return_index=True)[1]
    share = np.where(x[first] <= 1, x[first], sizes / x[first])
    if (bad := np.flatnonzero(share > 1 + SAME)).size:
        raise ValueError(
            f"{what} came with {x[first][bad[0]]:g} units in the population of the stratum {plain(names[bad[0]])!r}, "
            f"of which {sizes[bad[0]]:g} were drawn: give their number in the population, or the share that was drawn."
        )
    return np.minimum(share, 1.0)


# replicate weights --------------------------------------------------------------------------------


def replicate_columns(held: Survey, df: pd.DataFrame) -> list[str]:
    """The columns of replicate weights.

    Raises
    ------
    ValueError
        One that is not there, or fewer than two that begin with what was given.
    """
    if not isinstance(held.replicate_weights, str):
        for c in held.replicate_weights:
            if c not in df.columns:
                raise ValueError(missing_column(c, df))
        return list(held.replicate_weights)
    begin = re.escape(held.replicate_weights)
    found = [str(c) for c in df.columns if re.fullmatch(begin + r"_?\d+", str(c))]
    if len(found) < 2:
        raise ValueError(
            f"replicate_weights came as {held.replicate_weights!r}, but {len(found)} columns are named so and a number "
            "after it: give what two or more of their names begin with, or their names."
        )
    return sorted(found, key=lambda c: int(re.findall(r"\d+", c)[-1]))


def _replicates_of_clusters(column: str) -> str:
    return f"The replicate weights '{column}', which are those of clusters beside cluster_weights="


def _replicates(columns: Sequence[str], df: pd.DataFrame, seen: NDArray) -> Array:
    out = np.stack([_weights(f"The replicate weights '{c}'", df[c]) for c in columns])
    if (empty := np.flatnonzero(out[:, seen].sum(axis=1) == 0)).size:
        raise ValueError(f"The replicate weights '{columns[empty[0]]}' are zero in every row of the analysis: drop it.")
    return np.where(seen, out, 0.0)


def _of_replicates(held: Survey, columns: Sequence[str], replicates: Array) -> dict[str, Any]:
    r = len(columns)
    if held.rscales and len(held.rscales) != r:
        raise ValueError(f"rscales came with {len(held.rscales)} numbers for {r} replicates: give one for each.")
    by_method = {
        "BRR": 1 / r,
        "Fay": 1 / (r * (1 - (held.rho or 0.0)) ** 2),
        "JK1": (r - 1) / r,
        "JK2": 1.0,
        "JKn": 1.0,
        "bootstrap": 1 / r,
    }
    scale = held.scale if held.scale is not None else by_method[str(held.method)]
    return {
        "replicates": r,
        "method": held.method,
        "rho": held.rho,
        "scale": float(scale),
        "rscales": list(held.rscales) or None,
        "df": int(np.linalg.matrix_rank(replicates)) - 1,
    }
