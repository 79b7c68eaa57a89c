"""What a result says of the classes of its rows and clusters, be it a fit, a posterior or a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.checks import check_level

POSTERIOR, SPREAD = "_posterior", "_posterior_sd"
"""Endings of the names of class probabilities, and of their SDs over draws."""
MEMBERSHIP = "_membership"
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Of intervals of grades of membership that are kept."""
SAME_LEVEL = 1e-9
LEVEL = "row_level_"
"""Coords that hold the levels of a MultiIndex."""


@dataclass(frozen=True)
class ClassTables:
    """Posterior class probabilities of units as data frames, and what is counted of them.

    Attributes
    ----------
    table : xarray.Dataset
        What :func:`bayesmix.results.class_table` made.
    probabilities : mapping of str to xarray.DataArray
        Those of the model, `<C>_probability`, for the counts.
    """

    table: xr.Dataset
    probabilities: Mapping[Any, xr.DataArray] = field(default_factory=dict)

    @property
    def variables(self) -> list[str]:
        """Class variables of individuals and clusters: those that have posterior probabilities."""
        return [str(v).removesuffix(POSTERIOR) for v in self.table.data_vars if str(v).endswith(POSTERIOR)]

    def of_rows(self, name: str) -> bool:
        """Whether the class variable `name` is one of individuals."""
        return "row" in self.table[f"{name}{POSTERIOR}"].dims

    @property
    def entropy(self) -> float:
        """1 - (mean entropy of all classes together) / log K, K the number of their combinations."""
        if "joint_entropy" not in self.table:
            return self.class_entropy(self._several[0]) if len(self._several) == 1 else float("nan")
        x = self.table["joint_entropy"]
        weight = self._weight("row" in x.dims, len(x))
        kept = ~np.isnan(x.values)
        if not kept.any():
            return float("nan")
        combinations = sum(np.log(self.table.sizes[k]) for k in self._several)
        return float(1 - np.average(x.values[kept], weights=weight[kept]) / combinations)

    def _weight(self, of_rows: bool, n: int) -> NDArray:
        """How often each row, or each cluster, counts."""
        name = "weight" if of_rows else "cluster_weight"
        return self.table[name].values if name in self.table.coords else np.ones(n)

    @property
    def _several(self) -> list[str]:
        """Class variables of more than one class."""
        return [k for k in self.variables if self.table.sizes[k] > 1]

    def paths(self) -> pd.DataFrame:
        """The most likely path of each row through the classes of its occasions, and who moved."""
        if "path" not in self.table:
            raise ValueError("There are no paths: the model has fewer than two class variables of individuals.")
        x, weight = self.table["path"], self.table["path_probability"]
        seen = x.values[:, 0] > 0
        out = pd.DataFrame(x.values, index=row_index(x), columns=list(map(str, x["occasion"].values)))
        out = out.astype("Int64")
        out[~seen] = pd.NA
        moved = pd.array((x.values != x.values[:, :1]).any(axis=1), dtype="boolean")
        out["probability"] = weight.values
        if len({self.table.sizes[n] for n in out.columns[:-1]}) == 1:
            moved[~seen] = pd.NA
            out["moved"] = moved
            out["P(moved)"] = 1 - self.table["stayed_probability"].values
        return out

    def path_counts(self) -> pd.DataFrame:
        """Individuals that go each path: by posterior probability and by most likely path, the most frequent first."""
        paths = self.paths()
        names, w = list(map(str, self.table["path"]["occasion"].values)), self.table["weight"].values
        used = paths[names].notna().all(axis=1).to_numpy()
        modal = paths.loc[used, names].astype(int).assign(n=w[used]).groupby(names)["n"].sum()
        if "path_counts" not in self.table:
            return modal.to_frame("most likely").sort_values("most likely", ascending=False)
        counts = self.table["path_counts"].to_series().rename("posterior")
        out = counts.to_frame().join(modal.rename("most likely")).fillna(0.0)
        out["posterior %"] = out["posterior"] / out["posterior"].sum()
        return out.sort_values("posterior", ascending=False)

    def class_entropy(self, name: str | None = None) -> float:
        """1 - (mean entropy of the posterior class probabilities) / log K; NaN for K = 1."""
        p, w, _ = self._used(name)
        if p.shape[1] < 2:
            return float("nan")
        terms = _entropy(p)
        return float(1 - (w @ terms) / (w.sum() * np.log(p.shape[1])))

    def _posterior(self, name: str | None) -> tuple[str, xr.DataArray]:
        names = self.variables
        if not names:
            raise ValueError("The model has no class variable of individuals or clusters.")
        if name is not None and name not in names:
            raise ValueError(f"No class variable '{name}'; there are {', '.join(names)}.")
        name = name or names[0]
        return name, self.table[f"{name}{POSTERIOR}"]

    def _used(self, name: str | None) -> tuple[NDArray, NDArray, NDArray]:
        """Posterior probabilities of the rows in the analysis, their weights, and the labels."""
        _, x = self._posterior(name)
        p = x.values
        kept = ~np.isnan(p).any(axis=1)
        weight = self._weight("row" in x.dims, len(p))
        return p[kept], weight[kept], x[x.dims[1]].values

    def class_probabilities(self, name: str | None = None) -> pd.DataFrame:
        """Posterior class probabilities and the most likely class; of draws the SDs between them, and intervals."""
        name, x = self._posterior(name)
        labels = x[x.dims[1]].values
        index = row_index(x, str(x.dims[0]))
        out = pd.DataFrame(x.values, index=index, columns=[f"{name}={c}" for c in labels])
        some = ~np.isnan(x.values).any(axis=1)
        modal = pd.array([pd.NA] * len(out), dtype="Int64")
        modal[some] = labels[np.argmax(x.values[some], axis=1)]
        out = out.assign(most_likely=modal)
        for word, key in (("sd", SPREAD), ("lower", f"{POSTERIOR}_lower"), ("upper", f"{POSTERIOR}_upper")):
            if f"{name}{key}" in self.table:
                own = self.table[f"{name}{key}"].values
                out = out.assign(**{f"{name}={c} {word}": own[:, k] for k, c in enumerate(labels)})
        return out

    def classification(self, name: str | None = None) -> pd.DataFrame:
        """Average posterior probabilities (columns) of those most likely in each class (rows)."""
        name, _ = self._posterior(name)
        p, w, labels = self._used(name)
        modal = p.argmax(axis=1)
        rows = [
            np.average(p[modal == k], axis=0, weights=w[modal == k])
            if (modal == k).any()
            else np.full(len(labels), np.nan)
            for k in range(len(labels))
        ]
        return pd.DataFrame(rows, index=pd.Index(labels, name="most likely"), columns=pd.Index(labels, name=name))

    def entropies(self, name: str | None = None) -> pd.DataFrame:
        """The entropy of the posterior class probabilities of each unit, and how certain its class is."""
        name, x = self._posterior(name)
        p = x.values
        terms = np.where(np.isnan(p).any(axis=1), np.nan, _entropy(p))
        most = np.log(p.shape[1]) if p.shape[1] > 1 else np.nan
        table = {"entropy": terms, "certainty": 1 - terms / most}
        return pd.DataFrame(table, index=row_index(x, str(x.dims[0])))

    def classification_diagnostics(self, name: str | None = None) -> pd.DataFrame:
        """Average posterior probability, odds of correct classification and share by most likely class, by class."""
        counts = self.class_counts(name)
        size = counts["model %"].where(counts["model %"].notna(), counts["posterior %"])
        average = pd.Series(np.diag(self.classification(name)), index=counts.index)
        with np.errstate(divide="ignore", invalid="ignore"):
            occ = (average / (1 - average)) / (size / (1 - size))
        table = {"size": size, "AvePP": average, "OCC": occ, "mcaP": counts["most likely %"]}
        return pd.DataFrame(table).assign(difference=counts["most likely %"] - size)

    def class_counts(self, name: str | None = None) -> pd.DataFrame:
        """Individuals in each class three ways: by the model, by posterior probability, by most likely class."""
        name, _ = self._posterior(name)
        p, w, labels = self._used(name)
        model = self.probabilities.get(f"{name}_probability", xr.DataArray(np.full(p.shape[1], np.nan)))
        model = model.values if model.ndim == 1 else (p * w[:, None]).sum(0) / w.sum()
        modal = np.bincount(p.argmax(axis=1), weights=w, minlength=len(labels))
        counts = {"model": model * w.sum(), "posterior": (p * w[:, None]).sum(0), "most likely": modal}
        out = pd.DataFrame(counts, index=pd.Index(labels, name=name))
        return out.join((out / w.sum()).add_suffix(" %").mul(1.0))


def _entropy(p: NDArray) -> NDArray:
    """Entropies of probabilities (unit, class)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, -p * np.log(p), 0.0).sum(axis=1)


def memberships_of(scores: xr.Dataset, name: str | None = None, level: float | None = None) -> pd.DataFrame:
    """Grades of membership of each row: posterior mean, SD and an interval by class.

    Raises
    ------
    ValueError
        There are none of that name, or no interval of that level.
    """
    names = [str(k).removesuffix(MEMBERSHIP) for k in scores.data_vars if str(k).endswith(MEMBERSHIP)]
    if not names or (name is not None and name not in names):
        raise ValueError(
            f"No grades of membership for {name or 'any class variable'}; there are {', '.join(names) or 'none'}: "
            "they belong to classes of items (grade of membership)."
        )
    name = name or names[0]
    parts = {k: scores[f"{name}{MEMBERSHIP}{k}"] for k in ("", "_sd", "_lower", "_upper")}
    if level is not None:
        parts |= dict(zip(("_lower", "_upper"), _ends(scores, f"{name}{MEMBERSHIP}", level), strict=True))
    x = parts[""]
    columns = {
        f"{name}={c}{k.replace('_', ' ')}": v.sel({name: c}).values for c in x[name].values for k, v in parts.items()
    }
    return pd.DataFrame(columns, index=row_index(x))


def tails_of(level: float) -> tuple[float, float]:
    """The probabilities beneath the ends of an equal-tailed interval of a level."""
    return (1 - level) / 2, (1 + level) / 2


def _ends(scores: xr.Dataset, key: str, level: float) -> tuple[xr.DataArray, xr.DataArray]:
    """The ends of intervals of grades of membership of a level, of those that are kept."""
    check_level(level)
    own = float(scores[f"{key}_lower"].attrs.get("level", 0.95))
    if abs(level - own) < SAME_LEVEL:
        return scores[f"{key}_lower"], scores[f"{key}_upper"]
    if f"{key}_ends" not in scores or not any(abs(level - k) < SAME_LEVEL for k in LEVELS):
        known = LEVELS if f"{key}_ends" in scores else (own,)
        raise ValueError(
            f"level came as {level:g}: the intervals of grades of membership that are kept are of "
            f"{', '.join(f'{k:g}' for k in known)}; bm.predict(result, df, level={level:g}).memberships() has any."
        )
    low, high = (scores[f"{key}_ends"].sel(tail=q, method="nearest", drop=True) for q in tails_of(level))
    return low, high


# labels of rows -----------------------------------------------------------------------------------


def row_coords(index: pd.Index) -> dict[str, Any]:
    """Coords of the rows of the data; of a MultiIndex a text for each row, and its levels beside that."""
    if not isinstance(index, pd.MultiIndex):
        return {"row": index.to_numpy()}
    out: dict[str, Any] = {"row": index.map(str).to_numpy()}
    for k, name in enumerate(index.names):
        attrs = {} if name is None else {"name": str(name)}
        out[f"{LEVEL}{k}"] = ("row", index.get_level_values(k).to_numpy(), attrs)
    return out


def row_index(x: xr.DataArray, dim: str = "row") -> pd.Index:
    """The index of the rows of the data (or of clusters), with all its levels."""
    n = sum(str(k).startswith(LEVEL) for k in x.coords)
    if dim != "row" or not n:
        return x.indexes[dim]
    levels = [x.coords[f"{LEVEL}{k}"] for k in range(n)]
    return pd.MultiIndex.from_arrays([v.values for v in levels], names=[v.attrs.get("name") for v in levels])


def plain_coords(ds: xr.Dataset) -> xr.Dataset:
    """Give `ds` coords that NetCDF can hold: numbers, else text."""
    for name in ds.coords:
        if ds[name].dtype == object:
            ds = ds.assign_coords({name: ds[name].astype(str)})
    return ds
