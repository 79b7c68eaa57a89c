"""What two fits must be for a test of the smaller one against the larger one."""

from __future__ import annotations

import pandas as pd

from bayesmix.data import Dataset
from bayesmix.data.identity import check_same, identity
from bayesmix.inference.pairs import check_fits, check_maxima
from bayesmix.ml import Target
from bayesmix.results import Fit
from bayesmix.spec import refuse_survey

NO_TEST = (
    "the difference of pseudo log-likelihoods has neither the distribution of Vuong's test nor that of samples drawn "
    "from the model; compare information criteria and what the classes are."
)
"""Why there is no test of the number of classes under the design of a survey."""


def checked_pair(smaller: Fit, larger: Fit, df: pd.DataFrame) -> tuple[Dataset, Dataset]:
    """Encode the rows for both of two fits, of which the smaller one is a special case of the larger one.

    Raises
    ------
    TypeError
        One is no fit.
    ValueError
        Other rows, items or clusters; priors; a collapsed fit; no parameter more; a larger model that fits worse.
    """
    check_fits(smaller, larger, "smaller")
    refuse_survey(smaller.model.survey or larger.model.survey, "The test", NO_TEST)
    for what in ("items", "families", "cluster", "freq"):
        if smaller.info[what] != larger.info[what]:
            raise ValueError(
                f"The {what} of the two fits differ ({smaller.info[what]} and {larger.info[what]}): a test needs a "
                "model and a special case of it."
            )
    one, other = ([e.column for e in f.model.normal_covariates] for f in (smaller, larger))
    if {*one} != {*other}:
        raise ValueError(
            f"The normal covariates of the two fits differ ({', '.join(map(str, one)) or 'none'} and "
            f"{', '.join(map(str, other)) or 'none'}): their log-likelihoods are of other variables. Declare the same "
            "ones by bm.with_covariates."
        )
    if extra := {*smaller.info["covariates"].values()} - {*larger.info["covariates"].values()}:
        raise ValueError(
            f"The smaller fit has the covariates {', '.join(map(repr, sorted(extra)))}, which the larger one has not: "
            "it is no special case of it."
        )
    more = {c.name: c.size for c in larger.model.classes}
    if bad := [c.name for c in smaller.model.classes if c.size > more.get(c.name, 0)]:
        raise ValueError(f"The smaller fit has more classes of '{bad[0]}' than the larger one: change their order.")
    check_maxima(smaller, larger, "smaller")
    encoded = Dataset.encode(smaller.model, df), Dataset.encode(larger.model, df)
    for name, fit, rows in (("smaller", smaller, encoded[0]), ("larger", larger, encoded[1])):
        own = {"identity": identity(Target.of(rows, fit.nodes))}
        check_same(fit.info, own, (f"The {name} fit", "the data"))
    return encoded
