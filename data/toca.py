"""Classroom behaviour in the fall, generated: 1,000 students, ten binary TOCA items, two classes.

    python data/toca.py

writes `toca.csv` and, beside it, the values it was generated from, `toca_published.csv`: the item
profiles of Table 1 and the size of the first class (46%) in the text of section 4 of Asparouhov and
Muthen, "Multilevel Mixture Models" (2006). Two in a hundred answers are missing at random. The true
class of each student is in the column `true_C`; class 1 of the fit is the larger one, here the less
disruptive students.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

import bayesmix as bm

SEED = 2006
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
SIZE = 0.46
"""Share of the more disruptive class in the fall: section 4."""


def main() -> None:
    """Write both files."""
    items = list(DISRUPTIVE)
    less_first = np.array(list(DISRUPTIVE.values())).T[::-1]  # class 1 is the larger one
    truth = {
        "class_logit": np.array([logit(1 - SIZE), 0.0]),
        "item_logit": np.stack([np.zeros_like(less_first), logit(less_first)], axis=-1),
    }
    model = bm.models.lca(items, classes=2)
    df = bm.simulate(model, truth, n=1000, categories={item: [1, 2] for item in items}, seed=SEED)
    gone = np.random.default_rng(SEED).random((len(df), len(items))) < 0.02
    df[items] = df[items].astype("Int64").mask(gone)
    df.insert(0, "student", np.arange(1, len(df) + 1))
    df.to_csv(FOLDER / "toca.csv", index=False)

    published = {"C_probability[1]": 1 - SIZE, "C_probability[2]": SIZE}
    for k in (1, 2):
        published |= {f"item_probability[{k}, {item}, 2]": p for item, p in zip(items, less_first[k - 1], strict=True)}
    pd.Series(published, name="published").rename_axis("row").to_csv(FOLDER / "toca_published.csv")
    print(f"Wrote {len(df)} students to {Path('data') / 'toca.csv'} and the values behind them beside it.")


if __name__ == "__main__":
    main()
