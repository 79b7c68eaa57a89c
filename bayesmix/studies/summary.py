"""What a study found: averages over its replications, how often a criterion chose a model, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from bayesmix.files import as_path
from bayesmix.layout import Listing, Section, make_table, number, pairs, percent, to_text
from bayesmix.results import SampleSize, check_sample_size
from bayesmix.spec import Z95
from bayesmix.studies.replication import Plan
from bayesmix.studies.store import Folder, Record

CRITERIA = ("AIC", "BIC", "aBIC")
COLUMNS = ("population", "average", "sd", "average_se", "mse", "cover", "significant", "n", "with_se")
VALUES = ("population", "estimate", "se", "lower", "upper")
TITLES = {"parameter": "Parameters", "derived": "What follows from them", "probability": "Probabilities"}


@dataclass(frozen=True, repr=False)
class Study:
    """The finished replications of a Monte Carlo study, in the order of their numbers.

    Attributes
    ----------
    records : tuple of mappings
        One a replication and model, as they are on disk.
    info : mapping
        `models` (their names), `asked` (replications), `estimator`, `population`, sizes and settings.
    plan : Plan, optional
        What made them; None where the study was loaded from its folder.

    Examples
    --------
    >>> studied = bm.study(fit, n=100, replications=2, fit=quick, progress=False)
    >>> studied.models
    ['lca']
    """

    records: Sequence[Record]
    info: Mapping[str, Any]
    plan: Plan | None = field(default=None)

    @property
    def models(self) -> list[str]:
        """Names of the analysis models."""
        return list(self.info["models"])

    @property
    def replications(self) -> pd.DataFrame:
        """A row an estimate: `replication`, `model`, `entry`, `scale`, `population`, `estimate`, `se`, its interval."""
        return self._long

    @cached_property
    def _long(self) -> pd.DataFrame:
        names = ["replication", "model", "entry", "scale", *VALUES]
        columns: dict[str, list] = {k: [] for k in names}
        for r in self._finished:
            for k in names:
                columns[k] += r[k] if isinstance(r[k], list) else [r[k]] * len(r["entry"])
        return pd.DataFrame(columns).astype(dict.fromkeys(VALUES, float))

    @cached_property
    def fits(self) -> pd.DataFrame:
        """One row a finished replication and model: log-likelihood, criteria, starts that agreed, chains, seconds."""
        head = ("replication", "model", "seconds")
        rows = [{k: r[k] for k in head} | dict(r["fit"]) | dict(r.get("chains", {})) for r in self._finished]
        out = pd.DataFrame(rows, columns=None if rows else [*head, "loglik", "parameters", *CRITERIA])
        return out.set_index(["replication", "model"])

    @property
    def failures(self) -> pd.DataFrame:
        """Replications that failed: `replication`, `model`, `reason`."""
        rows = [(r["replication"], r["model"], r["failed"]) for r in self.records if "failed" in r]
        return pd.DataFrame(rows, columns=["replication", "model", "reason"])

    @property
    def _finished(self) -> list[Record]:
        return [r for r in self.records if "failed" not in r]

    def summary(self, model: str | None = None) -> pd.DataFrame:
        """Averages over the replications, a row an entry.

        Parameters
        ----------
        model : str, optional
            The name of an analysis model. Left out: of all of them, where there are several with the name as
            a first level of the index.

        Returns
        -------
        pandas.DataFrame
            `population`, `average` and `sd` of the estimates, `average_se`, `mse` (mean squared distance from
            the population's value), `cover` (share of 95% intervals that hold it), `significant` (share of
            estimates beyond ±1.96 of their SE; of NUTS, of intervals without 0), `n` estimates, and `with_se`, how
            many of them have a standard error: those at a boundary have none, and count in the first columns only.
            The Monte Carlo error of a cover c is sqrt(c (1 - c) / n): 0.022 of 0.95 in 100 replications.

        Raises
        ------
        ValueError
            No such model.
        """
        if model is None and len(self.models) > 1:
            return pd.concat({k: self.summary(k) for k in self.models}, names=["model"])
        if model is not None and model not in self.models:
            raise ValueError(f"No model '{model}' in the study; there are {', '.join(self.models)}.")
        of_model = self.replications[self.replications["model"] == (model or self.models[0])]
        return _averages(of_model, self.info["estimator"])

    def bic(self, n: SampleSize = "individuals") -> pd.DataFrame:
        """Log-likelihood and criteria of each model, and how often each criterion chose it.

        Parameters
        ----------
        n : {"individuals", "clusters"}
            Of BIC and adjusted BIC: rows of the data, or clusters, the persons of long data.

        Returns
        -------
        pandas.DataFrame
            A row a model: finished replications `n`, averages of `loglik`, `parameters`, `AIC`, `BIC` and
            `aBIC` (sample-size adjusted); `chosen by ...`: in how many of the `compared` replications, those
            that all models finished, the model had the smallest value.
        """
        names, fits = ["loglik", "parameters", *CRITERIA], self._fits_by(n)
        out = fits.groupby(level="model", sort=False)[names].mean().reindex(self.models)
        out.insert(0, "n", fits.groupby(level="model").size().reindex(self.models, fill_value=0))
        for k in CRITERIA:
            wide = fits.reset_index().pivot_table(values=k, index="replication", columns="model")
            wide = wide.reindex(columns=self.models).dropna()
            chosen = wide.idxmin(axis=1) if len(wide) else pd.Series(dtype=object)
            out[f"chosen by {k}"] = [int((chosen == m).sum()) for m in self.models]
            out["compared"] = len(wide)
        return out

    def _fits_by(self, n: SampleSize) -> pd.DataFrame:
        """The fits, with criteria by the number of clusters if these are asked for."""
        check_sample_size(n, bool(self.info.get("clusters")))
        if n == "individuals":
            return self.fits
        clusters, at_zero = float(self.info["clusters"]), -2 * self.fits["loglik"]
        size = {"BIC": clusters, "aBIC": (clusters + 2) / 24}
        return self.fits.assign(**{k: at_zero + self.fits["parameters"] * np.log(x) for k, x in size.items()})

    def data(self, replication: int) -> pd.DataFrame:
        """The data of a replication once more, with the true classes and effects.

        Raises
        ------
        ValueError
            The study was loaded from its folder, which holds no models.
        """
        if self.plan is None:
            raise ValueError("The models are not in the folder: call bm.study(..., folder=...) as before, then data().")
        return self.plan.data(replication)

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """The finished replications in the folder of a study, which may still be running.

        Raises
        ------
        ValueError
            There is no study in the folder.
        """
        there = Folder(as_path(folder))
        info = there.description()["info"]
        return cls(in_order(there.records(), info), info)

    # in words -------------------------------------------------------------------------------------

    def sections(self) -> list[Section]:
        """What is printed."""
        found = [self._head(), *(self._results(m) for m in self.models), self._criteria(), self._failed()]
        return [s for s in found if s is not None]

    def __str__(self) -> str:
        return to_text(self.sections())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return Listing(self)._repr_html_()

    def _head(self) -> Section:
        info, several = self.info, len(self.models) > 1
        failed = len({(r["replication"], r["model"]) for r in self.records if "failed" in r})
        done = len({r["replication"] for r in self.records})
        rows = {
            "Population": info["population"],
            "Analysis models" if several else "Analysis model": ", ".join(self.models),
            "Individuals": info["individuals"],
            "Clusters": info["clusters"],
            "Estimator": {"ml": "maximum likelihood", "nuts": "NUTS"}[info["estimator"]],
            "Replications": f"{done} of {info['asked']}, seed {info['seed']}",
            "Failed": failed or None,
            "Best value reached by one start": self._count("replicated", lambda x: x < 2),
            "Parameters at a boundary": self._count("boundary", lambda x: x > 0),
            "Solutions not unique": self._count("equal solutions", lambda x: x > 1),
        }
        if info["estimator"] == "nuts" and len(self.fits):
            rows["Largest R-hat"] = number(float(self.fits["max R-hat"].max()))
            rows["R-hat above 1.01"] = self._count("max R-hat", lambda x: x > 1.01)
            rows["Divergent transitions"] = percent(float(self.fits["divergent"].mean()))
        return Section("Monte Carlo study", [pairs(rows.items())])

    def _count(self, column: str, odd) -> str | None:
        n = int(odd(self.fits[column]).sum()) if column in self.fits else 0
        return f"in {n} of {len(self.fits)} fits" if n else None

    def _results(self, model: str) -> Section | None:
        table = self.summary(model)
        if table.empty:
            return None
        table = table[(table["with_se"] > 0) | (table["sd"] > 0)]
        scale = self.replications.drop_duplicates("entry").set_index("entry")["scale"].reindex(table.index)
        n, body = int(table["n"].max()), list[Any]()
        for k in (k for k in TITLES if (scale == k).any()):
            body.append(_table(TITLES[k], table[scale == k], n, k != "probability"))
        said = []
        if table["cover"].notna().any():
            said = [f"The Monte Carlo error of a cover of 0.95 in {n} replications is {np.sqrt(0.95 * 0.05 / n):.3f}."]
        if (table["with_se"] < n).any():
            said.append("SEs: how many estimates have a standard error; those at a boundary have none.")
        return Section(f"Results: {model}", [*body, *filter(None, ["\n".join(said)])])

    def _criteria(self) -> Section | None:
        table = self.bic()
        if len(self.models) < 2 or not len(self.fits):
            return None
        rows = [
            (str(m), str(int(r["n"])), number(r["loglik"], 2), number(r["parameters"], 0),
             *(number(r[k], 2) for k in CRITERIA), *(str(int(r[f"chosen by {k}"])) for k in CRITERIA))
            for m, r in table.iterrows()
        ]  # fmt: skip
        head = ("model", "n", "log-lik.", "param.", *CRITERIA, *(f"by {k}" for k in CRITERIA))
        n = int(table["compared"].max())
        said = f"by AIC, BIC, aBIC: how often it chose the model, in the {n} replications that all models finished."
        return Section("Information criteria (averages)", [make_table(head, rows), said])

    def _failed(self) -> Section | None:
        if self.failures.empty:
            return None
        counts = self.failures.groupby(["model", "reason"]).size().sort_values(ascending=False)
        rows = [(str(n), *map(str, cast(tuple, key))) for key, n in counts.head(8).items()]
        more = [f"{len(counts) - 8} further reasons, in study.failures."] if len(counts) > 8 else []
        return Section("Failed replications", [make_table(("n", "model", "reason"), rows, left=3), *more])


def in_order(records, info: Mapping[str, Any]) -> tuple[Record, ...]:
    """Records of the replications that were asked for, by number and model."""
    wanted = [r for r in records if r["replication"] < info["asked"]]
    return tuple(sorted(wanted, key=lambda r: (r["replication"], r["position"])))


def _averages(rows: pd.DataFrame, estimator: str) -> pd.DataFrame:
    x, se, true = rows["estimate"], rows["se"], rows["population"]
    known = rows["lower"].notna()
    inside = ((rows["lower"] <= true) & (true <= rows["upper"])).where(known & true.notna())
    apart = (rows["lower"] > 0) | (rows["upper"] < 0) if estimator == "nuts" else np.abs(x) > Z95 * se
    each = pd.DataFrame(
        {
            "entry": rows["entry"], "population": true, "average": x, "sd": x, "average_se": se.where(known),
            "mse": (x - true) ** 2, "cover": inside.astype(float), "significant": apart.where(known).astype(float),
            "n": x, "with_se": se.where(known),
        }
    ).groupby("entry", sort=False)  # fmt: skip
    out = each.mean()
    out["sd"], out["n"], out["with_se"] = each["sd"].std(), each["n"].count(), each["with_se"].count()
    return out.reindex(columns=COLUMNS)


def _table(title: str, table: pd.DataFrame, n: int, significant: bool):
    """Only of parameters and the like it is a question whether they are zero."""
    columns = {"population": "population", "average": "average", "sd": "SD", "average_se": "avg. SE", "mse": "MSE"}
    columns |= {"cover": "cover"} | ({"significant": "signif."} if significant else {})
    columns = {k: v for k, v in columns.items() if table[k].notna().any()}
    columns |= {"with_se": "SEs"} if (table["with_se"] < n).any() else {}
    digits = {"mse": 4, "with_se": 0}
    rows = [(str(k), *(number(float(r[c]), digits.get(c, 3)) for c in columns)) for k, r in table.iterrows()]
    return make_table((title, *columns.values()), rows)
