"""Any saved result, by its file or by the folder of a run."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bayesmix.files import as_path
from bayesmix.results import Fit, read_tree, settings_of
from bayesmix.studies import Study
from bayesmix.three_steps import ThreeStep

FILES = ("fit.nc", "three_step.nc", "posterior.nc")
"""Results in the folder of a run, the first of which is there is read."""


def load(path: str | Path) -> Fit | ThreeStep | xr.DataTree | Study:
    """Read a result that was saved, whatever it is.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `save` of a result, or ``post.to_netcdf`` of a posterior, wrote; or a folder that a command with
        ``--out`` wrote: its fit, else its three steps, else its posterior; or the folder of a study.

    Returns
    -------
    Fit, ThreeStep, xarray.DataTree or Study
        The model in it is read from text: no code is run.

    Raises
    ------
    FileNotFoundError
        There is no such file, or the folder holds no result.
    ValueError
        The file is no result, not a whole one, or one of another version.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = bm.load(fit.save(f"{folder}/fit.nc"))
    >>> again.loglik == fit.loglik
    True
    """
    place = as_path(path)
    if place.is_dir():
        if (place / "study.json").is_file():
            return Study.load(place)
        found = next((place / name for name in FILES if (place / name).is_file()), None)
        if found is None:
            raise FileNotFoundError(f"'{path}' holds no result: it has none of {', '.join(FILES)}, study.json.")
        place = found
    tree = read_tree(place, "a result of bayesmix", "a file written by save, or the folder of a command with --out")
    settings = settings_of(tree)
    if "three_step" in settings:
        return ThreeStep.load(place)
    if "loglik" in settings:
        return Fit.load(place)
    if "posterior" in tree.children:
        return tree
    raise ValueError(f"'{path}' holds no result of bayesmix: give a file written by save.")
