"""What three steps return: a frozen :class:`ThreeStep`, tables of it, and its listing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from bayesmix.files import as_path, written
from bayesmix.layout import Section, to_text
from bayesmix.results import read_tree
from bayesmix.spec import Model
from bayesmix.three_steps.equality import in_pairs, of_covariates, of_outcomes
from bayesmix.three_steps.listed import sections
from bayesmix.three_steps.monitor import Monitor
from bayesmix.three_steps.quantities import Quantities
from bayesmix.typing import Array


def _inverse(errors: pd.DataFrame) -> pd.DataFrame:
    """D^-1 with assigned classes in rows."""
    table = errors.dropna(axis=1, how="all")  # occasions may have different numbers of classes
    return pd.DataFrame(np.linalg.inv(table), index=table.columns, columns=table.index)


@dataclass(frozen=True, repr=False)
class ThreeStep:
    """Classes related to covariates and outcomes: what :func:`bayesmix.three_step` returns.

    All numbers stand in `quantities`, with their joint covariance matrix V; tables and tests are made of these. A
    contrast c'q of them has the standard error sqrt(c' V c), V by the delta method from that of the free parameters,

        H^-1 (sum_g s_g s_g') H^-1 + H^-1 C V_1 C' H^-1,

    Bakk, Oberski and Vermunt (2014), equation (14): the second part where the uncertainty of step one was asked for.
    ``print`` shows everything; :func:`bayesmix.to_html` and :func:`bayesmix.export` hand it on.

    Attributes
    ----------
    method : {"ml", "bch", "two-step"}
    assignment : {"modal", "proportional", "random", "none"}
        How units were assigned to classes: at random over draws of a posterior, not at all in two steps.
    model : Model
        The declaration of the last step.
    variables : tuple of str
        The class variables: that of step one; of several occasions C1, C2, ...
    outcome_names : tuple of str
        The outcomes, in their order.
    quantities : Quantities
        `keys` (a row a quantity), `values` (quantity,) and `covariance` (quantity, quantity), NaN at a boundary; class
        logits and slopes, outcomes on their scales, means and SDs. :meth:`to_frame` has them as a table.
    loglik : float
        Log-likelihood of the last step at its maximum, that of the assigned classes (of the items, in two steps) in it;
        with BCH weights the weighted one. Over draws of a posterior its mean.
    n_parameters : int
        Free parameters of the last step.
    n_units, n_left_out : int
        Individuals (clusters, where these have the classes) in the last step, by their frequencies; rows (clusters)
        of step one that are not in it.
    errors : pandas.DataFrame
        D, P(assigned class | class): a row a class, a column an assigned class; of several occasions that of each,
        beneath each other.
    monitor : Monitor
        Classes of step one beside those of the last step: `classes` (shares, and who has moved), `moved` (a share),
        `entropy`, `entropy_three`.
    standard_errors : str
        What they have in them, in words.
    level : float
        Of all intervals.
    notes, doubts : tuple of str
        What was taken to be meant; why the numbers may not be trusted.
    draws : int, optional
        Draws of a posterior that were pooled.
    transitions : pandas.DataFrame, optional
        Of several occasions: `probability` and `se` of each `class` of a `variable`: of the first, and of a later one
        `given` the class before; averaged over covariates.

    Examples
    --------
    >>> found = bm.three_step(fit, df, "x", "y")
    >>> found.coefficients().index.names, found.outcomes().shape
    (FrozenList(['class', 'term']), (2, 6))
    >>> found.tests["test"].to_list()
    ['C on x', 'equal y']
    """

    method: str
    assignment: str
    model: Model
    variables: tuple[str, ...]
    outcome_names: tuple[str, ...]
    quantities: Quantities
    loglik: float
    n_parameters: int
    n_units: int
    n_left_out: int
    errors: pd.DataFrame
    monitor: Monitor
    standard_errors: str
    level: float = 0.95
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    draws: int | None = None
    transitions: pd.DataFrame | None = None

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Wald tests: that a covariate has no effect on any class logit, that outcomes are equal in all classes.

        Returns
        -------
        pandas.DataFrame
            A row a test: `test`, `wald` = d' V^-1 d of the differences d and their covariance matrix V, `df`, the
            rank of V, and `p` of the chi-square distribution. Outcomes are compared where :meth:`outcomes` has them
            (normal ones by means, others by logits, log rates or thresholds), one by one and all together.

        See Also
        --------
        bayesmix.test : the same test of hypotheses on a fit.
        """
        names, q = self.outcome_names, self.quantities
        found = [*of_covariates(q), *(of_outcomes(q, names) if names else ())]
        return pd.DataFrame(found, columns=["test", "wald", "df", "p"])

    @cached_property
    def pairwise(self) -> pd.DataFrame:
        """Wald tests that an outcome is equal in two classes, of all pairs.

        Returns
        -------
        pandas.DataFrame
            A row an outcome and pair: `outcome`, `class`, `other`, `difference` and `se` (missing where classes differ
            in several numbers, as probabilities of several categories), `wald`, `df`, `p`, and `p (Holm)`, adjusted
            for the pairs of this outcome, Holm (1979). No rows without outcomes.
        """
        return in_pairs(self.quantities, self.outcome_names)

    @cached_property
    def shared(self) -> pd.DataFrame:
        """Residual covariances of normal outcomes, the same in all classes: `of`, `covariance`, `se`."""
        q = self.quantities
        rows = [(q.keys.loc[k, "outcome"], q.values[k], q.se[k]) for k in q.where(kind="residual covariance")]
        return pd.DataFrame(rows, columns=["of", "covariance", "se"])

    @property
    def weights(self) -> pd.DataFrame | None:
        """BCH weights D^-1: in each row, of units assigned to a class, their weight in each class; else None."""
        if self.method != "bch":
            return None
        if self.errors.index.nlevels == 1:
            return _inverse(self.errors)
        each = {v: _inverse(pd.DataFrame(self.errors.loc[v])) for v in self.variables}
        return pd.concat(each, names=["variable"])

    @property
    def _z(self) -> float:
        return float(special.ndtri(0.5 + self.level / 2))

    def coefficients(self, reference: Any = None, variable: str | None = None) -> pd.DataFrame:
        """Class logits on covariates, against a reference class, with odds ratios.

        Parameters
        ----------
        reference : optional
            The class that the others are set against; the last one if left out.
        variable : str, optional
            The class variable, of several occasions; the first one if left out.

        Returns
        -------
        pandas.DataFrame
            By class and term (of a later occasion by class before, class and term; the class before has no slopes of
            its own): `estimate` in logits, per unit of the covariate, `se`, `z`, two-sided `p`, `lower`, `upper`, and
            `odds ratio`, `OR lower`, `OR upper`, their exponentials.

        Raises
        ------
        ValueError
            There is no such class or class variable.

        Examples
        --------
        >>> bm.three_step(fit, df, "x").coefficients(reference=1).index.to_list()
        [(2, '(intercept)'), (2, 'x')]
        """
        variable = variable or self.variables[0]
        if variable not in self.variables:
            raise ValueError(f"variable came as {variable!r}: give one of {', '.join(self.variables)}.")
        q = self.quantities
        keys = q.keys[q.keys["kind"].isin(["logit", "slope"]) & (q.keys["variable"] == variable)]
        labels = list(dict.fromkeys(keys["class"]))
        reference = labels[-1] if reference is None else reference
        if reference not in labels:
            raise ValueError(f"reference came as {reference!r}: give one of {', '.join(map(str, labels))}.")
        rows, index = [], []
        for (given, term), part in keys.groupby(["given", "term"], sort=False):
            base = part.index[part["class"] == reference][0]
            for k in part.index[part["class"] != reference]:
                contrast = np.zeros(len(q.values))
                contrast[k], contrast[base] = 1.0, -1.0
                rows.append(self._estimate(contrast))
                index.append((given, part.loc[k, "class"], term or "(intercept)"))
        out = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=["given", "class", "term"]))
        with np.errstate(over="ignore"):  # of a logit far out
            for k, name in (("estimate", "odds ratio"), ("lower", "OR lower"), ("upper", "OR upper")):
                out[name] = np.exp(out[k])
        if (out.index.get_level_values("given") == "").all():
            out = out.droplevel("given")
        return out

    def _estimate(self, contrast: Array) -> dict[str, float]:
        """A linear combination of the quantities, with its interval."""
        q, used = self.quantities, np.flatnonzero(contrast)
        x = float(contrast[used] @ q.values[used])
        variance = float(contrast[used] @ q.covariance[np.ix_(used, used)] @ contrast[used])
        se = float(np.sqrt(variance)) if variance > 0 else np.nan
        z = x / se
        return {
            "estimate": x, "se": se, "z": z, "p": float(2 * special.ndtr(-abs(z))), "lower": x - self._z * se,
            "upper": x + self._z * se,
        }  # fmt: skip

    def outcomes(self) -> pd.DataFrame:
        """Outcomes by class: means, or probabilities of categories, covariates at their means (at zero, if asked).

        Returns
        -------
        pandas.DataFrame
            By outcome and class (and category): `mean`, `se`, `lower`, `upper`, `sd` (of normal outcomes; it
            is missing for others) and its standard error. Intervals of probabilities are symmetric as logits, those of
            expected counts as logarithms. Of two categories the second is shown.
        """
        q, rows, index = self.quantities, [], []
        for k in q.where(kind="mean"):
            key = q.keys.loc[k]
            if self._is_first_of_two(key):
                continue
            x, se = float(q.values[k]), float(q.se[k])
            lower, upper = self._interval(x, se, key)
            rows.append({"mean": x, "se": se, "lower": lower, "upper": upper, **self._sd(key)})
            index.append((key["outcome"], key["class"], key["category"]))
        names = ["outcome", "class", "category"]
        out = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=names) if index else None)
        if index and all(i[2] == "" for i in index):
            out = out.droplevel("category")
        return out

    def _is_first_of_two(self, key: pd.Series) -> bool:
        q = self.quantities.keys
        same = q[(q["kind"] == "mean") & (q["outcome"] == key["outcome"]) & (q["class"] == key["class"])]
        return len(same) == 2 and key["category"] == same["category"].iloc[0]

    def _sd(self, key: pd.Series) -> dict[str, float]:
        q = self.quantities
        own = [k for k in q.where(kind="sd", outcome=key["outcome"]) if q.keys.loc[k, "class"] in ("", key["class"])]
        if not own:
            return {"sd": np.nan, "sd se": np.nan}
        return {"sd": float(q.values[own[0]]), "sd se": float(q.se[own[0]])}

    def _interval(self, x: float, se: float, key: pd.Series) -> tuple[float, float]:
        z, family = self._z, self._family(key["outcome"])
        if family.finite:
            half = z * se / max(x * (1 - x), 1e-300)
            return tuple(special.expit(special.logit(x) + np.array([-half, half])))
        if family.kind == "count":
            return x * np.exp(-z * se / x), x * np.exp(z * se / x)
        return x - z * se, x + z * se

    def _family(self, outcome: str):
        return next(r.family for r in self.model.responses if r.items == (outcome,))

    def outcome_coefficients(self) -> pd.DataFrame:
        """The equations of the outcomes: intercepts where covariates are zero, and slopes.

        Returns
        -------
        pandas.DataFrame
            By outcome, class (empty for what all classes have in common), category and term; as
            :meth:`coefficients` without odds ratios, on the scale of the predictor: logits, log rates, thresholds.
        """
        q, rows, index = self.quantities, [], []
        for kind in ("intercept", "outcome slope"):
            for k in q.where(kind=kind):
                if q.covariance[k, k] == 0:
                    continue
                key = q.keys.loc[k]
                rows.append(self._estimate(np.eye(len(q.values))[k]))
                index.append((key["outcome"], key["class"], key["category"], key["term"] or "(intercept)"))
        names = ["outcome", "class", "category", "term"]
        out = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=names) if index else None)
        return out.sort_index(level="outcome", sort_remaining=False) if index else out

    def tables(self) -> dict[str, pd.DataFrame]:
        """All there is, by the names of the files that the command line writes."""
        out = {}
        for k, v in enumerate(self.variables):
            out["coefficients" if k == 0 else f"coefficients_{v}"] = self.coefficients(variable=v)
        if self.transitions is not None:
            out["transitions"] = self.transitions
        if self.outcome_names:
            out |= {"outcomes": self.outcomes(), "outcome_coefficients": self.outcome_coefficients()}
        if len(self.tests):
            out["tests"] = self.tests
        if len(self.pairwise):
            out["pairwise"] = self.pairwise
        if len(self.shared):
            out["residual_covariances"] = self.shared
        out |= {"classes": self.monitor.classes, "errors": self.errors}
        return out if self.weights is None else out | {"weights": self.weights}

    def save(self, path: str | Path) -> Path:
        """Write the result to one NetCDF file, whole or not at all: a file that was there before stays until then.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.

        Raises
        ------
        ValueError
            An outcome has a family that is declared where no other program would find it.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> found = bm.three_step(fit, df, "x")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = bm.ThreeStep.load(found.save(f"{folder}/steps.nc"))
        >>> again.coefficients().equals(found.coefficients())
        True
        """
        from bayesmix.three_steps.stored import to_tree  # which knows this class

        path = as_path(path)
        tree = to_tree(self)
        with written(path) as aside:
            tree.to_netcdf(aside)
        return path

    @classmethod
    def load(cls, path: str | Path) -> ThreeStep:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            It is no such result, not a whole one or one of another version, or its model has a family that this
            program does not know.
        """
        from bayesmix.three_steps.stored import from_tree

        return from_tree(read_tree(path, "a result of bm.three_step", "a file written by ThreeStep.save"), path)

    def to_frame(self) -> pd.DataFrame:
        """Every estimate with its standard error, one a row, keyed by what it is of."""
        return self.quantities.table()

    def __repr__(self) -> str:
        doubt = f", {len(self.doubts)} doubt{'s' * (len(self.doubts) > 1)}" if self.doubts else ""
        of = f", pooled over {self.draws} draws" if self.draws else ""
        return (
            f"<ThreeStep {self.method}, {self.assignment}: {self.n_units} units, log-likelihood {self.loglik:.3f}, "
            f"{self.n_parameters} parameters{of}{doubt}>"
        )

    def sections(self) -> list[Section]:
        """What is printed."""
        return [*sections(self)]

    def __str__(self) -> str:
        return to_text(self.sections())

    def _repr_html_(self) -> str:
        tables = "".join(t.round(3).to_html() for t in self.tables().values())
        said = "".join(f"<p>{n}</p>" for n in (*self.notes, *self.doubts))
        return f"<p>{repr(self).strip('<>')}</p>{tables}{said}"
