"""Write the page "Validated against" from the tables that hold published values beside ours."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "data" / "studies"

NOT_RUN = "only with --all"
VERDICTS = {
    "equal": "equal, within 0.002 and the rounding of what was printed",
    "better": "a higher likelihood than the published one",
    NOT_RUN: "takes many minutes, not run for this table",
}
STUDY_TABLES = {
    "section_4": """### Section 4: a two-level latent transition model

The data behind the paper's Table 1 are not public. `data/toca.csv` is generated from the values that the
paper prints, so that our estimates differ from them by sampling: 1200 pupils in 100 classrooms. Standard
errors stand beside.""",
    "table_2": """### Section 5, Table 2: mean squared errors

50 clusters of 10, two equal classes; four models of the class logit. The last column is the difference in
units of the Monte Carlo error of our value, which is about $\\sqrt{2 / n}$ of it for n replications of a
normal estimate.""",
    "table_3": """### Section 5, Table 3: one sample by two models

A class of clusters (model 5) and a random effect of huge variance (model 6) have the same likelihood. The
published values are of another sample. The variance of a logit that has no maximum ends at a boundary: only
"huge" can be compared.""",
    "table_6": """### Section 8, Table 6: factor mixtures

425 generated boys, 18 items (`data/ucla.csv`); the published values are of the study's own data. What can be
compared are the numbers of parameters, and the order of the models. The text's restrictions make 55 and 56
parameters, the paper's table prints 56 and 57.""",
    "section_2_2_bic": """## Muthén and Asparouhov (2009)

### Section 2.2: data of the mixture

200 clusters of 15 from the mixture of Fig. 3, fitted by it and by the conventional random slope model of Fig.
4. The paper reports that BIC chooses the mixture.""",
    "section_2_2_fig_3": "The eleven parameters of the mixture in these replications:",
    "section_2_2_fig_4": """The conventional model in the same replications. As the paper says, the effect of the
cluster's covariate on the slope is negative and significant, though there is none:""",
    "reverse_bic": """### The other way round: data of the conventional model

The mixture is not chosen where there is none:""",
    "reverse_fig_4": "The parameters of the conventional model in these replications:",
}
"""What stands above each table of `data/studies/`, in the order of the page."""


def page() -> str:
    """Write the whole page in MyST markdown."""
    values = read_published()
    parts = [
        _introduction(values),
        _not_met(values),
        _data_sets(values),
        _studies(),
        _recovery(),
        _calibration(),
        _sizes(),
        _three_steps(),
        _weights(),
    ]
    return "\n\n".join(["# Validated against", *(text for part in parts for text in part)]) + "\n"


def read_published() -> pd.DataFrame:
    """Read the published values as they are printed, each with its data set and source."""
    folder = ROOT / "benchmarks"
    values, sources = (
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False) for name in ("published", "sources")
    )
    found = [
        next(
            s
            for _, s in sources[sources["data"] == row["data"]].iterrows()
            if s["models"] in row["model"]
        )
        for _, row in values.iterrows()
    ]  # fmt: skip
    return values.assign(what=[s["what"] for s in found], source=[s["source"] for s in found])


def markdown(rows: Iterable[Iterable[object]], head: Iterable[str], text: Iterable[int] = (0,)) -> str:
    """Lay out a table; the columns whose places are among `text` hold text, the others numbers."""
    head, text = [*head], {*text}
    marks = ["---" if k in text else "---:" for k in range(len(head))]
    lines = [head, marks, *([str(cell).replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _introduction(values: pd.DataFrame) -> Iterator[str]:
    """Say what was compared, and how often it was met."""
    yield (
        "Every number on this page comes from a table in the repository: `benchmarks/published.csv`, which "
        "`make published` writes, and `data/studies/`, which `make studies` does. The real data are not part of it; "
        "where they are at hand, tests hold the fits to these values."
    )
    counts = values["verdict"].value_counts()
    rows = [(words, counts.get(word, 0)) for word, words in VERDICTS.items()]
    rows += [(f"*{word}*", n) for word, n in counts.items() if word not in VERDICTS]
    published = values["source"].str.contains("not published")
    yield markdown([*rows, ("**all**", len(values))], (f"{values['data'].nunique()} data sets", "values"))
    yield (
        f"{int((~published).sum())} of them were published; {int(published.sum())} are those of an independent program "
        "on public data. Differences are ours less theirs in log-likelihood (of a BIC, half of theirs less ours): "
        "above zero ours is the higher maximum. *Reached*: how many of the starts that ran to convergence ended there."
    )


def _not_met(values: pd.DataFrame) -> Iterator[str]:
    """List what differs, with the reason."""
    yield "## What differs, and why"
    rows = values[values["verdict"] != "equal"]
    yield markdown(
        ((r["data"], r["model"], r["published"], r["ours"] or "–", _reason(r)) for _, r in rows.iterrows()),
        ("data", "model", "theirs", "ours", "why"),
        text=(0, 1, 4),
    )


def _reason(row: pd.Series) -> str:
    """Say why a row is not equal."""
    if row["verdict"] == NOT_RUN:
        return "takes many minutes: `benchmarks/published.py --all`"
    if row["verdict"].startswith("better"):
        return (
            f"higher by {abs(float(row['difference'])):.3f}, with {row['parameters']} parameters as published, reached "
            f"by {row['reached']} of {row['finals']} starts: theirs is not the highest maximum"
        )
    return f"{row['verdict']}: an open question"


def _data_sets(values: pd.DataFrame) -> Iterator[str]:
    """Write a table for each data set and source."""
    yield "## Log-likelihoods, by data set"
    for name, rows in values.groupby("data", sort=False):
        yield f"### {name}"
        for (what, source), part in rows.groupby(["what", "source"], sort=False):
            yield f"{what}. Source of the values: {source}."
            measure = part["measure"].unique()
            cells = (
                (
                    r["model"] if len(measure) == 1 else f"{r['model']}, {r['measure']}",
                    r["published"],
                    r["ours"] or "–",
                    r["difference"] or "–",
                    f"{r['reached']} of {r['finals']}" if r["finals"] else "–",
                )
                for _, r in part.iterrows()
            )
            label = "model" if len(measure) > 1 else f"model, {measure[0]}"
            theirs = "theirs" if "not published" in source else "published"
            yield markdown(cells, (label, theirs, "ours", "difference", "reached"))


def _studies() -> Iterator[str]:
    """Write the tables of the papers' studies."""
    yield "## Asparouhov and Muthén (2006)"
    for name, words in STUDY_TABLES.items():
        table = pd.read_csv(STUDIES / f"{name}.csv", index_col=0)
        if name == "table_2":
            error = table["mse"] * np.sqrt(2 / table["n"])
            table = table.assign(**{"in errors": (table["mse"] - table["published"]) / error})
        yield words
        rows = ((label, *map(_cell, row)) for label, row in zip(table.index, table.to_numpy(), strict=True))
        yield markdown(rows, (str(table.index.name or ""), *(str(c).replace("_", " ") for c in table.columns)))


def _calibration() -> Iterator[str]:
    """Say of each model whether the ranks of simulation-based calibration are uniform."""
    sys.path.insert(0, str(ROOT / "data"))
    import calibration

    yield "## Posteriors: simulation-based calibration"
    yield (
        "Parameters are drawn from their priors, data from them, and the posterior of the data is sampled by "
        f"`bm.sample`. The rank of the true value among {calibration.DRAWS} draws is then uniform (Talts and others "
        "2018). The smallest p value (chi-square) of all entries of the parameters is to be read beside their number. "
        "`data/calibration.py` makes the ranks, `data/studies/` keeps them."
    )
    rows = []
    for name in calibration.MODELS:
        found = calibration.uniform(pd.read_csv(calibration.kept(name)))
        means = f"{found['mean'].min():.1f} to {found['mean'].max():.1f}"
        rows.append((name.replace("_", " "), int(found["n"].min()), len(found), f"{found['p'].min():.3f}", means))
    middle = calibration.DRAWS / 2
    yield markdown(rows, ("model", "replications", "entries", "smallest p", f"mean ranks ({middle:g} expected)"))


RECOVERED = {
    "outcomes_": "data/outcomes.py", "change_": "data/change.py", "growth_": "data/growth.py",
    "groups_": "data/groups.py", "known_": "data/groups.py", "latent_profiles": "data/studies.py",
}  # fmt: skip
"""Tables of recovery by what their names begin with, and the scripts that make them."""


def recovered() -> list[Path]:
    """The kept tables of recovery."""
    return [f for k in RECOVERED for f in sorted((ROOT / "data" / "studies").glob(f"{k}*.csv"))]


def _recovery() -> Iterator[str]:
    """Say how often intervals hold the true values, of other outcomes, change, growth, groups and latent profiles."""
    yield "## Coverage: other outcomes, change, growth, groups, latent profiles"
    yield (
        "Data are drawn from each model and fitted by it; a 95% interval holds the true value in 95% of the data sets. "
        "The column before the last has average standard errors over SDs of the estimates, which is 1. "
        "`data/studies/` keeps the tables."
    )
    rows = []
    for path in recovered():
        found = pd.read_csv(path, index_col="entry").query("sd > 0 and cover == cover")
        cover, ratio = found["cover"], found["average_se"] / found["sd"]
        middle = f"{cover.mean():.3f} ({cover.min():.2f} to {cover.max():.2f})"
        made_by = next(v for k, v in RECOVERED.items() if path.stem.startswith(k))
        name = path.stem.replace("_", " ")
        rows.append((name, int(found["n"].max()), len(found), middle, f"{ratio.mean():.2f}", f"`{made_by}`"))
    yield markdown(rows, ("study", "data sets", "entries", "coverage (of entries)", "SE / SD", "made by"))


def _sizes() -> Iterator[str]:
    """Say how often tests of a class more reject where the smaller model is true."""
    sys.path.insert(0, str(ROOT / "data"))
    import sizes

    yield "## Tests of the number of classes"
    yield (
        "Data are drawn from the smaller model, and both tests are made of each data set, at the 5% level. "
        "`data/sizes.py` makes the p values, `data/studies/` keeps them. The bootstrap test holds its level; that of "
        "Vuong, Lo, Mendell and Rubin has no theory for mixtures."
    )
    rows = []
    for name in sizes.CASES:
        found = pd.read_csv(sizes.kept(name))
        for test in ("bootstrap", "vuong"):
            share, low, high = sizes.rejected(found[test])
            rows.append((name.replace("_", " "), test, len(found), f"{share:.3f}", f"{low:.3f} to {high:.3f}"))
    yield markdown(rows, ("model", "test", "data sets", "rejected at 5%", "95% interval"))


def _three_steps() -> Iterator[str]:
    """Say how far estimates of three steps are from the truth and from those of stepmix, and how intervals cover."""
    sys.path.insert(0, str(ROOT / "data"))
    import three_steps

    yield "## Covariates and outcomes of classes"
    yield (
        f"{three_steps.ROWS} rows, three classes of six items with probabilities of {three_steps.SEPARATION:g} and "
        f"{1 - three_steps.SEPARATION:.2g}, two slopes of the class logits on a covariate (-1 and 1), three means of "
        "an outcome (SD 1), as in Bakk and Kuha (2018). stepmix, with three random starts, has no standard errors; the "
        "last column is the mean absolute difference of its slopes and means from ours of the same data sets. "
        "`data/three_steps.py` makes the numbers, `data/studies/` keeps them."
    )
    rows = []
    for _, r in three_steps.summary(pd.read_csv(three_steps.KEPT)).iterrows():
        bias = r[[f"bias of {k}" for k in three_steps.QUANTITIES]].astype(float)
        ours = r["program"] == "bayesmix"
        rows.append((
            r["program"], f"{r['method']}, {r['assignment']}" if r["method"] != "two-step" else "two-step",
            r["data sets"], *(f"{bias.filter(like=k).abs().max():.3f}" for k in ("slope", "mean")),
            f"{r['lowest coverage']:.3f} to {r['highest coverage']:.3f}" if ours else "–",
            f"{r['lowest SE / SD']:.2f} to {r['highest SE / SD']:.2f}" if ours else "–",
            "–" if ours else f"{r['slopes apart']:.4f}, {r['means apart']:.4f}",
        ))  # fmt: skip
    head = ("program", "method", "data sets", "largest bias of slopes", "of means", "95% intervals cover", "SE / SD")
    yield markdown(rows, (*head, "from ours: slopes, means"))


def _weights() -> Iterator[str]:
    """Say what estimates of informative samples are without weights and with them."""
    yield "## Weights of a survey"
    yield (
        "Samples whose rows, or clusters and rows, were drawn by what they answered, and estimates without weights and "
        "by each way of scaling them. `data/survey_weights.py` makes the numbers, `data/studies/` keeps them."
    )
    numbers = ("truth", "mean", "SD", "mean SE", "95% intervals cover")
    yield _of_samples("survey_weights", ("design", "way", "parameter"), ("sample of", "weights", "parameter", *numbers))
    yield (
        "Three steps in samples whose clusters and rows were drawn by effects, classes and a covariate, with the "
        "weights of both levels and without them: `data/survey_steps.py`."
    )
    yield _of_samples("survey_steps", ("method", "way", "quantity"), ("method", "weights", "quantity", *numbers))


def _of_samples(name: str, keys: tuple[str, str, str], head: tuple[str, ...]) -> str:
    """Lay out a table of a study of samples."""
    rows = [
        (
            r[keys[0]],
            r[keys[1]],
            f"`{r[keys[2]]}`",
            *(f"{r[k]:.3f}" for k in ("truth", "mean", "sd", "se", "coverage")),
        )
        for _, r in pd.read_csv(ROOT / "data" / "studies" / f"{name}.csv").iterrows()
    ]
    return markdown(rows, head)


def _cell(x: float) -> str:
    """Write a number without zeros that say nothing."""
    return "–" if np.isnan(x) else f"{x:.4f}".rstrip("0").rstrip(".")
