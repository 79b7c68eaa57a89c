"""Published log-likelihoods beside ours: every data set of the folder that BAYESMIX_REAL_DATA names, default settings.

    python benchmarks/published.py                  # the rows that take seconds, printed one by one
    python benchmarks/published.py --write          # and kept in benchmarks/published.csv, each row as it is finished
    python benchmarks/published.py --all --write    # with the rows that take minutes
    python benchmarks/published.py --only pisa      # one data set

`nodes` are set where the published value names its points. The difference is ours less what was published, for a BIC
half of what was published less ours: below zero we are worse. Seconds are those of the whole fit.
"""

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import fma, gom, irt_3pl, lca, lta, regression_mixture

import bayesmix as bm
from bayesmix.files import written

TABLE = Path(__file__).with_suffix(".csv")
KEY = ["data", "model"]
FOUND = ["ours", "difference", "verdict", "reached", "finals", "parameters", "as published", "seconds"]
COLUMNS = [*KEY, "measure", "published", *FOUND]
SLOW = "only with --all"
SAME = 0.002
"""Log-likelihoods that differ by no more than this, and by what rounding took from the published one, are equal."""


@dataclass(frozen=True)
class Row:
    """A published value: its data, the model, what was published, with how many parameters."""

    data: str
    label: str
    model: bm.Model
    published: str
    parameters: int | None
    df: pd.DataFrame
    measure: str = "log-likelihood"
    settings: dict = field(default_factory=dict)
    slow: bool = False

    def blank(self):
        """The row of the table before it is run."""
        cells = dict.fromkeys(FOUND, "") | {"verdict": SLOW if self.slow else ""}
        return {"data": self.data, "model": self.label, "measure": self.measure, "published": self.published} | cells

    def run(self):
        """The row of the table; a fit that fails is one with its reason."""
        began = time.perf_counter()
        try:
            fit = bm.fit(self.model, self.df, progress=False, **self.settings)
        except (RuntimeError, ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
            return self.blank() | {"verdict": f"failed: {error}"}
        seconds = time.perf_counter() - began
        if fit.quality["interrupted"]:
            raise KeyboardInterrupt
        return self.blank() | self.found(fit) | {"seconds": f"{seconds:.1f}"}

    def found(self, fit):
        """What a fit says to the published value."""
        of_bic = self.measure == "BIC"
        ours = fit.bic if of_bic else fit.loglik
        better = (float(self.published) - ours) / 2 if of_bic else ours - float(self.published)
        return {
            "ours": f"{ours:.3f}",
            "difference": f"{better:+.3f}",
            "verdict": verdict(better, self.published, fit.replicated),
            "reached": str(fit.replicated),
            "finals": str(fit.quality["counted"]),
            "parameters": str(fit.n_parameters),
            "as published": "" if self.parameters is None else ("yes" if fit.n_parameters == self.parameters else "NO"),
        }


def verdict(better, published, replicated):
    """In a word, how far the better value is from the published one, and whether it can be believed."""
    rounding = 0.5 * 10.0 ** -len(published.partition(".")[2])
    same = abs(better) <= SAME + rounding
    word = "equal" if same else "better" if better > 0 else "WORSE"
    return word if replicated > 1 else f"{word}, not replicated"


# the data -----------------------------------------------------------------------------------------


@cache
def read(name):
    folder = os.environ.get("BAYESMIX_REAL_DATA")
    if not folder:
        raise SystemExit("BAYESMIX_REAL_DATA does not name the folder of the data sets.")
    return pd.read_csv(Path(folder) / f"{name}.csv").replace(9999, np.nan)


def columns(name, *without):
    return [c for c in read(name) if c not in without]


def rows() -> Iterator[Row]:
    """Every published value that a template can say."""
    yield from classes()
    yield from profiles()
    yield from transitions()
    yield from schools()
    yield from memberships()
    yield from factor_mixtures()
    yield from item_response()
    yield from regressions()


def enumerated(data, label, items, published, *, file=None, df=None, slow=(), **model):
    """A row for each number of classes K of {K: (published value, parameters)}."""
    df = read(file or data) if df is None else df
    for k, (value, parameters) in published.items():
        made = lca(items, k, **model)
        yield Row(data, f"{label} K={k}", made, value, parameters, df, slow=k in slow)


def classes():
    yield from enumerated(
        "carcinoma", "LCA", list("ABCDEFG"), {2: ("-317.2568", 15), 3: ("-293.705", 23), 4: ("-289.2858", 31)}
    )
    yield from enumerated(
        "gss82", "LCA", columns("gss82"), {2: ("-2783.268", 13), 3: ("-2754.545", 20), 4: ("-2746.621", 27)}
    )
    bush = ["MORALB", "CARESB", "KNOWB", "LEADB", "DISHONB", "INTELB"]
    both = [*(c[:-1] + "G" for c in bush), *bush]
    published = {1: ("-11838.632", 18), 2: ("-10680.333", 37), 3: ("-10184.889", 56), 4: ("-9979.578", 75)}
    yield from enumerated("election", "LCA, 6 items", bush, published)
    complete = read("election").dropna(subset=both)
    published = {1: ("-18647.31", 36), 2: ("-17344.92", 73), 3: ("-16714.66", 110)}
    yield from enumerated("election", "LCA, 12 items", both, published, df=complete)
    published = {2: ("-152527.33", 33), 3: ("-141277.15", 50), 4: ("-137464.20", 67), 5: ("-135216.19", 84)}
    items = columns("nltcs_patterns", "freq")
    yield from enumerated("nltcs", "LCA", items, published, file="nltcs_patterns", freq="freq")
    published = {1: ("-62429.26", 15), 2: ("-54728.21", 31), 3: ("-53458.76", 47), 4: ("-53048.64", 63)}
    yield from enumerated("nlsy79_asb15", "LCA", offences(), published)
    yield from waves_alone()
    df, items = read("cheating"), columns("cheating", "GPA")
    yield Row("cheating", "LCA K=2", lca(items, 2), "-440.0271", 9, df)
    yield Row("cheating", "LCA K=2 on GPA", lca(items, 2, covariates="GPA"), "-429.6384", 10, df.dropna(subset=["GPA"]))
    items = ["enjoym", "goodm", "undrstdm", "nervousm", "scaredm"]
    yield from enumerated("lsay_three_step", "LCA", items, {4: ("-7062.701", 23)})
    published = dict(enumerate(("-5443.409", "-5194.136", "-5122.478", "-5111.757", "-5105.589"), 1))
    published = {k: (value, 7 * k - 1) for k, value in published.items()}
    yield from enumerated("crdc", "LCA", columns("crdc"), published)
    bic = {1: ("17531.13", 5), 2: ("15021.64", 11), 3: ("14962.89", 17), 4: ("15000.03", 23)}
    for k, (value, parameters) in bic.items():
        yield Row("dentistry", f"LCA K={k}", lca(DENTISTS, k, freq="freq"), value, parameters, read("dentistry"), "BIC")


def waves_alone():
    published = {1: ("-10250.604", 5), 2: ("-8785.317", 11), 3: ("-8693.569", 17), 4: ("-8664.090", 23)}
    yield from enumerated("lsay_2wave", "LCA, grade 7", GRADE7, published)
    published = {1: ("-7658.789", 5), 2: ("-6073.807", 11), 3: ("-5988.356", 17), 4: ("-5964.447", 23)}
    yield from enumerated("lsay_2wave", "LCA, grade 10", GRADE10, published)


def profiles():
    published = {2: ("-1996.513", 13), 3: ("-1952.978", 18), 4: ("-1889.426", 23), 5: ("-1870.913", 28)}
    yield from enumerated("pisa", "profiles, equal variances", columns("pisa"), published, family=bm.normal())
    published = {2: ("-1988.990", 17), 3: ("-1877.965", 26), 4: ("-1851.345", 35), 5: ("-1825.332", 44)}
    by_class = {"family": bm.normal(), "variance": "class"}
    yield from enumerated("pisa", "profiles, variances by class", columns("pisa"), published, **by_class)
    structures = {
        ("equal", "equal"): {2: ("-1950.111", 19), 3: ("-1930.362", 24), 4: ("-1840.854", 29)},
        ("class", "equal"): {2: ("-1930.959", 23), 3: ("-1859.466", 32), 4: ("-1844.841", 41)},
        ("equal", "class"): {2: ("-1927.095", 25), 3: ("-1896.079", 36), 4: ("-1878.200", 47)},
        ("class", "class"): {2: ("-1918.837", 29), 3: ("-1885.730", 44), 4: ("-1854.214", 59)},
    }
    for (variance, covariance), published in structures.items():
        own = {"family": bm.normal(), "variance": variance, "covariance": covariance}
        label = f"profiles, variances {variance}, covariances {covariance}"
        yield from enumerated("pisa", label, columns("pisa"), published, **own)
    items = columns("kmeans_lpa")
    yield from enumerated("kmeans_lpa", "profiles, equal variances", items, {3: ("-1846.969", 22)}, family=bm.normal())


def transitions():
    df = read("lsay_2wave")
    for measurement, value, parameters in (("invariant", "-14542.768", 35), ("free", "-14531.997", 55)):
        model = lta([GRADE7, GRADE10], 4, measurement=measurement)
        yield Row("lsay_2wave", f"LTA K=4, {measurement} measurement", model, value, parameters, df)
    for stationary, value, parameters in ((False, "-646.894", 32), (True, "-658.592", 14)):
        model = lta([[f"V{k}"] for k in range(1, 6)], 3, freq="V6", stationary=stationary)
        label = f"latent Markov K=3, {'stationary' if stationary else 'free'} transitions"
        yield Row("drug", label, model, value, parameters, read("drug"))


def schools():
    items, df = ["ECIGT", "ECIGAR", "ESLT", "EELCIGT", "EHOOKAH"], read("nyts18")
    yield from enumerated("nyts18", "LCA", items, {2: ("-2119.91", 11), 3: ("-2086.86", 17), 4: ("-2082.87", 23)})
    for m, value, parameters in ((2, "-1955.487", 20), (3, "-1938.73", 23), (4, "-1938.30", 26)):
        model = lca(items, 3, cluster="SCH_ID", cluster_classes=m)
        yield Row("nyts18", f"LCA K=3, M={m}", model, value, parameters, df)
    two = {"cluster": "SCH_ID", "cluster_classes": 2, "covariates": "SEX"}
    yield Row("nyts18", "LCA K=3, M=2 on SEX", lca(items, 3, **two), "-1951.879", 22, df)
    two |= {"cluster_covariates": "SCH_LEV"}
    yield Row("nyts18", "LCA K=3, M=2 on SEX, SCH_LEV", lca(items, 3, **two), "-1919.937", 24, df)


def memberships():
    points = {"nodes": bm.gauss_hermite(61)}
    items, df = offences(), read("nlsy79_asb15")
    for k, value, parameters in ((2, "-54102.79", 32), (3, "-53278.75", 49)):
        model = gom(items, k, effects="factor")
        yield Row("nlsy79_asb15", f"GoM K={k}", model, value, parameters, df, settings=points, slow=True)
    items, df = columns("nltcs_patterns", "freq"), read("nltcs_patterns")
    for k, value, parameters in ((2, "-147786.44", 34), (3, "-139186.28", 52)):
        model = gom(items, k, freq="freq", effects="factor")
        yield Row("nltcs", f"GoM K={k}", model, value, parameters, df, settings=points, slow=True)


def factor_mixtures():
    df = read("dentistry")
    one, each = ({"loadings": how, "freq": "freq"} for how in ("one", "item"))
    yield Row("dentistry", "FMA K=2, one loading", fma(DENTISTS, 2, **one), "-7422.782", 12, df)
    yield Row("dentistry", "FMA K=2, a loading an item", fma(DENTISTS, 2, **each), "-7408.598", 16, df)
    yield Row("dentistry", "FMA K=1, a loading an item", fma(DENTISTS, 1, **each), "14938.27", 10, df, "BIC")
    yield Row("dentistry", "FMA K=3, one loading", fma(DENTISTS, 3, **one), "-7407.423", 18, df)


def item_response():
    items, df = columns("masc1"), read("masc1")
    published = {
        "1PL": ("none", "common", "-4142.351", 10),
        "2PL": ("none", "item", "-4118.470", 18),
        "3PL, common guessing": ("common", "item", "-4116.334", 19),
        "3PL, a guessing an item": ("item", "item", "-4113.684", 27),
    }
    for label, (guessing, discrimination, value, parameters) in published.items():
        yield Row("masc1", label, irt_3pl(items, guessing, discrimination), value, parameters, df)


def regressions():
    model = regression_mixture("MathAch ~ 1", cluster="School", random="1")
    yield Row("hsb", "MathAch ~ 1", model, "-23557.905", 3, read("hsb"))
    visits = read("paquid").assign(age65sq=lambda d: d.age65**2)
    varying = "1 + age65 + age65sq"
    for g, value in {1: "-8920.623", 2: "-8899.228", 3: "-8891.351"}.items():
        of_persons = {"cluster_classes": g, "by_cluster_class": varying} if g > 1 else {}
        model = regression_mixture("normMMSE ~ age65 + age65sq + CEP", cluster="ID", random=varying, **of_persons)
        yield Row("paquid", f"classes of persons G={g}", model, value, 7 + 4 * g, visits)


DENTISTS = [f"V{k}" for k in range(1, 6)]
GRADE7 = ["ab39m", "ab39t", "ab39u", "ab39w", "ab39x"]
GRADE10 = ["ga33a", "ga33h", "ga33i", "ga33k", "ga33l"]


def offences():
    return columns("nlsy79_asb15", "caseid", "sample_id", "race", "sex")


# the table ----------------------------------------------------------------------------------------


def known(path):
    """Rows of the table that an earlier run left, by data set and model; none without a file."""
    if path is None or not path.exists():
        return {}
    df = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {(r["data"], r["model"]): r for r in df.to_dict("records")}


def keep(cells, path):
    """Write the whole table anew: killed meanwhile, the old one stands."""
    with written(path) as aside:
        pd.DataFrame(list(cells.values()), columns=COLUMNS).to_csv(aside, index=False)


def line(cells):
    """A row as it is printed."""
    of = f"{cells['reached']} of {cells['finals']}" if cells["finals"] else ""
    parameters = f"{cells['parameters']} {cells['as published']}"
    return (
        f"{cells['data']:16s}{cells['model']:40s}{cells['published']:>12s}{cells['ours']:>13s}{cells['difference']:>11s}"
        f"{of:>12s}{parameters:>10s}{cells['seconds']:>9s}  {cells['verdict']}"
    )


def table(todo, path=None, slow=False):
    """Run the rows, print each and, with a path, keep it there; rows that are slow only if they are wanted."""
    before = known(path)
    cells = {(r.data, r.label): before.get((r.data, r.label), r.blank()) for r in rows()} if path else {}
    heads = dict(zip(COLUMNS, COLUMNS, strict=True)) | {"reached": "reached", "finals": "all", "as published": "same"}
    print(line(heads | {"parameters": "par."}))
    for row in todo:
        found = row.run() if slow or not row.slow else row.blank()
        print(line(found), flush=True)
        if path and (slow or not row.slow):
            cells[row.data, row.label] = found
            keep(cells, path)


def main():
    parser = argparse.ArgumentParser(description="Published log-likelihoods beside ours.")
    parser.add_argument("--all", action="store_true", help="rows that take minutes too")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {TABLE.name}")
    parser.add_argument("--only", help="rows whose data set or model contains this text")
    asked = parser.parse_args()
    todo = [r for r in rows() if asked.only is None or asked.only in f"{r.data} {r.label}"]
    warnings.simplefilter("ignore")
    try:
        table(todo, TABLE if asked.write else None, asked.all)
    except KeyboardInterrupt:
        print("Interrupted: the rows above are finished.")


if __name__ == "__main__":
    main()
