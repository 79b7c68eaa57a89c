"""Eighteen symptoms of attention deficit and hyperactivity of 425 boys, generated.

    python data/ucla.py

writes `ucla.csv` beside it.

The truth is the FMA-GoM of section 8 of Asparouhov and Muthen, "Multilevel mixture models" (2006), (38)-(41) with
two classes and loadings that do not depend on the class. The paper gives the size of the sample, nine items of
inattention and nine of hyperactivity, an intraclass correlation of 0.86 of the membership logit, and the
log-likelihoods of three models (Table 6), but no estimates: intercepts and loadings are chosen here, so that one
class has most symptoms of both kinds, the other those of inattention above all, and the factor adds a good hundred
to the log-likelihood of two latent classes. The true factor and membership scores are in `true_f` and `true_a1`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from bayesmix.models.fma_gom import fma_gom

import bayesmix as bm

SEED = 2006
BOYS = 425
FOLDER = Path(__file__).parent
ITEMS = [f"inattentive_{k}" for k in range(1, 10)] + [f"hyperactive_{k}" for k in range(1, 10)]
TRUTH = {
    "class_logit": [-1.0, 0.0],
    "class_loading": [[np.sqrt(0.86 / 0.14 * np.pi**2 / 3), 0.0]],
    "item_intercept": [
        [1.3, 1.8, 1.0, 1.6, 2.0, 1.2, 1.5, 2.1, 1.3, 1.9, 0.9, 1.3, 0.7, 1.5, 1.6, 1.2, 1.7, 1.0],
        [0.6, 1.2, 0.3, 1.0, 1.2, 0.4, 0.6, 1.5, 0.7, -0.8, -1.4, -1.1, -1.8, -1.0, -0.7, -1.2, -0.8, -1.5],
    ],
    "loading": [0.8, 0.7, 0.9, 0.8, 0.7, 1.0, 0.8, 0.9, 0.7, 0.6, 0.8, 0.7, 0.9, 0.6, 0.8, 0.7, 0.6, 0.8],
}


def main() -> None:
    """Write the file."""
    df = bm.simulate(fma_gom(ITEMS, 2), TRUTH, n=BOYS, seed=SEED)
    out = pd.DataFrame({i: df[i].astype(int) for i in ITEMS})
    out["true_f"], out["true_a1"] = df["true_f"].round(3), df["true_a1"].round(3)
    out.to_csv(FOLDER / "ucla.csv", index=False)
    print(f"Wrote {len(out)} boys to {Path('data') / 'ucla.csv'}.")


if __name__ == "__main__":
    main()
