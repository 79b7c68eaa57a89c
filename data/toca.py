"""Classroom behaviour in the fall and in the spring, generated: 1,200 students in 100 classrooms, two classes.

    python data/toca.py

writes `toca.csv`, and beside it `toca_published.csv` with what was published and where: Table 1 and the
text of section 4 of Asparouhov and Muthen, "Multilevel Mixture Models" (2006), the two-level latent
transition model of equations (11)-(15).

Table 1 gives the item profiles. The text gives shares: 46% and 52% of the more disruptive class, 7% and
18% who switch, 39% of the variance of C1 by alpha1, and of C2 65% in all, 30% by what alpha1 leaves of C1,
5% by what it leaves of alpha2, 41% by C1 alone and 24% by alpha2 beyond it. The six values that it does
not give (intercepts, gamma, beta, the SDs of (12)-(15)) are solved from these, so that each holds as
printed. One more figure of the text does not fit the others: 35% of C2 by alpha1, with 30% and 5% for the
other two parts, would be 70% and not 65 = 41 + 24. By the others it is 30%, and 35% is what both
classroom effects explain together (30 + 5). The file of published values has the 35% as it was printed.

Two in a hundred answers are missing at random, and five in a hundred students miss the spring. The true
classes are in the columns `true_C1` and `true_C2`; class 1 of the fit is the larger one in the fall, the
less disruptive students.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import expit, logit

import bayesmix as bm

SEED = 2006
STUDENTS, CLASSROOMS = 1200, 100
FOLDER = Path(__file__).parent
DISRUPTIVE = {
    "stubborn": (0.92, 0.36),
    "breaks_rules": (0.96, 0.29),
    "harms_others": (0.73, 0.03),
    "breaks_things": (0.59, 0.03),
    "yells": (0.82, 0.18),
    "takes_property": (0.78, 0.07),
    "fights": (0.73, 0.08),
    "lies": (0.81, 0.10),
    "teases": (0.90, 0.24),
    "defies_authority": (0.78, 0.12),
}
"""Probability of the behaviour among the more and the less disruptive students: Table 1."""
TEXT = {
    "fall": 0.46,
    "spring": 0.52,
    "leaves": 0.07,
    "enters": 0.18,
    "C1 by alpha1": 0.39,
    "C2": 0.65,
    "C2 by C1": 0.30,
    "C2 by alpha2": 0.05,
    "C2 by C1 alone": 0.41,
    "C2 by alpha2 beyond C1": 0.24,
}
"""The more disruptive class, its switches, and the variance explained: the text of section 4."""


def figures(fall: float, sd1: float, spring: float, gamma: float, beta: float, sd2: float) -> dict[str, float]:
    """The figures of the text from the values of (12)-(15), for the more disruptive class."""
    z, w = np.polynomial.hermite_e.hermegauss(61)
    u1, w = sd1 * z[:, None], np.outer(w, w) / w.sum() ** 2
    u2 = beta * u1 + sd2 * z[None, :]
    p, stays, enters = expit(fall + u1), expit(spring + gamma + u2), expit(spring + u2)
    share, error = float((w * p).sum()), np.pi**2 / 3
    mean = gamma * p + beta * u1
    parts = {"alpha1": (w * mean**2).sum() - (w * mean).sum() ** 2, "C1": gamma**2 * (w * p * (1 - p)).sum()}
    total = sum(parts.values()) + sd2**2 + error
    explained, alone = 1 - error / total, gamma**2 * share * (1 - share) / total
    return {
        "fall": share,
        "spring": float((w * (p * stays + (1 - p) * enters)).sum()),
        "leaves": float((w * p * (1 - stays)).sum() / share),
        "enters": float((w * (1 - p) * enters).sum() / (1 - share)),
        "C1 by alpha1": sd1**2 / (sd1**2 + error),
        "C2": explained,
        "C2 by C1": parts["C1"] / total,
        "C2 by alpha2": sd2**2 / total,
        "C2 by C1 alone": alone,
        "C2 by alpha2 beyond C1": explained - alone,
    }


def solved() -> np.ndarray:
    """The values of (12)-(15) at which every figure rounds to what was printed."""

    def away(x: np.ndarray) -> list[float]:
        made = figures(*x)
        return [((made[k] - v) / 0.005) ** 3 for k, v in TEXT.items()]

    return optimize.least_squares(away, [-0.2, 1.4, -1.4, 4.0, 0.4, 0.7], xtol=1e-12, ftol=1e-12).x


def truth() -> dict[str, np.ndarray]:
    """Parameters of the model in the fit's order of the classes: the less disruptive first."""
    fall, sd1, spring, gamma, beta, sd2 = solved()
    profiles = np.array(list(DISRUPTIVE.values())).T[::-1]
    unit = np.array([[1.0, 0.0]])
    return {
        "C1_logit": np.array([-fall, 0.0]),
        "C2_logit": np.array([[-spring, 0.0], [-spring - gamma, 0.0]]),
        "C1_loading": unit,
        "C2_loading": unit,
        "alpha1_sd": np.array(sd1),
        "alpha2_on_alpha1": np.array(beta),
        "alpha2_sd": np.array(sd2),
        "item_logit": np.stack([np.zeros_like(profiles), logit(profiles)], axis=-1),
    }


def model() -> bm.Model:
    """The two-level latent transition model of (11)-(15)."""
    waves = [[f"{item}_{season}" for item in DISRUPTIVE] for season in ("fall", "spring")]
    return bm.models.lta(waves, classes=2, cluster="classroom")


def published() -> pd.DataFrame:
    """Rows of a comparison, the published value, and where it stands."""
    text = "section 4, text"
    rows = [
        ("C1_probability[1]", 1 - TEXT["fall"], text),
        ("C1_probability[2]", TEXT["fall"], text),
        ("C2_probability[1]", 1 - TEXT["spring"], text),
        ("C2_probability[2]", TEXT["spring"], text),
        ("C2_transition[1, 1]", 1 - TEXT["enters"], text),
        ("C2_transition[1, 2]", TEXT["enters"], text),
        ("C2_transition[2, 1]", TEXT["leaves"], text),
        ("C2_transition[2, 2]", 1 - TEXT["leaves"], text),
        ("C1_explained_by_alpha1[1]", TEXT["C1 by alpha1"], text),
        ("C2_explained[1]", TEXT["C2"], text),
        ("C2_explained_by_alpha1[1]", 0.35, f"{text}; 0.30 by the other figures"),
        ("C2_explained_by_C1[1]", TEXT["C2 by C1"], text),
        ("C2_explained_by_alpha2[1]", TEXT["C2 by alpha2"], text),
        ("C2_explained_by_C1_alone[1]", TEXT["C2 by C1 alone"], text),
        ("C2_explained_by_alpha2_beyond_C1[1]", TEXT["C2 by alpha2 beyond C1"], text),
    ]
    for k, column in ((1, 1), (2, 0)):
        rows += [(f"item_probability[{k}, {item}, 2]", p[column], "Table 1") for item, p in DISRUPTIVE.items()]
    return pd.DataFrame(rows, columns=["row", "published", "source"]).round(2)


def main() -> None:
    """Write both files."""
    declared = model()
    both = {item: [1, 2] for item in declared.items}
    df = bm.simulate(declared, truth(), n=STUDENTS, clusters=CLASSROOMS, categories=both, seed=SEED)
    rng, items = np.random.default_rng(SEED), list(declared.items)
    gone = rng.random((len(df), len(items))) < 0.02
    gone[:, len(DISRUPTIVE) :] |= (rng.random(len(df)) < 0.05)[:, None]
    df[items] = df[items].astype("Int64").mask(gone)
    df.insert(0, "student", np.arange(1, len(df) + 1))
    df.drop(columns=["true_alpha1", "true_alpha2"]).to_csv(FOLDER / "toca.csv", index=False)
    published().to_csv(FOLDER / "toca_published.csv", index=False)
    print(f"Wrote {len(df)} students to {Path('data') / 'toca.csv'}, and what was published beside it.")


if __name__ == "__main__":
    main()
