"""Draw the picture of the README and of the first page: two classes of pupils, as the package draws them.

python docs/pictures.py
"""

import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd

import bayesmix as bm

FOLDER = Path(__file__).parent
SEED = 0


def main(folder: Path = FOLDER / "_static") -> None:
    """Fit two classes to the items of the fall in `data/toca.csv`, and draw their profiles into `folder`."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "bayesmix"  # the same file each time
    df = pd.read_csv(FOLDER.parent / "data" / "toca.csv")
    items = [c for c in df if c.endswith("_fall")]
    renamed = df.rename(columns=lambda c: c.removesuffix("_fall").replace("_", " "))
    model = bm.models.lca([c.removesuffix("_fall").replace("_", " ") for c in items], classes=2)
    fit = bm.fit(model, renamed, seed=SEED, budget=0, progress=False)
    (axes, *_) = bm.plots.profile(fit)
    axes.figure.set_size_inches(8, 3.6)
    axes.figure.savefig(folder / "classes.svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
