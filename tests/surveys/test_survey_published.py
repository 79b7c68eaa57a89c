"""Errors of the survey package of R on its schools of California; the folder is named by BAYESMIX_REAL_DATA.

`svyglm` of survey 4.5: designs ``svydesign(id = ~1, strata = ~stype, weights = ~pw, data = apistrat, fpc = ~fpc)``,
the same without fpc, ``svydesign(id = ~dnum, strata = ~stype, nest = TRUE, ...)`` and
``svydesign(id = ~dnum, weights = ~pw, data = apiclus2)``.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesmix as bm

FOLDER = os.environ.get("BAYESMIX_REAL_DATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not FOLDER or not (Path(FOLDER) / "api_strat.csv").exists(),
        reason="BAYESMIX_REAL_DATA does not name a folder with api_strat.csv and api_clus2.csv (apistrat, apiclus2)",
    ),
]
FULL = "api00 ~ ell + meals + mobility"
CASES = {
    "strata and fpc": (
        "api_strat", FULL, {"strata": "stype", "fpc": "fpc"}, [820.8873159, -0.4805866, -3.1415353, 0.2257132],
        [10.0777359499, 0.3919734032, 0.2839465064, 0.3932183620],
    ),
    "strata": (
        "api_strat", FULL, {"strata": "stype"}, [820.8873159, -0.4805866, -3.1415353, 0.2257132],
        [10.2564899371, 0.3977074728, 0.2883000541, 0.4026907625],
    ),
    "districts within strata": (
        "api_strat", "api00 ~ ell + meals", {"strata": "stype", "psu": "dnum"}, [823.8579256, -0.5057256, -3.1106290],
        [8.5954782290, 0.4099297274, 0.2704608841],
    ),
    "districts": (
        "api_clus2", FULL, {"psu": "dnum"}, [811.4907225, -2.0591642, -1.7771813, 0.3252517],
        [30.8795377481, 1.4075396961, 1.1052685814, 0.5304816127],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_svyglm(case):
    name, formula, design, value, se = CASES[case]
    df = pd.read_csv(Path(str(FOLDER)) / f"{name}.csv")
    model = bm.survey(bm.models.regression_mixture(formula, 1), weights="pw", **design)
    found = bm.fit(model, df, starts=2, rounds=1, progress=False).summary().iloc[: len(value)]
    np.testing.assert_allclose(found["estimate"], value, rtol=1e-6)
    np.testing.assert_allclose(found["se"], se, rtol=1e-6)
    df_of = {"strata and fpc": 197, "strata": 197, "districts within strata": 159, "districts": 39}[case]
    apart = stats.t.ppf(0.975, df_of) * np.array(se)  # confint(svyglm(...), ddf = degf(design))
    np.testing.assert_allclose(found["upper"], value + apart, rtol=1e-6)
    np.testing.assert_allclose(found["p"], 2 * stats.t.sf(np.abs(np.array(value) / se), df_of), rtol=1e-5, atol=1e-12)
