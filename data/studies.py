"""The simulation studies of the two papers, run again.

    python data/studies.py                    all of them, 100 replications each
    python data/studies.py table_2 --replications 20

writes the tables to `studies/` beside it. A replication that is finished is kept in `studies/kept/`, from where
a study that was stopped goes on.

`table_2`: section 5 of Asparouhov and Muthen (2006), models 1-4 of (19): 50 clusters of 10, two equal classes,
intercepts 1 and 0, slopes 0.2 and 0.8, residual variance 1. The mean squared error of the class logit alpha_1.
`table_3`: one sample of 100 clusters of 10 from model 5, fitted by models 5 and 6.
`section_2_2`: Muthen and Asparouhov (2009): 200 clusters of 15 from the mixture of Fig. 3 with eleven parameters,
fitted by it and by the conventional model of Fig. 4.
`reverse`: the other way round, data of the conventional model.
`table_6`: section 8 of the 2006 paper: LCA, FMA and FMA-GoM of `ucla.csv`.
`latent_profiles`: bias, standard errors and coverage of residual SDs and covariances by class.
`section_4`: the two-level latent transition model of `toca.csv` beside the values it was generated from.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models import fma, fma_gom, lca, lta
from bayesmix.models.nels import figure_3, figure_4
from bayesmix.models.regression_mixture import regression_mixture

import bayesmix as bm
from bayesmix import normal

FOLDER = Path(__file__).parent / "studies"
SEED = 2009
PUBLISHED_MSE = {"model 1": 0.31, "model 2": 0.10, "model 3": 0.26, "model 4": 0.44}
SAMPLE, SCHOOLS = (50, 10), (200, 15)
"""Clusters and their sizes: 2006, 2009."""
STARTS = {"starts": 10, "finals": 3, "rounds": 1}
BOTH_WAYS = {"starts": 8, "finals": 3, "rounds": 1, "mode": "NUMBA"}
PROFILES = {
    "class_logit": [0.4, 0.0],
    "item_intercept": [[0.0, 0.0, 0.0], [2.5, 1.5, -1.5]],
    "item_sd": [[1.0, 1.2, 0.8], [0.8, 1.0, 1.2]],
    "item_covariance": [[0.6, 0.3, 0.2], [-0.2, 0.0, 0.5]],
}
REGRESSIONS = {"intercept": [1.0, 0.0], "coefficient": [[0.2], [0.8]], "residual_sd": 1.0}


def covariates(clusters: int, size: int, between: bool = False) -> Callable[[np.random.Generator], pd.DataFrame]:
    """A standard normal x of individuals and, if asked for, w of clusters, drawn anew in each replication."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        j = np.repeat(np.arange(clusters), size)
        out = pd.DataFrame({"j": j, "x": rng.standard_normal(len(j))})
        return out.assign(w=rng.standard_normal(clusters)[j]) if between else out

    return draw


# section 5 of the 2006 paper -----------------------------------------------------------------------


def between_model(variance: float, slope_too: bool = True) -> tuple[bm.Model, dict]:
    """Models 2-5: classes of clusters, (17); random intercepts and slopes with the given variance, (19)."""
    random = "0" if variance == 0 else "1 + x" if slope_too else "1"
    model = regression_mixture("y ~ x", cluster="j", random=random, covariance="independent", cluster_classes=2)
    sd = np.sqrt(variance)
    effects = {"u_intercept_sd": sd, "u_x_sd": sd, "random": np.eye(2) if slope_too else [1.0]}
    return model, REGRESSIONS | {"cluster_class_logit": [0.0, 0.0]} | (effects if variance else {})


def table_2(replications: int = 100, **settings) -> pd.DataFrame:
    """Mean squared errors of alpha_1 beside the published ones."""
    within = regression_mixture("y ~ x", 2), REGRESSIONS | {"class_logit": [0.0, 0.0]}
    models = {"model 1": within} | {f"model {k}": between_model(v) for k, v in ((2, 0.0), (3, 0.1), (4, 0.2))}
    rows = []
    for name, (model, truth) in models.items():
        done = bm.study(
            model, truth, df=covariates(*SAMPLE), replications=replications, seed=SEED,
            folder=kept("table_2", name), fit=STARTS, **settings,
        )  # fmt: skip
        table = done.summary()
        row = table.loc[next(k for k in table.index if k.endswith("class_logit[1]"))]
        rows.append(
            {
                "model": name,
                "published": PUBLISHED_MSE[name],
                **row[["mse", "average", "sd", "average_se", "cover", "n"]],
            }
        )
        print(f"{name}\n{done}\n", flush=True)
    return write(pd.DataFrame(rows).set_index("model"), "table_2")


def table_3(**_) -> pd.DataFrame:
    """Models 5 and 6 on one sample: the same log-likelihood and estimates, the ICC (20) of C near one."""
    five, truth = between_model(0.2, slope_too=False)
    df = bm.simulate(five, truth, df=covariates(100, 10)(np.random.default_rng(SEED)), seed=SEED)
    six = regression_mixture("y ~ x", 2, cluster="j", covariance="independent", effects="unrestricted")
    fits = {
        "model 5": bm.fit(five, df),
        "model 6": bm.fit(six, df, nodes=bm.trapezoid(31), **STARTS),  # no adaptive nodes: a step
    }
    rows = {}
    for name, fit in fits.items():
        p, se = fit.params, fit.se
        order = np.argsort(-p["intercept"].values)
        rows[name] = {
            "mu_1": p["intercept"].values[order[0]], "mu_2": p["intercept"].values[order[1]],
            "beta_1": p["coefficient"].values[order[0], 0], "beta_2": p["coefficient"].values[order[1], 0],
            "theta": float(p["residual_sd"]) ** 2, "v": float(p["u_intercept_sd"]) ** 2,
            "SE mu_1": se["intercept"].values[order[0]], "SE beta_1": se["coefficient"].values[order[0], 0],
            "log-likelihood": fit.loglik, "parameters": fit.n_parameters,
            "Var(alpha_1)": float(p["a1_sd"]) ** 2 if name == "model 6" else np.nan,
            "ICC": float(fit.derived["C_icc"].max()) if name == "model 6" else np.nan,
        }  # fmt: skip
    published = {
        "mu_1": 0.90, "mu_2": 0.12, "beta_1": 0.25, "beta_2": 0.81, "theta": 1.01, "v": 0.22, "SE mu_1": 0.13,
        "SE beta_1": 0.06, "log-likelihood": -1517.6, "Var(alpha_1)": 609, "ICC": 0.995,
    }  # fmt: skip
    return write(pd.DataFrame(rows).assign(**{"published (another sample)": pd.Series(published)}), "table_3")


# section 2.2 of the 2009 paper ---------------------------------------------------------------------

MIXTURE = {
    "class_logit": [0.0, 0.0],
    "class_slope": [[1.0], [0.0]],
    "cluster_slope": [[1.0], [0.0]],
    "C_loading": [[1.0, 0.0]],
    "u_intercept_sd": np.sqrt(0.5),
    "f_sd": np.sqrt(0.5),
    "intercept": [3.0, 0.0],
    "coefficient": [[-1.1], [0.5]],
    "intercept_on": [0.5],
    "random": [1.0],
    "residual_sd": 1.0,
}
CONVENTIONAL = {
    "u_intercept_sd": np.sqrt(0.5),
    "u_x_on_u_intercept": 0.0,
    "u_x_sd": np.sqrt(0.5),
    "intercept": 0.0,
    "coefficient": [1.0],
    "intercept_on": [0.5],
    "x_on": [1.0],
    "random": np.eye(2),
    "residual_sd": 1.0,
}


def both_ways(name: str, truth: dict, first: str, replications: int, fit: dict, **settings) -> pd.DataFrame:
    """Data of one of the two models, fitted by both."""
    models = {"Fig. 3": figure_3("y ~ x", "w", "j"), "Fig. 4": figure_4("y ~ x", "w", "j")}
    done = bm.study(
        models[first], truth, models, df=covariates(*SCHOOLS, between=True), replications=replications, seed=SEED,
        folder=kept(name), fit=BOTH_WAYS | fit, **settings,
    )  # fmt: skip
    print(f"{name}\n{done}\n", flush=True)
    write(done.bic(), f"{name}_bic")
    for model in models:
        write(done.summary(model), f"{name}_{model.replace('. ', '_').lower()}")
    return done.bic()


def section_2_2(replications: int = 100, **settings) -> pd.DataFrame:
    """All eleven parameters recovered; the conventional model worse, its gamma_11 negative and significant."""
    return both_ways("section_2_2", MIXTURE, "Fig. 3", replications, {}, **settings)


def reverse(replications: int = 100, **settings) -> pd.DataFrame:
    """The mixture is not chosen where there is none.

    The SD of its class logit has no maximum there (a school is in one class), which asks for the papers' fixed nodes.
    """
    fit = {"nodes": bm.trapezoid(15), "starts": 4, "finals": 2}
    return both_ways("reverse", CONVENTIONAL, "Fig. 4", replications, fit, **settings)


# section 8 of the 2006 paper -----------------------------------------------------------------------


def table_6(**_) -> pd.DataFrame:
    """Table 6 on the generated sample of 425 boys: LCA, FMA and FMA-GoM with two classes, counts and log-likelihoods.

    The text's restrictions (loadings that do not depend on the class) make 55 and 56 parameters; the table prints 56
    and 57. A factor variance that differs between the classes would be the one more: it stands beside.
    """
    df = pd.read_csv(Path(__file__).parent / "ucla.csv")
    items = [c for c in df if not str(c).startswith("true_")]
    models = {
        "LCA": lca(items, 2, family=bm.bernoulli("probit")),
        "FMA": fma(items, 2),
        "FMA, variance by class": fma(items, 2, by_class="intercepts + variances"),
        "FMA-GoM": fma_gom(items, 2),
    }
    published = {"LCA": (-3650.0, 37), "FMA, variance by class": (-3502.4, 56), "FMA-GoM": (-3501.7, 57)}
    rows = {}
    for name, model in models.items():
        fit = bm.fit(model, df, starts=10, finals=3, rounds=2)
        rows[name] = {
            "log-likelihood": fit.loglik, "parameters": fit.n_parameters, "BIC": fit.bic, "replicated": fit.replicated,
            "ICC": float(fit.derived["class_icc"].max()) if "class_icc" in fit.derived else np.nan,
            "published, another sample": published.get(name, (np.nan,))[0],
            "parameters published": published.get(name, (np.nan, np.nan))[1],
        }  # fmt: skip
        print(pd.DataFrame(rows).T.to_string(), flush=True)
    return write(pd.DataFrame(rows).T, "table_6")


def section_4(**_) -> pd.DataFrame:
    """Maximum likelihood on the generated classrooms, beside what the text and Table 1 of the 2006 paper print."""
    df, published = (pd.read_csv(Path(__file__).parent / f"toca{more}.csv") for more in ("", "_published"))
    waves = [[c for c in df if c.endswith(when)] for when in ("_fall", "_spring")]
    fit = bm.fit(lta(waves, 2, cluster="classroom"), df)
    found = bm.compare(fit, None, published.set_index("row")["published"].to_dict()).table.dropna(subset="published")
    return write(found[["published", "ml", "ml_se"]].rename(columns={"ml": "ours", "ml_se": "SE"}), "section_4")


def latent_profiles(replications: int = 100, **settings) -> pd.DataFrame:
    """Recovery of residual covariances: 400 rows of three items, two classes with covariance matrices of their own."""
    model = lca(["a", "b", "c"], 2, family=normal(), variance="class", covariance="class")
    done = bm.study(
        model, PROFILES, n=400, replications=replications, seed=SEED, folder=kept("latent_profiles"),
        fit={"starts": 6, "finals": 2, "rounds": 1, "budget": 0, "simpler": False}, **settings,
    )  # fmt: skip
    columns = ["population", "average", "sd", "average_se", "cover", "n"]
    return write(done.summary()[columns].rename_axis("entry"), "latent_profiles")


STUDIES = {
    "latent_profiles": latent_profiles,
    "section_4": section_4,
    "table_6": table_6,
    "table_2": table_2,
    "table_3": table_3,
    "section_2_2": section_2_2,
    "reverse": reverse,
}


def kept(*names: str) -> Path:
    """Where the replications of a study are."""
    return FOLDER / "kept" / "_".join(n.replace(" ", "_") for n in names)


def write(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table on disk, rounded to what a reader needs."""
    FOLDER.mkdir(exist_ok=True)
    table.round(4).to_csv(FOLDER / f"{name}.csv")
    return table


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description="The papers' simulation studies.")
    parser.add_argument("studies", nargs="*", choices=[[], *STUDIES], help="all, if none is named")
    parser.add_argument("--replications", type=int, default=100)
    given = parser.parse_args()
    for name in given.studies or STUDIES:
        print(STUDIES[name](replications=given.replications), flush=True)


if __name__ == "__main__":
    main()
