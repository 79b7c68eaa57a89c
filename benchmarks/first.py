"""The first fit of a process, from its start to the printed listing: with no programs on disk, and with them.

    python benchmarks/first.py                every kind of model
    python benchmarks/first.py lca

Each is a process of its own, with a folder of its own for what PyTensor and bayesmix keep. The first line is a process
that imports pandas, PyTensor and SciPy's optimiser and does nothing: no fit can be faster.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import JOBS

NOTHING = "import pandas, xarray, pytensor.xtensor, scipy.optimize"
FIT = """
import sys
sys.path.insert(0, {here!r})
import pickle
import bayesmix as bm
with open({path!r}, "rb") as file:
    model, df, settings = pickle.load(file)
fit = bm.fit(model, df, progress=False, **settings)
print(bm.report(fit))
"""


def seconds(folder: str, program: str) -> float:
    """From starting the interpreter to the end of the program."""
    flags = f"base_compiledir={folder}" + (f",{old}" if (old := os.environ.get("PYTENSOR_FLAGS")) else "")
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTENSOR_FLAGS": flags, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def main() -> None:
    """The jobs that the arguments name, or all."""
    print(f"{'job':50s} {'empty':>7s} {'warm':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        empty, warm = (seconds(folder, NOTHING) for _ in range(2))
    print(f"{'nothing but imports':50s} {empty:7.2f} {warm:7.2f}", flush=True)
    for name in sys.argv[1:] or list(JOBS):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "job.pickle"
            path.write_bytes(pickle.dumps((*JOBS[name].make(), JOBS[name].settings)))
            program = FIT.format(here=str(Path(__file__).parent), path=str(path))
            empty, warm = (seconds(folder, program) for _ in range(2))
        print(f"{JOBS[name].title:50s} {empty:7.2f} {warm:7.2f}", flush=True)


if __name__ == "__main__":
    main()
