"""Mathematics in the eighth grade, generated: 14,217 students in 913 schools, three classes of students.

    python data/nels.py

writes `nels.csv` beside it (1 MB, not kept with the project).

The truth is model B with three classes of Muthen and Asparouhov, "Multilevel regression mixture analysis"
(2009), R(18)-R(25), at what section 3 says of its estimates: class intercepts 57.2, 47.7 and 37.4 of classes
of 22%, 46% and 32%; slopes of female -2.0, -1.3 and -0.2 in public schools, and their residual variance 3.1;
female and stud_ses raise the odds of the first class, mean_ses raises the factor; private does not;
catholic lowers the slope of stud_ses, mean_ses and private do not move it. What it does not say is taken
from Table 1 where the conventional model has the same quantity, made smaller where the classes take over
its part, and otherwise chosen so that the data have the moments of the text: an intraclass correlation of
0.13 of mathematics, 85%, 8% and 7% of the schools public, private and catholic, 15.6 students a school, and a
residual variance near the 50 of Table 1 in the conventional model.
The true classes are in the column `true_C`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models.nels import nels

import bayesmix as bm

SEED = 2009
STUDENTS, SCHOOLS = 14217, 913
FOLDER = Path(__file__).parent
TRUTH = {
    "class_logit": [-0.66, 0.43, 0.0],
    "class_slope": [[0.25, 1.30], [0.12, 0.65], [0.0, 0.0]],
    "cluster_slope": [[0.15, 0.10, 0.05, 0.70], [0.10, 0.05, 0.10, 0.30], [0.0, 0.0, 0.0, 0.0]],
    "u_intercept_sd": np.sqrt(2.3),
    "u_female_on_u_intercept": -0.45,
    "u_female_sd": np.sqrt(3.1 - 0.45**2 * 2.3),
    "f_on": [0.15, 0.05],
    "f_sd": 0.45,
    "C_loading": [[1.0, 0.6, 0.0]],
    "intercept": [57.2, 47.7, 37.4],
    "coefficient": [[-2.0, 1.6], [-1.3, 1.9], [-0.2, 1.3]],
    "intercept_on": [0.2, 0.5, -0.4, 0.5],
    "female_on": [0.14, -0.5, 0.0, 0.0],
    "stud_ses_on": [0.4, 0.0, -1.4, 0.0],
    "random": [[1.0, 0.0], [0.0, 1.0]],
    "residual_sd": np.sqrt(16.0),
}
"""Model B with three classes; the columns of covariates are those of `covariates()`."""


def covariates(seed: int = SEED, students: int = STUDENTS, schools: int = SCHOOLS) -> pd.DataFrame:
    """Students in schools of uneven size; continuous covariates have mean zero."""
    rng = np.random.default_rng(seed)
    share = rng.gamma(6.0, size=schools)
    size = 2 + rng.multinomial(students - 2 * schools, share / share.sum())
    kind = rng.permutation(np.repeat([0, 1, 2], [schools - round(0.15 * schools), round(0.08 * schools), 0]).tolist()
                           + [2] * (round(0.15 * schools) - round(0.08 * schools)))  # fmt: skip
    mean_ses = np.array([-0.04, 0.50, 0.15])[kind] + 0.30 * rng.standard_normal(schools)
    per_adva = np.array([0.0, 0.05, -0.12])[kind] + 0.22 * rng.standard_normal(schools)
    school = np.repeat(np.arange(schools), size)
    out = pd.DataFrame({"school": school + 1, "female": (rng.random(students) < 0.5).astype(int)})
    out["stud_ses"] = mean_ses[school] + 0.70 * rng.standard_normal(students)
    out["per_adva"], out["mean_ses"] = per_adva[school], mean_ses[school]
    out["private"], out["catholic"] = (kind[school] == 1).astype(int), (kind[school] == 2).astype(int)
    for c in ("stud_ses", "per_adva", "mean_ses"):
        out[c] = (out[c] - out[c].mean()).round(3)
    return out


def main() -> None:
    """Write the file."""
    df = bm.simulate(nels("B", 3), TRUTH, df=covariates(), seed=SEED)
    df["math"] = df["math"].round(2)
    kept = ["school", "math", "female", "stud_ses", "per_adva", "private", "catholic", "mean_ses", "true_C"]
    df[kept].to_csv(FOLDER / "nels.csv", index=False)
    print(f"Wrote {len(df)} students in {df.school.nunique()} schools to {Path('data') / 'nels.csv'}.")


if __name__ == "__main__":
    main()
