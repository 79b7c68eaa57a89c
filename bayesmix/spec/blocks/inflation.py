"""The inflation of counts with more zeros: by class, and on covariates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bayesmix.spec.blocks.priors import SLOPE
from bayesmix.spec.families import ZeroInflated, inflated_on_covariates
from bayesmix.spec.formulas import parse_terms
from bayesmix.spec.model import Covariates, Response, Term
from bayesmix.spec.parameters import Parameter, Prior

LOGIT = Prior("Logistic", mu=0.0, s=1.0)
"""The prior of a logit whose probability is uniform."""
DIM = "inflation_covariate"


def with_inflation(
    responses: Iterable[Response],
    formula: str | None,
    by: Sequence[str] = (),
    slopes_by: Sequence[str] = (),
    asked: str = "",
) -> tuple[Response, ...]:
    """Responses whose inflation w depends on covariates, logit w = a + b x, those of counts with more zeros.

    Parameters
    ----------
    responses : iterable of Response
    formula : str, optional
        Of x, one for all inflated items.
    by, slopes_by : sequence of str
        Class variables and groups over which a, or w without covariates, varies beside those that it has; over which b
        does.
    asked : str
        The setting that asks for `by`, in words.

    Raises
    ------
    ValueError
        Covariates or classes of the inflation where none is inflated; a formula that says nothing.
    """
    responses = tuple(responses)
    asked = f"inflation={formula!r}" if formula is not None else asked
    if asked and not any(isinstance(r.family, ZeroInflated) for r in responses):
        raise ValueError(
            f"{asked} came, but no response is inflated: give family=bm.zero_inflated_poisson() or "
            "bm.zero_inflated_negative_binomial()."
        )
    if formula is None and slopes_by and not by:
        raise ValueError(f"{asked} came without inflation, the formula of these slopes: give it, or leave it out.")
    if formula is not None and not [t for t in parse_terms(formula) if t != "1"]:
        raise ValueError(f"inflation={formula!r} came, which has no covariate: give one, or leave it out.")
    return tuple(_inflated(r, formula, by, slopes_by) for r in responses)


def _inflated(r: Response, formula: str | None, by: Sequence[str], slopes_by: Sequence[str]) -> Response:
    """The response, if it is inflated, with the dims `by` and the covariates."""
    if not isinstance(r.family, ZeroInflated):
        return r
    *counts, own = r.auxiliary
    w = replace(own.parameter, dims=(*by, *own.parameter.dims))
    if formula is None:
        return replace(r, auxiliary=(*counts, replace(own, parameter=w)))
    items = tuple(d for d in w.dims if d == r.item_dim)
    logit = Parameter(w.name.replace("inflation", "inflation_logit", 1), w.dims, prior=LOGIT)
    slope = Parameter(w.name.replace("inflation", "inflation_slope", 1), (*slopes_by, *items, DIM), prior=SLOPE)
    parts = (Term(logit), Term(slope, Covariates(DIM, formula)))
    return replace(r, family=inflated_on_covariates(r.family), auxiliary=(*counts, *parts))
