"""Classes of rows and clusters of any result: the same tables of a fit, a posterior and a prediction."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pandas as pd
import xarray as xr

from bayesmix.results.class_tables import ClassTables
from bayesmix.results.estimates import Estimates
from bayesmix.results.fit import Fit


@runtime_checkable
class Classified(Protocol):
    """What knows the classes of its rows and clusters: a fit, a prediction."""

    @property
    def class_tables(self) -> ClassTables:
        """What it says of them."""
        ...


Result = Fit | xr.DataTree | Classified
"""What is read here: of :func:`bayesmix.fit`, :func:`bayesmix.sample`, :func:`bayesmix.predict`."""


def tables_of(result: Result) -> ClassTables:
    """What `result`, a fit, a posterior or a prediction, says of classes.

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction

    Returns
    -------
    ClassTables
        Posterior class probabilities of rows and clusters, and class sizes by the model.

    Raises
    ------
    TypeError
        Something else.
    ValueError
        A posterior without the group `classes`.
    """
    if isinstance(result, Classified):
        return result.class_tables
    estimates = Estimates.of(result)
    if "classes" not in result.children:
        raise ValueError(
            "The posterior has no class probabilities (group 'classes'): it is of an earlier version, or they could "
            "not be made; sample again with bm.sample, or take bm.predict(post, df)."
        )
    table = result["classes"].to_dataset()
    names = [f"{c.name}_probability" for c in estimates.model.classes]
    return ClassTables(table, {k: estimates[k].value for k in names if k in estimates})


def class_probabilities(result: Result, name: str | None = None) -> pd.DataFrame:
    """Posterior class probabilities and the most likely class, keyed to the rows of the data (or to clusters).

    By Bayes' theorem on the levels of the model, with the answers y_ij of individual i in cluster j, the random effects
    eta_j (5) and the class D_j (26) of the cluster, and the class probabilities (4) of the individual,

        P(C_ij = c | y_j) = sum_d int P(C_ij = c | y_ij, eta, d) p(eta, D_j = d | y_j) d eta,
        P(C_ij = c | y_ij, eta, d) = P(c | eta, d) p(y_ij | c, eta, d) / sum_k P(k | eta, d) p(y_ij | k, eta, d),

    where y_j are the answers of the whole cluster; effects of individuals are integrated out of p(y_ij | ...). They are
    computed as the gradient of the log-likelihood with respect to a log factor over (i, c).

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
        Of a fit they are those at its estimates; of a posterior their averages over draws, which are
        P(C_ij = c | all data) with the uncertainty of the parameters in it. The classes stand in the order of the
        relabelled draws.
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        A row a row of the data (or a cluster, by its label): `C=1`, `C=2`, ..., `most_likely`; of a posterior also the
        SDs of the probabilities between draws, `C=1 sd`. Missing for rows without answers, which are in no fit.

    Raises
    ------
    ValueError
        There is no such class variable, or the posterior does not hold them.

    Examples
    --------
    >>> bm.class_probabilities(fit).columns.to_list()
    ['C=1', 'C=2', 'most_likely']
    """
    return tables_of(result).class_probabilities(name)


def paths(result: Result) -> pd.DataFrame:
    """The most likely path of each row of the data through the classes of its occasions, and who moved.

    The path (c_1, ..., c_T) with the largest P(C_1 = c_1, ..., C_T = c_T | all answers), which need not be made of the
    most likely class of each occasion: what the Viterbi algorithm finds in a hidden Markov model, Rabiner (1989),
    section III.B, here of all paths. Of a posterior the probabilities are averaged over draws.

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
        What :func:`bayesmix.fit`, :func:`bayesmix.sample` or :func:`bayesmix.predict` returns, of a model with several
        class variables of individuals, such as :func:`bayesmix.models.lta`.

    Returns
    -------
    pandas.DataFrame
        A column a class variable, `probability` of this path given all answers, `moved` (whether
        it has a move) and `P(moved)` (the probability of a move); the last two where the occasions
        have the same classes. NA for rows without answers.

    Raises
    ------
    ValueError
        The model has one class variable of individuals.

    Examples
    --------
    >>> bm.paths(transitions_fit).columns.to_list()
    ['C1', 'C2', 'probability', 'moved', 'P(moved)']
    """
    return tables_of(result).paths()


def class_counts(result: Result, name: str | None = None) -> pd.DataFrame:
    """Individuals (or clusters) in each class three ways: by the model, by posterior probability, by most likely class.

    Of n units, those with answers, by their frequencies f_i (Mplus prints the same three),

        model: n P(C = k),   posterior: sum_i f_i P(C_i = k | data),   most likely: sum_i f_i [argmax_c P(C_i = c) = k].

    At a maximum of a model without covariates the first two are equal.

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
        What :func:`bayesmix.fit`, :func:`bayesmix.sample` or :func:`bayesmix.predict` returns.
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        A row a class, numbers of units: `model` (class probabilities averaged over covariates; of a prediction missing,
        unless they vary from row to row), `posterior`, `most likely`; and their shares, `model %`, `posterior %`,
        `most likely %`, between 0 and 1.

    Raises
    ------
    TypeError
        No such result.
    ValueError
        There is no such class variable, or the posterior does not hold class probabilities.

    Examples
    --------
    >>> float(bm.class_counts(fit)["posterior"].sum().round(6))
    200.0
    """
    return tables_of(result).class_counts(name)


def classification(result: Result, name: str | None = None) -> pd.DataFrame:
    """Average posterior probabilities (columns) of those most likely in each class (rows).

    With w_is one for the most likely class s of unit i and zero for the others, and its frequency f_i,

        A_sc = sum_i f_i w_is P(C_i = c | data) / sum_i f_i w_is.

    The other way round, P(most likely class = s | C = c) = A_sc n_s / sum_r A_rc n_r with the numbers n_s of those most
    likely in s: these are the errors of assignment of :func:`bayesmix.three_step`, Vermunt (2010), equation (6).

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
        What :func:`bayesmix.fit`, :func:`bayesmix.sample` or :func:`bayesmix.predict` returns.
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        A_sc in row s and column c, (class, class): rows sum to one; missing for a class that is nobody's most likely.

    Raises
    ------
    TypeError
        No such result.
    ValueError
        There is no such class variable, or the posterior does not hold class probabilities.

    Examples
    --------
    >>> bool((np.diag(bm.classification(fit)) >= 0.5).all())
    True
    """
    return tables_of(result).classification(name)


def classification_diagnostics(result: Result, name: str | None = None) -> pd.DataFrame:
    """How well units are classified by their most likely class: AvePP, odds of correct classification, mcaP.

    With the size pi_k of class k and AvePP_k, the average of P(C = k | data) over those whose most likely class is k,

        OCC_k = [AvePP_k / (1 - AvePP_k)] / [pi_k / (1 - pi_k)],

    how much better than by chance those in class k are classified, Nagin (2005), section 5.2: above 5 in all classes is
    held to be good, and AvePP above .7. mcaP_k is the share of units whose most likely class is k, Masyn (2013): it is
    to be near pi_k.

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        A row a class: `size` (by the model; of a prediction by posterior probability), `AvePP`, `OCC` (infinite where
        AvePP is 1), `mcaP`, and its `difference` from the size. AvePP and OCC are missing for a class that is nobody's
        most likely one.

    Raises
    ------
    ValueError
        There is no such class variable, or the posterior does not hold class probabilities.

    Examples
    --------
    >>> found = bm.classification_diagnostics(fit)
    >>> found.columns.to_list(), float(found["mcaP"].sum())
    (['size', 'AvePP', 'OCC', 'mcaP', 'difference'], 1.0)
    """
    return tables_of(result).classification_diagnostics(name)


def entropies(result: Result, name: str | None = None) -> pd.DataFrame:
    """The entropy of each unit's class probabilities, keyed to the rows of the data (or to clusters).

        E_i = - sum_k P(C_i = k | data) log P(C_i = k | data),    certainty_i = 1 - E_i / log K.

    The certainty is 1 where the class is known and 0 where all classes are as likely; its average is the entropy of
    the listing, :meth:`bayesmix.Fit.class_entropy`.

    Parameters
    ----------
    result : Fit, xarray.DataTree or Prediction
    name : str, optional
        The class variable; the first one if left out.

    Returns
    -------
    pandas.DataFrame
        Columns `entropy` and `certainty`; missing for rows without answers, and the latter for one class.

    Raises
    ------
    ValueError
        There is no such class variable, or the posterior does not hold class probabilities.

    Examples
    --------
    >>> found = bm.entropies(fit)
    >>> round(float(found["certainty"].mean()) - fit.entropy, 9)
    0.0
    """
    return tables_of(result).entropies(name)
