"""Which pictures a result has, each with a caption: those of a page and those that the command line writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix import plots
from bayesmix.data import frame_weights, weight_columns
from bayesmix.goodness import residuals
from bayesmix.plots.ellipses import MOST
from bayesmix.plots.regression_diagram import is_simple_regression
from bayesmix.results import Comparison, Estimates, Fit, entered
from bayesmix.spec import Model, level_words
from bayesmix.studies import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayesmix.enumeration import Enumeration

INTERVALS = {True: "95% intervals by the standard errors", False: "equal-tailed 95% intervals of the posterior"}
"""What stands about a number, written for 95%: of a fit, or of a posterior."""


@dataclass(frozen=True)
class Picture:
    """A picture that can be drawn.

    Attributes
    ----------
    name : str
        Of its file, without an ending.
    title, caption : str
        What it is, and how it is read.
    draw : callable
        Draws it; a ValueError says why it cannot be drawn.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def pictures(result: Fit | xr.DataTree, df: pd.DataFrame | None = None) -> Iterator[Picture]:
    """List the pictures that make sense for the model of `result`; those that need the data only with `df`."""
    estimates, is_fit = Estimates.of(result), isinstance(result, Fit)
    model, intervals = estimates.model, INTERVALS[is_fit].replace("95%", level_words())
    if model.is_mixture:
        yield _picture("classes", "Sizes of the classes", f"The share of each class, with {intervals}.",
                       lambda: plots.classes(result)[0])  # fmt: skip
    if model.has_trajectories and (df is not None or (model.sums and model.repeated is None)):
        with_persons = " over the lines of persons, in the colour of their most likely class" if df is not None else ""
        yield _picture("trajectories", "Trajectories", TRAJECTORIES.format(intervals, with_persons),
                       lambda: _first_of(plots.trajectories(result, df)))  # fmt: skip
    outcomes = all(r.of_outcomes for r in model.responses)
    if not (model.sums or outcomes or is_simple_regression(model)):
        title, caption = OF_CLASSES if model.is_mixture else OF_ITEMS
        yield _picture("profile", title, caption.format(intervals), lambda: plots.profile(result)[0])
    elif isinstance(result, Fit) and df is not None and not model.sums:
        yield from _of_regression(result, df)
    if any(r.family.joint for r in model.responses) and not outcomes and 1 < len(model.items) <= MOST:
        yield _picture("profile_pairs", "Classes for two items at a time", PAIRS,
                       lambda: plots.profile_pairs(result, df)[0, 0])  # fmt: skip
    if isinstance(result, Fit) and any(e.name in result.effect_scores for e in model.factors):
        yield _picture("scores", "Factor scores", SCORES, lambda: plots.scores(result, df)[0])
    if model.factors and not model.sums and _has_curves(model):
        at = "their means" if df is not None else "zero"
        given = f" Covariates of items are at {at}." if any(t.covariates for t in _item_terms(model)) else ""
        yield _picture("item_curves", "Item curves", CURVES + given, lambda: plots.item_curves(result, df)[0])
        yield _picture("information", "Information", INFORMATION + given, lambda: plots.information(result, df)[0])
    if isinstance(result, Fit) and df is not None and len(model.items) > 1 and not model.survey:
        yield _picture("residuals", "Residuals of pairs of items", RESIDUALS,
                       lambda: plots.residuals(residuals(result, df)))  # fmt: skip
    if isinstance(result, Fit) and any(str(k).endswith("_membership") for k in result.effect_scores):
        yield from _of_memberships(result, df)
    if entered(estimates):
        yield _picture("transitions", "Transitions", TRANSITIONS, lambda: _first_of(plots.transitions(result)))
        yield from (_of_chain(result, g.name, k) for g in model.lasting for k in range(1, g.size + 1))
    if any(c.effects for k in model.classes_at("individual") for c in k.predictor):
        yield _picture("class_curves", "Class probabilities over the random effects", CLASS_CURVES,
                       lambda: plots.class_curves(result, df=df)[0])  # fmt: skip


TRAJECTORIES = "The expected trajectory of each class, with {},{}."
OF_CLASSES = (
    "Profiles of the classes",
    "What each class answers to each item, with {}: the probability of a category, averaged over individuals, or of "
    "numbers their mean. Lines join the answers of one class.",
)
OF_ITEMS = (
    "Answers to the items",
    "What is answered to each item, with {}: the probability of a category, averaged over individuals, or of numbers "
    "their mean.",
)
PAIRS = (
    "The classes for two items at a time: an ellipse holds half of a class by its residual covariance matrix, the "
    "point is its mean."
)
SCORES = (
    "How the factor scores (EAP) are distributed, with their reliability, and the posterior standard deviation of each "
    "person's score against it."
)
CURVES = (
    "The probability of each answer over the factor, by item and class. The steeper a curve, the better the item tells "
    "persons apart there."
)
INFORMATION = (
    "Where on the factor the items tell persons apart: the information of each item and of the test, and the standard "
    "error of measurement that follows."
)
TRANSITIONS = (
    "Bars are the sizes of the classes at each occasion; bands are as wide as the share of individuals that take this "
    "transition. The number in a band is the probability of the class entered, given the class left."
)
CLASS_CURVES = (
    "How the probabilities of the classes change over the random effects of their logits, over the range that clusters "
    "or persons span."
)
RESIDUALS = (
    "How far the model is off for each two items: of categories Pearson's chi-square of their two-way table over its "
    "degrees of freedom, of numbers the squared standardised residual of their covariance. It is about 1 where the "
    "model holds."
)
OUTCOME = "The outcome in each class: an individual counts in each with its posterior probability."
RANDOM_EFFECTS = (
    "A point is a cluster: its slope against its intercept, both empirical Bayes means, which are shrunk to the "
    "average."
)

RANDOM_INTERCEPTS = (
    "A point is a cluster: its intercepts of two outcomes, both empirical Bayes means, which are shrunk to the average."
)


def _picture(name: str, title: str, caption: str, axes: Callable[[], Any]) -> Picture:
    """A picture of what draws it and returns Axes."""
    return Picture(name, title, caption, lambda: axes().figure)


def _first_of(axes: Any) -> Any:
    """One of the Axes of a picture."""
    return axes[0] if isinstance(axes, np.ndarray) else axes


def _of_regression(fit: Fit, df: pd.DataFrame) -> Iterator[Picture]:
    responses = fit.model.responses
    numbers = [i for r in responses if r.family.kind != "categorical" for i in r.items]
    for k, item in enumerate(numbers):
        name, title = ("", "outcome") if len(fit.model.items) == 1 else (f"_{k + 1}", f"outcome {item}")
        yield _picture(f"outcome{name}", f"The {title} by class", OUTCOME,
                       lambda item=item: plots.outcome(fit, df, item=item)[0])  # fmt: skip
    random = [t for r in responses for t in r.predictor if t.effects]
    if any(t.covariates for t in random):
        yield _picture("random_effects", "Intercepts and slopes of the clusters", RANDOM_EFFECTS,
                       lambda: plots.random_effects(fit, df))  # fmt: skip
    elif sum(len(t.effects) for t in random) > 1 and all(r.of_outcomes for r in responses):
        yield _picture("random_effects", "Intercepts of the clusters", RANDOM_INTERCEPTS,
                       lambda: plots.random_effects(fit, df))  # fmt: skip


def _of_memberships(fit: Fit, df: pd.DataFrame | None) -> Iterator[Picture]:
    columns = weight_columns(fit.model)
    if columns and df is None:
        return
    freq = frame_weights(fit.model, df).tolist() if columns and df is not None else None
    caption = "How many persons have which grade of membership in each class (posterior means)."
    yield _picture("memberships", "Grades of membership", caption, lambda: plots.memberships(fit, freq=freq)[0])


def _of_chain(result: Fit | xr.DataTree, name: str, k: int) -> Picture:
    """Picture the transitions in one class of chains."""
    return _picture(f"transitions_{name}{k}", f"Transitions, {name} = {k}", TRANSITIONS,
                    lambda: plots.transitions(result, chain_class=k))  # fmt: skip


def _has_curves(model: Model) -> bool:
    return any(r.family.finite and any(t.effects for t in r.predictor) for r in model.responses)


def _item_terms(model: Model) -> list[Any]:
    return [t for r in model.responses for t in r.terms]


def of_comparison(found: Comparison) -> Picture:
    """Picture the estimates with their intervals: by maximum likelihood, of the posterior, or both side by side."""
    both = found.table["ml"].notna().any() and found.table["mean"].notna().any()
    beside = "Estimates by maximum likelihood and posterior means side by side" if both else "Estimates"
    name = "comparison" if both else "estimates"
    title = "Maximum likelihood beside the posterior" if both else "Estimates"
    return Picture(
        name, title, f"{beside}, with {level_words()} intervals. An arrow at an edge: further out.", found.plot
    )


def of_enumeration(found: Enumeration) -> Picture:
    """Picture the information criteria over the number of classes."""
    caption = "Information criteria over the number of classes. Smaller is better; BIC is what the fits are ranked by."
    return _picture("enumeration", "How many classes", caption, lambda: plots.enumeration(found))


def of_study(study: Study) -> Iterator[Picture]:
    """Picture each model of which the population's values are known."""
    caption = (
        "Bias, average standard error over the spread of the estimates, and cover of the 95% intervals, with their "
        "Monte Carlo error. A filled point is off by more than that."
    )
    for k, name in enumerate(study.models, start=1):
        if not study.summary(name)["cover"].isna().all():
            file = f"study_{k}" if len(study.models) > 1 else "study"
            yield _picture(file, f"Recovery: {name}", caption, partial(_first, study, name))


def _first(study: Study, name: str) -> Any:
    return plots.study(study, name)[0]
