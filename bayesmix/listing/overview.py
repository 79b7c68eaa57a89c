"""The listing: everything of a fit as text, in the order in which users of Mplus look for it; rich lays it out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import xarray as xr
from rich.console import Console, Group

from bayesmix.layout import (
    WIDTH,
    Listing,
    Pairs,
    Section,
    Table,
    family,
    laid_out,
    make_table,
    method,
    number,
    packed,
    pairs,
    to_text,
)
from bayesmix.listing.classes import classification, counts, whose
from bayesmix.listing.factors import factors, item_response
from bayesmix.listing.growth import growth
from bayesmix.listing.normal_covariates import normal_covariates, said
from bayesmix.listing.parameters import (
    constraints,
    covariates,
    expected,
    explained,
    odds,
    probability_scale,
    random_parts,
    residual_correlations,
    results,
    transitions,
)
from bayesmix.listing.regression import equations, outcome
from bayesmix.listing.survey_design import PSEUDO, errors_of_design, survey
from bayesmix.results import Fit
from bayesmix.spec import TINY, Model, level_words, takes_level


@runtime_checkable
class Listed(Protocol):
    """What lists itself: an enumeration, a study."""

    def sections(self) -> list[Section]:
        """The sections to print."""
        ...


SHOWN_STARTS = 12
SHORTLY = {"detour": "one class more", "answers": "frequent answer"}


@takes_level
def report(what: Fit | Listed | xr.DataTree, post: xr.DataTree | None = None, *, level: float | None = None) -> Listing:
    """The whole of a fit as plain text of at most 100 columns.

    Parameters
    ----------
    what : Fit, Enumeration, Study, ThreeStep or xarray.DataTree
        What :func:`bayesmix.fit`, :func:`bayesmix.enumerate_classes`, :func:`bayesmix.study`,
        :func:`bayesmix.three_step` or :func:`bayesmix.sample` returns.
    post : xarray.DataTree, optional
        The posterior of the same model, to stand beside the fit.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    Listing
        A `str`. Of a fit: model and data, random starts, fit, class counts, classification, results,
        probability scale, odds ratios, quality of the numerical results, and the posterior if there
        is one. Of an enumeration: the information criteria. Of a study: its averages.

    Examples
    --------
    >>> print(bm.report(fit).splitlines()[0])
    MODEL AND DATA
    """
    return to_text(sections(what, post))


def show(what: Fit | Listed | xr.DataTree, post: xr.DataTree | None = None, console: Console | None = None) -> None:
    """Print the listing: with styles on a terminal, else the plain text.

    Parameters
    ----------
    what : Fit, Enumeration or Study
    post : xarray.DataTree, optional
        The posterior of the same model.
    console : rich.console.Console, optional
        Where to; standard output if left out.
    """
    console = console or Console(highlight=False)
    found = sections(what, post)
    if console.is_terminal:
        console.print(Group(*laid_out(found)), width=min(WIDTH, console.width))
    else:
        console.file.write(to_text(found))


def sections(what: Fit | Listed | xr.DataTree, post: xr.DataTree | None = None) -> list[Section]:
    """The sections of a listing: those of a fit, with its posterior beside it, or of what lists itself.

    Raises
    ------
    TypeError
        Anything else.
    """
    if isinstance(what, Fit):
        return [_in_level(s) for s in _sections(what, post)]
    if isinstance(what, xr.DataTree):
        from bayesmix.listing import posterior

        return [_in_level(s) for s in posterior.sections(what)]
    if isinstance(what, Listed):
        return what.sections()
    raise TypeError(
        f"What is to be listed came as {type(what).__name__}, expected what bm.fit, bm.sample, bm.enumerate_classes, "
        "bm.study or bm.three_step returns: give one of these."
    )


def _sections(fit: Fit, post: xr.DataTree | None) -> list[Section]:
    shown = _class_variables(fit)
    found = [
        _model(fit), survey(fit), _starts(fit), _fit(fit),
        counts(fit.class_tables, shown), classification(fit.class_tables, shown), growth(fit),
        *(equations(fit) if fit.model.is_regression else [*results(fit), *item_response(fit), factors(fit)]),
        normal_covariates(fit),
        constraints(fit), residual_correlations(fit), random_parts(fit), transitions(fit), explained(fit),
        expected(fit), probability_scale(fit), odds(fit), _quality(fit), _posterior(fit, post), _saved(fit),
    ]  # fmt: skip
    return [s for s in found if s is not None and s.body]


# model and data, starts, fit ----------------------------------------------------------------------


def _model(fit: Fit) -> Section:
    info = fit.info
    errors = {"robust": "robust (sandwich)", "hessian": "inverse Hessian"}.get(info.get("standard_errors", ""), "-")
    errors = errors_of_design(info["survey"]) if info.get("survey") else errors
    size = {} if not fit.n_clusters else {"Average cluster size": number(fit.n_individuals / fit.n_clusters, 1)}
    regression, factor_names = fit.model.is_regression, [e.name for e in fit.model.factors]
    integration = ", ".join(f"{method(v)} over effects of {k}s" for k, v in info.get("nodes", {}).items())
    rows = {
        "Model": info.get("model"),
        "Class variables": ", ".join(_variables(fit.model)) if fit.model.is_mixture else "",
        "Factors": ", ".join(factor_names),
        "Regression of": outcome(fit.model) if regression else None,
        "Outcomes of clusters": ", ".join(i for r in fit.model.responses if r.level == "cluster" for i in r.items),
        "Items": None if regression else f"{len(info.get('items', []))}: {', '.join(map(str, info.get('items', [])))}",
        "Families": ", ".join(dict.fromkeys(family(f) for f in info.get("families", {}).values())),
        **covariates(fit.model),
        **said(fit),
        "Cluster column": info.get("cluster"),
        "Frequency column": info.get("freq"),
        **_of_groups(fit),
        "Estimator": f"{'pseudo ' if info.get('survey') else ''}maximum likelihood, {errors} standard errors",
        "Integration": integration or "none needed",
        "Rows in the data": info.get("n_rows"),
        "Rows left out (no answer)": info.get("n_left_out", 0) - info.get("survey", {}).get("zero", 0),
        "Individuals": fit.n_individuals,
        "Clusters": fit.n_clusters,
        **size,
        "Distinct patterns computed": info.get("n_patterns"),
        "Missing-data patterns": info.get("n_missing_patterns"),
        "Random starts": _number_of_starts(fit),
        "Other starts": _origins(fit),
        "Time": f"{number(info.get('seconds', float('nan')), 1)} s ({info.get('mode', '')})",
    }
    return Section("Model and data", [pairs(rows.items())])


def _of_groups(fit: Fit) -> dict[str, str]:
    """The observed groups, and the columns of known classes with what these call the classes."""
    model, coding = fit.model, fit.info.get("coding", {})
    out = {}
    if model.group is not None:
        labels = coding.get("groups") or []
        out["Group column"] = model.group + (f" ({', '.join(map(str, labels))})" if labels else "")
        out["Likelihood"] = "conditional on the group"
    for name, column in model.known:
        classes = ", ".join(f"{k} = {label}" for k, label in enumerate(coding.get("known", {}).get(name, ()), start=1))
        out[f"Known classes of {name}"] = column + (f" ({classes})" if classes else "")
    return out


def _number_of_starts(fit: Fit) -> str:
    n, size = int((fit.starts["origin"] == "random").sum()), fit.info["starts"]
    rounds = -(-n // size)
    return f"{n}, in {rounds} round{'s' if rounds > 1 else ''} of {size}, seed {fit.info['seed']}"


def _origins(fit: Fit) -> str:
    """How many starts came from elsewhere, and from where."""
    of = fit.starts["origin"].value_counts()
    named = {
        "given": "given",
        "simpler model": "from simpler models",
        "detour": "from one class more",
        "answers": "around frequent answers",
    }
    return ", ".join(f"{of[k]} {words}" for k, words in named.items() if k in of)


def _variables(model: Model) -> list[str]:
    """``C (2 classes)``; ``C (2 classes of individuals)`` where there are others."""
    several = any(c.level != "individual" for c in model.classes)
    stayed = {c.stays[1] for c in model.classes if c.stays}
    out = []
    for c in model.classes:
        whose = " of chains" if c.lasting else f" of {c.level}s" if several else ""
        out.append(f"{c.name} ({c.size} classes{whose}{', the last of stayers' if c.name in stayed else ''})")
    return out


def _starts(fit: Fit) -> Section:
    done = fit.starts[fit.starts["loglik"].notna()]
    columns = {
        "log-likelihood": done["loglik"].map(number),
        "seed": [
            str(s) if o == "random" else SHORTLY.get(o, o) for s, o in zip(done["seed"], done["origin"], strict=True)
        ],
        "after short run": done["short"].map(number),
        "iterations": done["iterations"].map(str),
        "status": done["status"].map(str),
    }
    if done["short"].isna().all():  # a model without classes has none
        del columns["after short run"]
    rows = [(str(k), *cells) for k, cells in enumerate(zip(*columns.values(), strict=True), start=1)]
    table = make_table(("rank", *columns), rows[:SHOWN_STARTS], left=0)
    return Section("Random starts, ranked", [table, _replication(fit, len(done)), *_other_starts(fit, len(done))])


def _replication(fit: Fit, n: int) -> str:
    k, q = fit.replicated, fit.quality
    gone, unfinished = q.get("collapsed", 0), q.get("unfinished", 0)
    reached = f"reached by {k} of {n - gone} starts that ran to convergence."
    if gone == n:
        said = ["EVERY start collapsed: the log-likelihood means nothing."]
    elif k >= 2:
        said = [f"Best value replicated: {reached}"]
    else:
        said = [f"Best value NOT replicated: {reached} It may be a local", "maximum; ask for more starts."]
    if q.get("ends", 0) > 1:
        share = f"an estimated {q['unseen']:.0%} of further starts would end at another"
        said.append(f"They ended at {q['ends']} different values; {share}.")
    if gone:
        said += [
            f"{_plural(gone, 'start')} collapsed: the residual SD that is named ran down to its floor, or near it with",
            f"a few answers; the floor is {fit.info['smallest_sd']:g} of the item's SD, or its rounding.",
            "They rank last: a class of a few equal answers has a likelihood as high as the floor lets it.",
        ]
    if unfinished:
        said.append(f"{_plural(unfinished, 'start')} did not get to the end (status `unfinished`).")
    return "\n".join(said)


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _other_starts(fit: Fit, n: int) -> list[str]:
    out = []
    if n > SHOWN_STARTS:
        out.append(
            f"{n - SHOWN_STARTS} more in fit.starts, ranked behind these; the first of them "
            f"{fit.starts['loglik'].iloc[SHOWN_STARTS]:.3f}."
        )
    rest = fit.starts[fit.starts["loglik"].isna()]
    failed = rest[rest["status"].str.startswith("failed")]
    if len(rest) > len(failed):
        short = rest["short"].max()
        out.append(f"{len(rest) - len(failed)} more stopped after the short run; the best of them {number(short)}.")
    if len(failed):
        out.append(f"{len(failed)} failed ({failed['status'].iloc[0].removeprefix('failed: ')}).")
    if fit.quality.get("interrupted"):
        out.append("The search was INTERRUPTED: these are the starts that were finished.")
    return ["\n".join(out)] if out else []


def _fit(fit: Fit) -> Section:
    rows = {
        "Free parameters": fit.n_parameters,
        "Log-likelihood": number(fit.loglik),
        "Scaling factor (robust)": number(fit.quality.get("scaling", float("nan"))),
        "AIC": number(fit.aic),
        f"BIC (n = {fit.n_individuals} individuals)": number(fit.bic),
        f"BIC (n = {fit.n_clusters} clusters)": number(fit.bic_clusters) if fit.n_clusters else None,
        "Sample-size-adjusted BIC": number(fit.adjusted_bic),
    }
    persons = (
        f"Where each '{fit.info.get('cluster')}' is a person and each row an occasion, n is the number of clusters."
    )
    notes = [f"Individuals are the rows of the data.\n{persons}"] if fit.n_clusters else []
    if (of := fit.model.repeated) is not None:
        notes = [f"Individuals are those of '{of.person}', whose measurements are the rows of the data."]
    if pooled := fit.info.get("pooled"):
        notes.append(
            f"Averages over {pooled['m']} imputations: a log-likelihood of no data set, to be read beside others of\n"
            "the same. Standard errors have the variance between imputations in them (fit.pooling)."
        )
        if turned := pooled.get("reordered"):
            notes.append(f"Classes were put in the order of the first: {len(turned)} of {pooled['m']} imputations.")
    notes += [PSEUDO] if fit.info.get("survey") else []
    return Section("Fit", [pairs(rows.items()), *notes])


# numerical quality, posterior, files --------------------------------------------------------------


def _quality(fit: Fit) -> Section:
    q = fit.quality
    rows = [
        ("Condition number (smallest / largest eigenvalue of the information)", f"{q.get('condition', math.nan):.2e}"),
        ("Largest entry of the gradient", f"{q.get('gradient', math.nan):.2e}"),
        ("Parameters at a boundary", len(q.get("boundary", [])) or "none"),
    ]
    body: list[Any] = [pairs(rows)]
    if q.get("boundary"):
        body.append(packed(q["boundary"]) + ":\nno standard errors.")
    if "audit" in q:
        body.append(_audit(q))
    if q.get("equal_solutions", 1) > 1:
        body.append(
            f"{q['equal_solutions']} DIFFERENT solutions have this log-likelihood: the model is not identified "
            "by these data."
        )
    body += [f"NOT made, for a step after the search failed: {what} ({why})." for what, why in q["failed"].items()]
    return Section("Quality of the numerical results", body)


def _audit(q: Mapping[str, Any]) -> str:
    verdict = "fine" if abs(q["audit"]) < 0.1 else "LARGE: take more nodes"
    change = round(q["audit"], 4) + 0.0  # no "-0.0000"
    nodes, finer = method(q["nodes"]), method(q["audit_nodes"])
    return f"Quadrature audit: {change:+.4f} in log-likelihood from {nodes} to {finer} ({verdict})."


def _in_level(section: Section) -> Section:
    """Put the level of the intervals into heads and notes, which are written for 95%."""

    def written(text: str) -> str:
        return text.replace("95% ", f"{level_words()} ")

    def of(block: str | Table | Pairs) -> str | Table | Pairs:
        if isinstance(block, Table):
            return replace(block, head=[*map(written, block.head)])
        return written(block) if isinstance(block, str) else block

    return Section(section.title, [of(block) for block in section.body])


def _posterior(fit: Fit, post: xr.DataTree | None) -> Section | None:
    if post is None:
        return None
    from bayesmix.results import compare, sampler
    from bayesmix.results import rows as of_chains

    found = compare(fit, post)
    head = ("", "ML", "SE", "mean", "SD", "95% lower", "upper", "R-hat", "ESS")
    columns = ["ml", "ml_se", "mean", "sd", "eti_lower", "eti_upper", "r_hat"]
    table = found.table.where(found.table.abs() > TINY, found.table * 0.0)
    rows = [(str(k), *map(number, r[columns]), number(r["ess_bulk"], 0)) for k, r in table.iterrows()]
    body = [pairs(of_chains(found.diagnostics).items()), make_table(head, rows), found.loglik]
    return Section(f"Posterior ({sampler(found.diagnostics)}) beside maximum likelihood; equal-tailed intervals", body)


def _class_variables(fit: Fit) -> list[str]:
    return fit.class_variables if fit.model.is_mixture else []


def _saved(fit: Fit) -> Section | None:
    units = [
        f"{name} of {len(fit.class_probabilities(name))} {whose(fit.class_tables, name, 'rows of the data')}"
        for name in _class_variables(fit)
    ]
    body = [f"Class probabilities, by fit.class_probabilities(): {'; '.join(units)}."] if units else []
    scores = [str(k) for k in fit.effect_scores.data_vars]
    graded = [k.removesuffix("_membership") for k in scores if k.endswith("_membership")]
    if graded:
        body.append(
            f"Grades of membership in {', '.join(graded)} of {fit.info.get('n_rows')} rows of the data, by "
            "fit.memberships()."
        )
    for dim, unit in (("row", "rows of the data"), ("cluster", "clusters")):
        if effects := [k for k in scores if f"{k}_sd" in scores and fit.effect_scores[k].dims == (dim,)]:
            n = fit.effect_scores.sizes[dim]
            body += _scores(effects, [e.name for e in fit.model.factors], f"of {n} {unit}, by fit.effects().")
    if "path" in fit.classes:
        body.append(f"Most likely paths of {fit.info.get('n_rows')} rows of the data, by fit.paths().")
    return Section("Saved", ["\n".join(body)]) if body else None


def _scores(effects: list[str], of_factors: list[str], rest: str) -> list[str]:
    """Factor scores, then other effects."""
    kinds = {"Factor scores": [k for k in effects if k in of_factors]}
    kinds["Random effects"] = [k for k in effects if k not in of_factors]
    return [f"{title} {', '.join(some)} {rest}" for title, some in kinds.items() if some]
