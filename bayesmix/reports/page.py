"""A result as one HTML file: what it says in words, in pictures and in tables, without anything from elsewhere."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

import pandas as pd
import xarray as xr

from bayesmix.data import as_frame
from bayesmix.enumeration import Enumeration
from bayesmix.files import as_path, written
from bayesmix.layout import Pairs, Section, method, number, pairs, to_text
from bayesmix.listing import sections
from bayesmix.ml import doubts
from bayesmix.reports.gallery import Picture, of_comparison, of_enumeration, of_study, pictures
from bayesmix.reports.markup import as_page, blocks, element, in_box, listed
from bayesmix.reports.tidy import Reported, check_reported
from bayesmix.results import Comparison, Estimates, Fit, compare, sampler, words
from bayesmix.results import rows as of_draws
from bayesmix.spec import takes_level
from bayesmix.studies import Study
from bayesmix.three_steps import METHODS, ThreeStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE, DOTS = 600_000, 160
"""Bytes beyond which a picture is one of dots, and how many an inch it has then."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load: nothing from elsewhere, and no script at all."""
SAMPLERS = ("pymc", "pytensor", "arviz", "nutpie")
OF_DRAWS = (
    *("Draws", "Largest R-hat", "Pareto k of the weights", "Effective points", "Log marginal likelihood"),
    *("Smallest bulk ESS", "Divergent transitions"),
)
"""What a page says of draws."""
FEW = 12
"""So many parameters at a boundary are named."""


@takes_level
def to_html(
    what: Reported,
    path: str | Path,
    *,
    post: xr.DataTree | None = None,
    df: pd.DataFrame | None = None,
    title: str | None = None,
    data: str | None = None,
    plots: bool = True,
    level: float | None = None,
) -> Path:
    """Write a result as one HTML file, to read, to print and to hand on.

    The file holds all that it shows: no script, font, style or picture comes from elsewhere. The same result makes
    the same file. It has a summary with what is to be known before the numbers are read, pictures with captions, the
    listing (:func:`bayesmix.report`) as tables and as text, and how it was computed.

    Parameters
    ----------
    what : Fit, xarray.DataTree, Enumeration, Study or ThreeStep
        What :func:`bayesmix.fit`, :func:`bayesmix.sample`, :func:`bayesmix.enumerate_classes`,
        :func:`bayesmix.study` or :func:`bayesmix.three_step` returns.
    path : str or pathlib.Path
        The file. One that is there is replaced, whole or not at all.
    post : xarray.DataTree, optional
        The posterior of the same model, to stand beside a fit.
    df : pandas.DataFrame, optional
        The data of a fit or posterior: some pictures need them (the outcome of a regression by class, random effects
        of clusters, scores where rows have frequencies).
    title : str, optional
        Heading of the page; the model with its numbers of classes if left out.
    data : str, optional
        Which data these are, in words: a file, a survey.
    plots : bool
        Whether there are pictures.
    level : float, optional
        Of the intervals; 0.95 if left out.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    TypeError
        Another kind of result, or a `post` that is none.
    ValueError
        A `post` without a fit, or of another model or other data.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = bm.to_html(fit, f"{folder}/report.html", plots=False)
    ...     path.read_text(encoding="utf-8")[:15]
    '<!DOCTYPE html>'
    """
    path = as_path(path)
    check_reported(what, post, "bm.to_html")
    df = None if df is None else as_frame(df)
    found = _compared(what, post)
    about = _about(what, found, data)
    drawn = [_figure(p) for p in _pictures(what, found, df)] if plots else []
    if plots and isinstance(what, (Fit, xr.DataTree)):
        drawn.append(_diagram(what))
    page = _page(title or about.title, about, drawn, sections(what, post))
    with written(path) as aside:
        aside.write_text(page, encoding="utf-8", newline="\n")
    return path


def _compared(what: Reported, post: xr.DataTree | None) -> Comparison | None:
    """Lay the estimates of a fit, of a posterior or of both side by side."""
    if isinstance(what, Fit):
        return compare(what, post)
    return compare(post=what) if isinstance(what, xr.DataTree) else None


# what stands at the top ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _About:
    """The top of a page: its title, a sentence, names and values, and what is to be known first."""

    title: str
    lead: str
    rows: Pairs
    said: list[str]
    computed: Pairs


def _about(what: Reported, found: Comparison | None, data: str | None) -> _About:
    if isinstance(what, Enumeration):
        return _about_enumeration(what, data)
    if isinstance(what, Study):
        return _about_study(what)
    if isinstance(what, ThreeStep):
        return _about_three_step(what, data)
    assert found is not None
    return _about_fit(what, found, data) if isinstance(what, Fit) else _about_posterior(what, found, data)


def _about_fit(fit: Fit, found: Comparison, data: str | None) -> _About:
    info, d = fit.info, found.diagnostics
    named = _named(info.get("model", ""), info.get("classes", {}))
    rows = {
        "Model": named,
        "Data": data,
        "Individuals": fit.n_individuals,
        "Clusters": fit.n_clusters,
        "Design of the survey": fit.model.survey.words or None,
        "Class sizes": _sizes(Estimates.of(fit)),
        "Free parameters": fit.n_parameters,
        "Log-likelihood": number(fit.loglik),
        "BIC": number(fit.bic),
        "Entropy": None if math.isnan(fit.entropy) else number(fit.entropy),
        "Best value reached by": f"{fit.replicated} of {int(fit.starts['loglik'].notna().sum())} starts",
        "Posterior": f"{d['chains']} chains of {d['draws']} draws" if d else None,
    }
    said = [*doubts(fit), *_of_boundary(fit), *_sentences(words(d))]
    if fit.quality.get("interrupted"):
        said.append("The search was interrupted: only the starts that were finished count.")
    beside = f", with the posterior of the same model by {sampler(d)} beside it" if d else ""
    lead = f"Estimated by {'pseudo ' if fit.model.survey else ''}maximum likelihood{beside}."
    return _About(named, lead, pairs(rows.items()), said, pairs(_computed(info).items()))


def _about_posterior(post: xr.DataTree, found: Comparison, data: str | None) -> _About:
    estimates, d = Estimates.of(post), found.diagnostics
    info = estimates.settings.get("about", {})
    named = _named(info.get("model", ""), info.get("classes", {}))
    rows = {
        "Model": named,
        "Data": data,
        "Individuals": info.get("n_individuals"),
        "Clusters": info.get("n_clusters"),
        "Class sizes (posterior means)": _sizes(estimates),
        **{k: v for k, v in of_draws(d).items() if k in OF_DRAWS},
    }
    computed = {
        "Program": f"bayesmix {_version('bayesmix')} (of this page)",
        "Estimator": f"posterior by {sampler(d)}",
        "Integration of random effects": _nodes(info),
        "Versions": f"{_versions({k: _version(k) for k in SAMPLERS})} (of this page)",
        "Fingerprint of the data": estimates.settings.get("identity", {}).get("data"),
    }
    said = _sentences(words(d))
    return _About(named, f"The posterior, by {sampler(d)}.", pairs(rows.items()), said, pairs(computed.items()))


def _about_enumeration(found: Enumeration, data: str | None) -> _About:
    fits = found.fits
    one = next(iter(fits.values()))
    bic = found.table["BIC"].dropna()
    rows = {
        "Model": one.info.get("model"),
        "Data": data,
        "Individuals": one.n_individuals,
        "Clusters": one.n_clusters,
        "Numbers of classes": ", ".join(map(str, fits)),
        "Smallest BIC": f"{bic.idxmin()} classes" if len(bic) else "none: every start collapsed",
    }
    said = [f"{k} classes: {s}" for k, f in fits.items() for s in doubts(f)]
    title = f"How many classes: {one.info.get('model')}"
    lead = "One model with several numbers of classes, each by maximum likelihood."
    return _About(title, lead, pairs(rows.items()), said, pairs(_computed(one.info).items()))


def _about_study(study: Study) -> _About:
    info = study.info
    rows = {
        "Population": info["population"],
        "Models": ", ".join(study.models),
        "Individuals": info["individuals"],
        "Clusters": info["clusters"],
        "Replications": f"{len({r['replication'] for r in study.records})} of {info['asked']}",
    }
    failed = len(study.failures)
    said = [f"{failed} of {len(study.records)} fits failed: they are left out of the averages."] if failed else []
    computed = {"Program": f"bayesmix {_version('bayesmix')}", "Estimator": info["estimator"], "Seed": info["seed"]}
    lead = "Data drawn from a known population, and what the estimates are like on average."
    return _About("Monte Carlo study", lead, pairs(rows.items()), said, pairs(computed.items()))


def _about_three_step(found: ThreeStep, data: str | None) -> _About:
    rows = {
        "Class variables": ", ".join(found.variables),
        "Outcomes": ", ".join(found.outcome_names),
        "Data": data,
        "Units": found.n_units,
        "Log-likelihood": number(found.loglik),
        "Free parameters": found.n_parameters,
    }
    computed = {
        "Program": f"bayesmix {_version('bayesmix')} (of this page)",
        "Method": METHODS[found.method],
        "Assignment": found.assignment,
        "Standard errors": found.standard_errors,
    }
    lead = "Classes related to covariates and outcomes that have no part in what the classes are."
    said = [f"Not to be trusted: {d}." for d in found.doubts]
    return _About("Three steps", lead, pairs(rows.items()), said, pairs(computed.items()))


def _named(name: str, classes: Mapping[str, int]) -> str:
    """``lca, 3 classes``; ``lta, 2 classes of C1, 3 classes of C2``."""
    some = {k: n for k, n in classes.items() if n > 1}
    if len(some) == 1:
        return f"{name}, {next(iter(some.values()))} classes"
    return f"{name}, {', '.join(f'{n} classes of {k}' for k, n in some.items())}" if some else name


def _sizes(estimates: Estimates) -> str:
    """``C: 58%, 42%`` for each class variable that has sizes."""
    found = {c.name: estimates.get(f"{c.name}_probability") for c in estimates.model.classes}
    sizes = {k: v.value.values for k, v in found.items() if v is not None and v.value.ndim == 1 and v.value.size > 1}
    return "; ".join(f"{k}: {', '.join(f'{100 * p:.1f}%' for p in x)}" for k, x in sizes.items())


def _of_boundary(fit: Fit) -> list[str]:
    names = [*map(str, fit.quality.get("boundary", []))]
    if not names:
        return []
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return [f"At a boundary, without standard errors: {', '.join(names[:FEW])}{more}."]


def _sentences(said: list[str]) -> list[str]:
    return [f"{s[:1].upper()}{s[1:]}." for s in said]


def _computed(info: Mapping[str, Any]) -> dict[str, Any]:
    """Say how a fit was made: enough to make it again."""
    errors = {"robust": "robust (sandwich)", "hessian": "inverse Hessian"}
    asked = ("starts", "finals", "rounds", "seed", "budget")
    return {
        "Program": f"bayesmix {_version('bayesmix')} (of this page)",
        "Estimator": "penalised maximum likelihood" if info.get("priors") else "maximum likelihood",
        "Priors": "; ".join(f"{k}: {v}" for k, v in info.get("priors", {}).items()),
        "Standard errors": errors.get(info.get("standard_errors", ""), "-"),
        "Integration of random effects": _nodes(info),
        "Search": ", ".join(f"{k} {info[k]:g}" for k in asked if k in info),
        "Smallest residual SD": f"{info['smallest_sd']:g} of the item's" if "smallest_sd" in info else None,
        "Engine": info.get("mode"),
        "Seconds": number(float(info["seconds"]), 1) if "seconds" in info else None,
        "Versions": _versions(info.get("versions", {})),
        "Fingerprint of the data": info.get("identity", {}).get("data"),
        "Fingerprint of the model": info.get("identity", {}).get("model"),
    }


def _nodes(info: Mapping[str, Any]) -> str:
    return ", ".join(f"{method(v)} over effects of {k}s" for k, v in info.get("nodes", {}).items()) or "none needed"


def _versions(found: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {v}" for k, v in found.items())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


# pictures -----------------------------------------------------------------------------------------


def _pictures(what: Reported, found: Comparison | None, df: pd.DataFrame | None) -> Iterator[Picture]:
    if isinstance(what, Enumeration):
        yield of_enumeration(what)
    elif isinstance(what, Study):
        yield from of_study(what)
    elif found is not None and not isinstance(what, ThreeStep):
        yield from pictures(what, df)
        yield of_comparison(found)


def _figure(p: Picture) -> Element:
    """Draw a picture; say why where it cannot be drawn."""
    import matplotlib.pyplot as plt

    head = element("h3", p.title)
    try:
        with plt.ioff(), plt.rc_context({"svg.hashsalt": p.name}):  # names inside are the same each time
            drawn = p.draw()
            try:
                kind, made, width = _bytes_of(drawn)
            finally:
                plt.close(drawn)
    except ValueError as reason:
        return element("section", head, element("p", f"Not drawn: {reason}"))
    return element("section", head, _framed(p.name, p.title, p.caption, kind, made, width))


def _bytes_of(figure: Figure) -> tuple[str, bytes, float]:
    """Draw into bytes: lines, or dots where there would be very many lines; and the width in pixels."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    kind = "svg+xml"
    if out.tell() > LARGE:
        kind, out = "png", io.BytesIO()
        figure.savefig(out, format="png", dpi=DOTS, metadata={"Software": None}, facecolor="white")
    return kind, out.getvalue(), 96 * float(figure.get_size_inches()[0])


def _framed(name: str, title: str, caption: str, kind: str, made: bytes, width: float) -> Element:
    source = f"data:image/{kind};base64,{base64.b64encode(made).decode()}"
    image = element("img", src=source, alt=f"{title}. {caption}", style=f"--width: {width:.0f}px", width=f"{width:.0f}")
    return element("figure", in_box(image, title), element("figcaption", caption), id=f"picture-{name}")


def _diagram(what: Fit | xr.DataTree) -> Element:
    """Draw the path diagram; say what it takes where Graphviz is missing."""
    from bayesmix import plots

    title, head = "Path diagram", element("h3", "Path diagram")
    spread = "standard errors" if isinstance(what, Fit) else "posterior standard deviations"
    caption = (
        "What depends on what: circles are latent (classes, factors, random effects), boxes are columns of the data. "
        f"Numbers are estimates, with {spread} in brackets."
    )
    try:
        svg = plots.diagram(what)._repr_svg_()
    except (ImportError, ValueError) as reason:
        return element("section", head, element("p", f"Not drawn: {reason}"))
    points = re.search(r'<svg width="([\d.]+)pt"', svg)
    width = 4 / 3 * float(points[1]) if points else 700.0
    return element("section", head, _framed("diagram", title, caption, "svg+xml", svg.encode(), width))


# the page -----------------------------------------------------------------------------------------


def _page(title: str, about: _About, drawn: list[Element], parts: list[Section]) -> str:
    """Put the page together."""
    chapters = {"Pictures": drawn} if drawn else {}
    chapters |= {s.title: [*blocks(s)] for s in parts if s.title != "Saved"}
    chapters["How it was computed"] = [*blocks(Section("How it was computed", [about.computed]))]
    chapters["The listing as text"] = [_as_text(to_text(parts))]
    names = {name: f"part-{k}" for k, name in enumerate(chapters, start=1)}
    contents = [element("a", name, href=f"#{anchor}") for name, anchor in names.items()]
    main = element(
        "main",
        *_warned(about.said),
        element("section", *blocks(Section("Summary", [about.rows])), aria_label="Summary"),
        *(_chapter(name, names[name], inside) for name, inside in chapters.items()),
        id="content",
    )
    nav = element("nav", element("h2", "Contents", id="contents"), listed(contents), aria_labelledby="contents")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"bayesmix {_version('bayesmix')}"),
        element("title", title),
        element("style", _style()),
    )
    skip = element("a", "To the content", href="#content", class_="skip")
    top = element("header", element("h1", title), element("p", about.lead, class_="lead"))
    return as_page(
        element("html", head, element("body", skip, element("div", top, nav, main, class_="frame")), lang="en")
    )


@cache
def _style() -> str:
    return files("bayesmix.reports").joinpath("page.css").read_text(encoding="utf-8")


def _warned(said: list[str]) -> list[Element]:
    if not said:
        return []
    head = element("h2", "Before you read the numbers", id="warnings")
    return [element("section", head, listed(said), class_="warnings", aria_labelledby="warnings")]


def _chapter(name: str, anchor: str, inside: list[Element]) -> Element:
    full = {"class_": "full"} if name == "The listing as text" else {}
    return element("section", element("h2", name, id=anchor), *inside, aria_labelledby=anchor, **full)


def _as_text(text: str) -> Element:
    return element("details", element("summary", "Show the listing"), in_box(element("pre", text), "The listing"))
