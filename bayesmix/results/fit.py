"""What maximum likelihood returns: a frozen :class:`Fit`, kept on disk as one NetCDF file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.files import as_path, written
from bayesmix.results.class_tables import ClassTables, memberships_of, plain_coords
from bayesmix.results.imputations import pooling_table
from bayesmix.results.labels import entries
from bayesmix.results.on_demand import made_on_demand
from bayesmix.results.uncertainty import Errors, Uncertainty
from bayesmix.spec import IDENTITY, Model, Nodes, check_model, decode, encode, from_text, takes_level, two_sided

FORMAT = 2
"""Of saved results: those of format 1 did not hold their model."""

SampleSize = Literal["individuals", "clusters"]


def check_sample_size(n: object, two_level: bool) -> None:
    """Refuse what is no sample size, and clusters where there are none.

    Raises
    ------
    ValueError
        Another word, or clusters of a model that has none.
    """
    if n not in ("individuals", "clusters"):
        raise ValueError(f"n came as {n!r}: give 'individuals' (the rows of the data) or 'clusters'.")
    if n == "clusters" and not two_level:
        raise ValueError("n came as 'clusters', but the model has none: give 'individuals' (the rows of the data).")


ALONE = ("random", "detour", "given")
"""Origins of starts that count for themselves."""


def same_maximum(loglik: float, best: float) -> bool:
    """Whether two converged log-likelihoods are the same maximum: within 1e-5, and nine digits."""
    return loglik > best - 1e-5 - 1e-9 * abs(best)


TABLES = (
    "se", "se_hessian", "probabilities", "probabilities_se", "derived", "derived_se", "free", "classes",
    "effect_scores", "uncertainty",
)  # fmt: skip
"""What is made of a maximum when it is read."""


@made_on_demand(*TABLES)
@dataclass(frozen=True, repr=False)
class Fit:
    """A maximum-likelihood solution.

    Tables (standard errors, probabilities, classes, effects) are made when they are read for the first time, and then
    kept; a fit that is saved has all of them.

    Attributes
    ----------
    model : Model
        The declaration that was fitted.
    params, se : xarray.Dataset
        Parameters on their natural scales with dims, and their standard errors (NaN at a boundary).
    se_hessian : xarray.Dataset
        Standard errors from the inverse Hessian; `se` are robust (sandwich) unless asked otherwise.
    probabilities, probabilities_se : xarray.Dataset
        Probability scale: classes, and item categories by class.
    derived, derived_se : xarray.Dataset
        SDs, correlations and intraclass correlations (20) of the random parts of class logits.
    loglik : float
        Log-likelihood at the maximum.
    n_parameters, n_individuals, n_clusters : int
        Free parameters and sample sizes (`n_clusters` None for a single-level model).
    starts : pandas.DataFrame
        Every random start: seed, log-likelihood after the short and after the long run, status.
    classes : xarray.Dataset
        Posterior class probabilities, one row a row of the data (NaN for rows without answers).
    effect_scores : xarray.Dataset
        EAP and posterior SD of the random effects.
    quality : dict
        Condition number, largest gradient entry, scaling factor, quadrature audit, boundary names.
    info : dict
        Settings and versions: enough to run the fit again.
    solutions : xarray.Dataset
        Natural parameters of the different solutions that the search saw, the best first, and their `loglik`.
    uncertainty : xarray.Dataset
        Covariances of the free parameters as the optimiser moves them, and the derivatives of all numbers by these:
        what :attr:`covariance`, tests and contrasts are made of. Empty in files of earlier versions.

    Examples
    --------
    >>> fit.n_parameters, fit.params["class_logit"].dims
    (9, ('C',))
    >>> bool(fit.bic > fit.aic)
    True
    """

    model: Model
    params: xr.Dataset
    se: xr.Dataset
    se_hessian: xr.Dataset
    probabilities: xr.Dataset
    probabilities_se: xr.Dataset
    derived: xr.Dataset
    derived_se: xr.Dataset
    loglik: float
    n_parameters: int
    n_individuals: int
    n_clusters: int | None
    starts: pd.DataFrame
    classes: xr.Dataset
    effect_scores: xr.Dataset
    free: xr.Dataset
    quality: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    solutions: xr.Dataset = field(default_factory=xr.Dataset)
    uncertainty: xr.Dataset = field(default_factory=xr.Dataset)

    def __getstate__(self) -> dict[str, Any]:
        """All tables, made where they were not yet: another process has no data to make them of."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __post_init__(self) -> None:
        """Let the parameters know how the data were coded: they are handed on without the fit."""
        if coding := self.info.get("coding"):
            object.__setattr__(self, "params", self.params.assign_attrs(coding=json.dumps(coding)))

    @property
    def aic(self) -> float:
        """-2 log L + 2 p."""
        return -2 * self.loglik + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """-2 log L + p log n with n individuals, R(33): rows of the data, by their frequencies.

        Where each cluster is a person and each row an occasion, n persons are wanted: :attr:`bic_clusters`.
        """
        return self.bic_of("individuals")

    @property
    def bic_clusters(self) -> float | None:
        """-2 log L + p log J with J clusters; None where there are none."""
        return self.bic_of("clusters") if self.n_clusters else None

    @property
    def adjusted_bic(self) -> float:
        """The sample-size-adjusted BIC: n individuals replaced by (n + 2) / 24."""
        return self.adjusted_bic_of("individuals")

    @property
    def design_df(self) -> int | None:
        """Degrees of freedom of the design of a survey: primary sampling units less strata.

        Of replicate weights their rank less one. None without strata, primary sampling units and replicate weights.
        """
        return self.info.get("survey", {}).get("df")

    def t_df(self, name: str) -> Any:
        """Degrees of freedom of t for the intervals of a table of numbers; None where these are normal.

        Those of the design of a survey (:attr:`design_df`); of a pooled fit those of Barnard and Rubin (1999), in the
        table's shape.

        Parameters
        ----------
        name : str
            Of a parameter, a probability or a derived quantity.

        Examples
        --------
        >>> fit.t_df("class_logit") is None
        True
        """
        if not self.info.get("pooled"):
            return self.design_df
        known = Uncertainty.of(self)
        x = next(ds[name] for ds in (self.params, self.probabilities, self.derived) if name in ds)
        return known.t_df(known.slopes[:, known.positions(entries(name, x))]).reshape(x.shape)

    @property
    def pooling(self) -> pd.DataFrame:
        """Of a fit that :func:`bayesmix.pool` made: what imputations add to the errors of each free parameter.

        Columns `within`, `between` and `total` (variances), `df`, `missing information`, `relative efficiency`.

        Raises
        ------
        ValueError
            The fit is none of several imputations.
        """
        if not (pooled := self.info.get("pooled")):
            raise ValueError("The fit is of one data set: fits of several imputations are pooled by bm.pool([...]).")
        kind = self.info.get("standard_errors", "robust")
        return pooling_table(self.uncertainty, self.uncertainty[kind].values, pooled)

    def sample_size(self, n: SampleSize = "individuals") -> int:
        """The n of information criteria.

        Parameters
        ----------
        n : {"individuals", "clusters"}
            Rows of the data, by their frequencies, or clusters: the persons where each row is an occasion.

        Raises
        ------
        ValueError
            Another word, or clusters of a model that has none.
        """
        check_sample_size(n, bool(self.n_clusters))
        return int(self.n_individuals if n == "individuals" else cast(int, self.n_clusters))

    def bic_of(self, n: SampleSize = "individuals") -> float:
        """-2 log L + p log n with the n of :meth:`sample_size`."""
        return -2 * self.loglik + self.n_parameters * float(np.log(self.sample_size(n)))

    def adjusted_bic_of(self, n: SampleSize = "individuals") -> float:
        """The sample-size-adjusted BIC with the n of :meth:`sample_size`."""
        return -2 * self.loglik + self.n_parameters * float(np.log((self.sample_size(n) + 2) / 24))

    @property
    def nodes(self) -> dict[str, Nodes]:
        """How the random effects of each level were integrated in the end."""
        return {k: from_text(v) for k, v in self.info.get("nodes", {}).items()}

    @property
    def replicated(self) -> int:
        """How many starts that ran to convergence reached the best log-likelihood.

        Starts from solutions of simpler models, also those with a class around a frequent answer, count as one.
        """
        sound = self.starts[~self.starts["status"].str.startswith("collapsed") & self.starts["loglik"].notna()]
        values = sound["loglik"].to_numpy(dtype=float)
        best = sound[np.array([same_maximum(v, values.max()) for v in values], dtype=bool)]
        alone = best["origin"].isin(ALONE)
        return int(alone.sum()) + int((~alone).any())

    @property
    def collapsed(self) -> bool:
        """Whether a residual SD has collapsed even in the best start: the log-likelihood means nothing."""
        return str(self.starts["status"].iloc[0]).startswith("collapsed")

    @property
    def covariance(self) -> pd.DataFrame:
        """Covariance matrix of the free parameters on their natural scales, by the chosen errors.

        Rows and columns are labelled by entry, ``class_logit[1]``; of entries that are held equal the first stands for
        all. Those at a boundary, or in a flat direction, have NaN: there the log-likelihood has no curvature from
        which an error could be read. The square roots of the diagonal are those of `se`.

        Raises
        ------
        ValueError
            The fit was saved by a version that kept no covariance matrix.
        """
        return self._covariance()

    @property
    def covariance_hessian(self) -> pd.DataFrame:
        """The same from the inverse Hessian."""
        return self._covariance("hessian")

    @property
    def covariance_robust(self) -> pd.DataFrame:
        """The same from the sandwich of unit (cluster) scores; refused where priors penalise the fit."""
        return self._covariance("robust")

    def _covariance(self, errors: Errors | None = None) -> pd.DataFrame:
        known = Uncertainty.of(self, errors)
        columns = known.slopes[:, known.positions(known.names)]
        table = columns.T @ known.covariance @ columns
        table[known.boundary], table[:, known.boundary] = np.nan, np.nan
        return pd.DataFrame(table, index=known.names, columns=known.names)

    @property
    def class_tables(self) -> ClassTables:
        """What the fit says of the classes of its rows and clusters; the methods below read it."""
        return ClassTables(self.classes, self.probabilities)

    @property
    def entropy(self) -> float:
        """1 - (mean entropy of the posterior of all classes together) / log K, K the number of their combinations.

        Of individuals, or of clusters where all classes are theirs. With one class variable it is
        :meth:`class_entropy`; NaN where there is none, and where there are too many combinations to tell.
        """
        return self.class_tables.entropy

    @property
    def class_variables(self) -> list[str]:
        """Class variables of individuals and clusters: those that have posterior probabilities."""
        return self.class_tables.variables

    def paths(self) -> pd.DataFrame:
        """The most likely path of each row of the data: :func:`bayesmix.paths` of the fit."""
        return self.class_tables.paths()

    def path_counts(self) -> pd.DataFrame:
        """Individuals that go each path: by posterior probability and by most likely path, the most frequent first."""
        return self.class_tables.path_counts()

    def class_entropy(self, name: str | None = None) -> float:
        """1 - (mean entropy of the posterior class probabilities) / log K; NaN for K = 1.

        Parameters
        ----------
        name : str, optional
            The class variable; the first one if left out.
        """
        return self.class_tables.class_entropy(name)

    def class_probabilities(self, name: str | None = None) -> pd.DataFrame:
        """Posterior class probabilities of each row or cluster: :func:`bayesmix.class_probabilities` of the fit."""
        return self.class_tables.class_probabilities(name)

    def classification(self, name: str | None = None) -> pd.DataFrame:
        """Average posterior probabilities by most likely class: :func:`bayesmix.classification` of the fit."""
        return self.class_tables.classification(name)

    def class_counts(self, name: str | None = None) -> pd.DataFrame:
        """Individuals in each class three ways: :func:`bayesmix.class_counts` of the fit."""
        return self.class_tables.class_counts(name)

    def effects(self) -> xr.Dataset:
        """EAP (`<name>`) and posterior SD (`<name>_sd`) of each random effect; grades of membership."""
        return self.effect_scores

    def memberships(self, name: str | None = None, *, level: float | None = None) -> pd.DataFrame:
        """Grades of membership of each row of the data: posterior mean, SD and an interval by class.

        The parameters are taken as they were estimated; the intervals are of the person, not of them.

        Parameters
        ----------
        name : str, optional
            The class variable of the items; the first one if left out.
        level : {0.5, 0.8, 0.9, 0.95, 0.99}, optional
            Of the intervals, which are kept with the fit; 0.95 if left out. ``bm.predict(fit, df, level=0.7)`` has any.

        Raises
        ------
        ValueError
            The model has no classes of items with random effects of individuals; another level.
        """
        return memberships_of(self.effect_scores, name, level)

    @takes_level
    def summary(self, *, level: float | None = None) -> pd.DataFrame:
        """Every parameter: estimate, SE, ratio, two-sided p, interval; fixed ones are marked.

        p and interval are normal ones; with the design of a survey those of t with its degrees of freedom
        (:attr:`design_df`), of pooled fits those of t with each parameter's.

        Parameters
        ----------
        level : float, optional
            Of the intervals; 0.95 if left out.

        Raises
        ------
        ValueError
            No number between 0 and 1.
        """
        frames = []
        for name, x in ((k, x) for k, x in self.params.data_vars.items() if k not in self.model.offsets):
            rows = pd.DataFrame(
                {
                    "estimate": x.values.ravel(),
                    "se": self.se[name].values.ravel(),
                    "free": self.free[name].values.ravel(),
                },
                index=entries(str(name), x),
            )
            frames.append(rows[~self.model.unlisted(str(name), x.shape).ravel()])
        out = pd.concat(frames)
        out.loc[~out["free"], "se"] = np.nan
        ratio = out["estimate"] / out["se"].where(out["se"] > 0)
        df = self.pooling["df"].reindex(out.index).fillna(np.inf) if self.info.get("pooled") else self.design_df
        out["ratio"], out["p"] = ratio, two_sided(ratio, df)
        out["lower"], out["upper"] = IDENTITY.interval(out["estimate"], out["se"], df=df)
        return out[["estimate", "se", "ratio", "p", "lower", "upper", "free"]]

    def __repr__(self) -> str:
        entropy = "" if np.isnan(self.entropy) else f"entropy {self.entropy:.3f}, "
        several = f"mean of {self.info['pooled']['m']} imputations, " if self.info.get("pooled") else ""
        return (
            f"<Fit {self.info.get('model', '')}: {several}log-likelihood {self.loglik:.3f}, "
            f"{self.n_parameters} parameters, BIC {self.bic:.2f}, {entropy}best value reached {self.replicated} times>"
        )

    def _repr_html_(self) -> str:
        head = repr(self).strip("<>")
        counts = self.class_counts().round(3).to_html() if self.class_variables else ""
        return f"<p>{head}</p>{counts}{self.summary().round(4).to_html()}"

    def to_html(self, path: str | Path, **more: Any) -> Path:
        """Write the fit as one HTML file, to read, to print and to hand on: :func:`bayesmix.to_html`.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.
        **more
            As there: `post`, `df`, `title`, `data`, `plots`.
        """
        import bayesmix as bm

        return bm.to_html(self, path, **more)  # the page lies above the numbers

    def save(self, path: str | Path) -> Path:
        """Write the fit to one NetCDF file, whole or not at all: a file that was there before stays until then.

        Parameters
        ----------
        path : str or pathlib.Path
            The file.

        Raises
        ------
        ValueError
            The model has a family that is declared where no other program would find it.
        """
        path = as_path(path)
        parts = {k: getattr(self, k) for k in _DATASETS} | {"starts": _starts_dataset(self.starts)}
        tree = xr.DataTree.from_dict({f"/{k}": plain_coords(v) for k, v in parts.items()})
        scalars = {k: getattr(self, k) for k in ("loglik", "n_parameters", "n_individuals", "n_clusters")}
        held = {**scalars, "quality": dict(self.quality), "info": dict(self.info)}
        held |= {"format": FORMAT, "model": encode(self.model)}
        tree.attrs["bayesmix"] = json.dumps(held, default=_plain)
        packed = {"/uncertainty": {"slopes": {"zlib": True}}} if "slopes" in self.uncertainty else None  # mostly zeros
        with written(path) as aside:
            tree.to_netcdf(aside, encoding=packed)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Fit:
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
            The file is not a saved fit, not a whole one or one of another version, or its model has a family
            that this program does not know.
        """
        tree = read_tree(path, "a fit saved by bayesmix", "a file written by Fit.save")
        held = settings_of(tree)
        model = stored_model(held, f"'{path}'", "bm.fit") if "loglik" in held else None
        try:
            there = [k for k in _DATASETS if k != "uncertainty" or k in tree.children]  # earlier versions had none
            parts = {k: tree[k].to_dataset() for k in there}
            starts = tree["starts"].to_dataset().to_dataframe().reset_index(drop=True)
            parts["free"] = parts["free"].astype(bool)
            rest = {k: x for k, x in held.items() if k not in ("format", "model")}
            return cls(**parts, model=cast(Model, model), starts=starts, **rest)
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"'{path}' is not a fit saved by bayesmix: give a file written by Fit.save.") from None


def model_and_fit(model: Model | Fit) -> tuple[Model, Fit | None]:
    """Split a fit that came in the place of `model` into its model and the fit.

    Raises
    ------
    TypeError
        Neither a model nor a fit.
    """
    if isinstance(model, Fit):
        return model.model, model
    check_model(model)
    return model, None


def refuse_fit_beside(settings: Mapping[str, Any], call: str) -> None:
    """Answer a ``fit=`` among `settings` beside a model by the `call` that takes its place.

    Raises
    ------
    TypeError
        It came.
    """
    if "fit" in settings:
        came = type(settings["fit"]).__name__
        raise TypeError(f"fit came as {came} beside the model: a fit knows its model, give it alone, {call}.")


def settings_of(tree: xr.DataTree) -> dict[str, Any]:
    """Read what a saved fit or a posterior, `tree`, carries beside its numbers; nothing if it is of another origin."""
    try:
        held = json.loads(tree.attrs.get("bayesmix", "{}"))
    except (TypeError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def stored_model(settings: Mapping[str, Any], where: str, function: str) -> Model:
    """Read the model that `settings` of a saved result hold.

    Parameters
    ----------
    settings : mapping
        What :func:`settings_of` returned.
    where, function : str
        The result in words, and what made it, for the message of an error.

    Raises
    ------
    ValueError
        It was saved by another version, or its model has a family that this program does not know.
    """
    if not settings:
        raise ValueError(f"{where} does not say of which model it is: give what {function} returns, with its attrs.")
    version = settings.get("format", 1) if "model" in settings else 1
    if version != FORMAT:
        raise ValueError(
            f"{where} is of {'an earlier' if version < FORMAT else 'a later'} version of bayesmix (format {version}; "
            f"this one reads {FORMAT}) and does not hold its model in a form that can be read: run {function} again."
        )
    return decode(settings["model"])


def read_tree(path: str | Path, what: str, wanted: str) -> xr.DataTree:
    """A DataTree from a file, all of it in memory.

    Parameters
    ----------
    path
        The file.
    what, wanted : str
        What it was to be, and what to give instead, for the message of an error.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It cannot be read: another kind of file, or one that was cut short.
    """
    if not as_path(path).is_file():
        raise FileNotFoundError(f"There is no file '{path}': give {wanted}.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except Exception as error:  # h5py and xarray raise all kinds
        said = " ".join(str(error).split())[:200]
        raise ValueError(
            f"'{path}' cannot be read as {what} ({type(error).__name__}: {said}): it may be cut short, or another "
            f"kind of file; give {wanted}."
        ) from None


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"A fit cannot keep {value!r} on disk: its settings are numbers, text, lists and mappings of them.")


_DATASETS = (
    "params", "se", "se_hessian", "probabilities", "probabilities_se", "derived", "derived_se", "classes",
    "effect_scores", "free", "solutions", "uncertainty",
)  # fmt: skip


def _starts_dataset(starts: pd.DataFrame) -> xr.Dataset:
    ds = xr.Dataset.from_dataframe(starts)
    return ds.assign({k: ds[k].astype(str) for k in ds if ds[k].dtype == object})
