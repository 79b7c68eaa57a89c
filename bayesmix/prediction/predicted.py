"""What is returned of new rows: a frozen :class:`Prediction`, tables keyed to the rows and clusters."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayesmix.results import ClassTables, memberships_of, row_index
from bayesmix.spec import Model


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a fit or a posterior says of rows, tables of which are keyed to their index.

    Attributes
    ----------
    model : Model
        The declaration.
    classes : xarray.Dataset
        Posterior class probabilities of the rows and their clusters, as `Fit.classes`; of a posterior
        their averages, with the SDs between draws and equal-tailed intervals.
    effect_scores : xarray.Dataset
        EAP and posterior SD of factors and random effects; grades of membership.
    outcomes : pandas.DataFrame
        For each item its expected answer, `y`, or the probability of each category, `u=1`; of a posterior also the SD
        between draws of each, `y sd`, and the ends of its interval, `y lower` and `y upper`.
    given : str
        What the outcomes are predicted from.
    loglik : pandas.Series
        Log-likelihood of each row, or of each cluster; missing for those without answers. Of a posterior the logarithm
        of the average likelihood over draws; with rows seen before it is that of the new rows given those.
    draws : int, optional
        Draws of a posterior that were averaged.
    notes : tuple of str
        What was taken to be meant.
    ids : pandas.Series, optional
        The column that tables of rows have first.
    level : float
        Of the intervals.

    Examples
    --------
    >>> found = bm.predict(fit, df.head(3))
    >>> found.class_probabilities().columns.to_list()
    ['C=1', 'C=2', 'most_likely']
    """

    model: Model
    classes: xr.Dataset
    effect_scores: xr.Dataset
    outcomes: pd.DataFrame
    given: str
    loglik: pd.Series
    draws: int | None = None
    notes: tuple[str, ...] = ()
    ids: pd.Series | None = None
    level: float = 0.95

    @property
    def class_tables(self) -> ClassTables:
        """What it says of classes; the methods below, and :func:`bayesmix.class_counts`, read it."""
        return ClassTables(self.classes)

    @property
    def class_variables(self) -> list[str]:
        """Class variables of individuals and clusters."""
        return self.class_tables.variables

    def class_probabilities(self, name: str | None = None) -> pd.DataFrame:
        """Class probabilities and the most likely class of each row, or of each cluster for a class of clusters.

        Of a posterior also the SD of each between draws, `C=1 sd`, and its interval, `C=1 lower` and `C=1 upper`.

        Parameters
        ----------
        name : str, optional
            The class variable; the first one if left out.
        """
        out, tables = self.class_tables.class_probabilities(name), self.class_tables
        return self._by_row(out) if tables.of_rows(name or tables.variables[0]) else self._by_cluster(out)

    def paths(self) -> pd.DataFrame:
        """The most likely path of each row through the classes of its occasions, as :func:`bayesmix.paths`."""
        return self._by_row(self.class_tables.paths())

    def memberships(self, name: str | None = None) -> pd.DataFrame:
        """Grades of membership of each row: posterior mean, SD and an interval, of `level`, by class.

        Parameters
        ----------
        name : str, optional
            The class variable of the items; the first one if left out.
        """
        return self._by_row(memberships_of(self.effect_scores, name))

    def effects(self) -> xr.Dataset:
        """EAP (`<name>`) and posterior SD (`<name>_sd`) of each random effect; grades of membership."""
        return self.effect_scores

    def tables(self) -> dict[str, pd.DataFrame]:
        """All there is, by the names of the files that the command line writes."""
        out, tables = {}, self.class_tables
        rows = [n for n in tables.variables if tables.of_rows(n)]
        for name in tables.variables:
            leads = name == (rows or tables.variables)[0]
            out["class_probabilities" if leads else f"class_probabilities_{name}"] = self.class_probabilities(name)
        if "path" in self.classes:
            out["paths"] = self.paths()
        scores = self.effect_scores
        effects = [e for e in self.model.effects if e.name in scores]
        for level, name in (("individual", "factor_scores"), ("cluster", "cluster_effects")):
            if own := [k for e in effects if e.level == level for k in (e.name, f"{e.name}_sd")]:
                x = scores[own[0]]
                table = pd.DataFrame({k: scores[k].values for k in own}, index=row_index(x, str(x.dims[0])))
                out[name] = self._by_row(table) if level == "individual" else self._by_cluster(table)
        for c in self.model.classes_at("item"):
            if f"{c.name}_membership" in scores:
                out["memberships"] = self.memberships(c.name)
        out["outcomes"] = self._by_row(self.outcomes)
        loglik = self.loglik.to_frame()
        out["loglik"] = self._by_cluster(loglik) if self.model.two_level else self._by_row(loglik)
        return out

    def _by_row(self, table: pd.DataFrame) -> pd.DataFrame:
        out = table.set_axis(self.outcomes.index, axis=0)
        if self.ids is not None:
            out.insert(0, str(self.ids.name), self.ids.to_numpy())
        return out

    def _by_cluster(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.rename_axis(index=self.model.cluster)

    def __repr__(self) -> str:
        lines = [f"<Prediction by {self.model.name}: {len(self.outcomes)} rows{self._clusters}{self._draws}"]
        for name in self.class_variables:
            counts = self.class_tables.class_probabilities(name)["most_likely"].value_counts().sort_index()
            lines.append(f"most likely {name}: " + ", ".join(f"{k} ({n})" for k, n in counts.items()))
        lines.append(f"outcomes {self.given}: {', '.join(map(str, self.outcomes.columns[:6]))}{self._more}")
        return "\n  ".join([*lines, *self.notes]) + ">"

    @property
    def _clusters(self) -> str:
        return f" in {len(self.loglik)} clusters" if self.model.two_level else ""

    @property
    def _draws(self) -> str:
        return f", averages over {self.draws} draws" if self.draws else ""

    @property
    def _more(self) -> str:
        return ", ..." if len(self.outcomes.columns) > 6 else ""

    def _repr_html_(self) -> str:
        head, *rest = repr(self).strip("<>").split("\n")
        shown = self.class_probabilities() if self.class_variables else self._by_row(self.outcomes)
        notes = "".join(f"<li>{line.strip()}</li>" for line in rest)
        return f"<p>{head}</p><ul>{notes}</ul>{shown.head(10).round(3).to_html()}"
