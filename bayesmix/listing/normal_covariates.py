"""What the listing says of covariates that are variables of the model."""

from __future__ import annotations

import textwrap
from typing import Any

from bayesmix.layout import WIDTH, Section, make_table
from bayesmix.listing.factors import derived_row
from bayesmix.listing.parameters import Rows, row_of
from bayesmix.listing.regression import squared
from bayesmix.results import Estimates, Fit
from bayesmix.spec import Model

NOTE = (
    "These covariates are variables of the model, normal given what they are regressed on, and rows that miss them "
    "stay. The log-likelihood is that of the items and of these covariates: it, AIC and BIC do not compare with those "
    "of models in which the covariates are given."
)


def normal_covariates(fit: Fit) -> Section | None:
    """Means, regressions, variances, covariances and correlations of the covariates."""
    own = fit.model.normal_covariates
    if not own:
        return None
    rows, body = Rows(fit), list[tuple[str, ...]]()
    for e in own:
        for t in e.mean:
            x = fit.params[t.parameter.name]
            if t.covariates:
                labels = x[t.covariates.name].values
                body += [
                    (f"{e.name} on {labels[at[0]]}", *rows.cells(label)) for at, label in rows.entries(t.parameter.name)
                ]
            elif not t.effects:
                given = len([s for s in e.mean if s.covariates])
                body.append((f"{'intercept' if given else 'mean'} of {e.name}", *rows.cells(t.parameter.name)))
        if e.sd is not None:
            label = e.sd.parameter.name
            free = bool(row_of(rows.summary, label)["free"])
            body.append((f"variance of {e.name}", *(squared(label, rows) if free else _fixed(rows, label))))
    names = {e.name for e in own}
    further = [
        derived_row(fit, q, f"{q.kind} of {q.of} and {q.part}")
        for kind in ("covariance", "correlation")
        for q in Estimates.of(fit).of_kind(kind)
        if q.of in names
    ]
    out: list[Any] = [make_table(("", *rows.head), body)]
    out += [make_table(("", "estimate", "SE", "95% lower", "upper", ""), further)] if further else []
    residual = " Variances, covariances and correlations are those of residuals." if _regressed(fit.model) else ""
    return Section("Normal covariates", [*out, textwrap.fill(NOTE + residual, WIDTH - 6)])


def _fixed(rows: Rows, label: str) -> tuple[str, ...]:
    """The cells of a variance whose SD is fixed."""
    cells = rows.cells(label)
    return (f"{float(row_of(rows.summary, label)['estimate']) ** 2:.3f}", *cells[1:])


def _regressed(model: Model) -> bool:
    """Whether normal covariates are regressed on complete ones."""
    return any(t.covariates for e in model.normal_covariates for t in e.mean)


def said(fit: Fit) -> dict[str, str]:
    """Which covariates are variables of the model, how many rows miss them, and what the log-likelihood is of."""
    missing = fit.info.get("normal_covariates")
    if not fit.model.normal_covariates or missing is None:
        return {}
    words = ", ".join(f"{k} ({n} rows miss it)" for k, n in missing.items())
    on = next((t.covariates.formula for e in fit.model.normal_covariates for t in e.mean if t.covariates), "")
    return {
        "Normal covariates": words + (f", given {on}" if on else ""),
        "Likelihood of": f"items and {', '.join(missing)}: not comparable with fits in which these are given",
    }
