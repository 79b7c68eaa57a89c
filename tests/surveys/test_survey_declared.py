"""What is asked of a design: names, settings that belong together, and what stands in the columns."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.data import Dataset
from bayesmix.spec import dumps, loads


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "without a column"),
        ({"weights": 3}, "weights came as 3"),
        ({"weights": pd.Series([1.0])}, "weights came as Series"),
        ({"weights": "w", "scaling": "cluster"}, "nothing latent in clusters"),
        ({"weights": "w", "scaling": "loud"}, "scaling came as 'loud'"),
        ({"psu": "p", "scaling": "sample"}, "scaling came without weights"),
        ({"weights": "w", "lonely": "remove"}, "lonely came as 'remove'"),
        ({"weights": "w", "fpc": "f"}, "fpc came without strata or psu"),
        ({"weights": "w", "method": "JK1"}, "method came without replicate weights"),
        ({"replicate_weights": "r", "method": "JK1"}, "without the weights of the full sample"),
        ({"weights": "w", "replicate_weights": "r"}, "without method="),
        ({"weights": "w", "replicate_weights": "r", "method": "JK9"}, "method came as 'JK9'"),
        ({"weights": "w", "replicate_weights": "r", "method": "Fay"}, "rho, Fay's factor"),
        ({"weights": "w", "replicate_weights": "r", "method": "Fay", "rho": 1.0}, "rho came as 1.0"),
        ({"weights": "w", "replicate_weights": "r", "method": "JKn"}, "without rscales"),
        ({"weights": "w", "replicate_weights": "r", "method": "JK1", "strata": "s"}, "beside strata"),
        ({"weights": "w", "replicate_weights": ["r1"], "method": "JK1"}, "one column"),
        ({"weights": "w", "replicate_weights": ["r", "r"], "method": "JK1"}, "twice"),
        ({"weights": "w", "replicate_weights": "r", "method": "JK1", "scale": -1}, "scale came as -1"),
        ({"weights": "w", "replicate_weights": "r", "method": "JKn", "rscales": [1, "a"]}, "rscales came with 'a'"),
    ],
)
def test_declarations_that_say_nothing(two, given, words):
    with pytest.raises((ValueError, TypeError), match=words):
        bm.survey(two, **given)


def test_two_levels_take_no_weights_of_the_whole_sample():
    model = bm.models.lca(list("abcd"), 2, cluster="g")
    with pytest.raises(ValueError, match="'cluster', 'effective' or 'unscaled'"):
        bm.survey(model, weights="w", scaling="sample")
    with pytest.raises(ValueError, match="Replicate weights came for a model with something latent"):
        bm.survey(model, weights="w", replicate_weights="r", method="JK1")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("w", -1.0, r"weights 'w' came with -1 \(row 3; 1 such rows\)"),
        ("w", np.nan, "a missing value"),
        ("w", np.inf, "an infinite value"),
        ("w", "many", "text such as 'many'"),
        ("s", None, "strata 's' have 1 missing"),
        ("p", " ", "primary sampling units 'p' have 1 missing"),
    ],
)
def test_columns_that_say_nothing(two, drawn, column, value, words):
    df = drawn.astype({column: object})
    df.loc[3, column] = value
    with pytest.raises(ValueError, match=words):
        bm.fit(two, df, weights="w", strata="s", psu="p")


def test_columns_that_are_not_there_or_mean_two_things(two, drawn):
    with pytest.raises(ValueError, match=r"'wt'"):
        bm.fit(two, drawn, weights="wt")
    with pytest.raises(ValueError, match="'a' came both as an item and as the weights"):
        bm.fit(two, drawn, weights="a")
    with pytest.raises(ValueError, match="'a' came both as an item and as the strata"):
        bm.fit(two, drawn, weights="w", strata="a")
    with pytest.raises(ValueError, match="zero in every row"):
        bm.fit(two, drawn.assign(w=0), weights="w")
    with pytest.raises(ValueError, match=r"give them as weights='v' of bm.fit"):
        bm.fit(bm.models.lca(list("abcd"), 2, freq="v"), drawn.assign(v=0.5))
    model = bm.survey(two, weights="w", replicate_weights="rep", method="JK1")
    with pytest.raises(ValueError, match="0 columns are named so"):
        bm.fit(model, drawn)
    with pytest.raises(ValueError, match="2 numbers for 3 replicates"):
        bm.fit(
            bm.survey(two, weights="w", replicate_weights="rep", method="JKn", rscales=[1, 1]),
            drawn.assign(rep1=1, rep2=1, rep3=1),
        )
    with pytest.raises(ValueError, match="fpc' came with 2 and 3 in the stratum"):
        bm.fit(bm.survey(two, strata="s", fpc="fpc"), drawn.assign(fpc=2 + drawn.index % 2))
    with pytest.raises(ValueError, match="20 units in the population of the stratum 0, of which 40 were drawn"):
        bm.fit(bm.survey(two, strata="s", fpc="fpc"), drawn.assign(fpc=20))


def test_clusters_lie_within_units_and_have_one_weight(drawn):
    model, df = bm.models.lca(list("abcd"), 2, cluster="g"), drawn.assign(g=drawn["s"] * 4 + drawn["p"])
    with pytest.raises(ValueError, match=r"cluster 0 of 'g' has rows in more than one primary sampling unit 'u'"):
        bm.fit(model, df.assign(u=df.index % 5), weights="w", psu="u")
    with pytest.raises(ValueError, match=r"weights of clusters 'bw' came with .* must be equal within each cluster"):
        bm.fit(model, df.assign(bw=1 + df.index % 2), weights="w", cluster_weights="bw")
    with pytest.raises(ValueError, match="leave these rows out"):
        bm.fit(model, df.assign(bw=0), weights="w", cluster_weights="bw")


def test_a_design_is_kept(two):
    model = bm.survey(two, weights="w", replicate_weights=["r1", "r2"], method="Fay", rho=0.3)
    assert loads(dumps(model)) == model
    assert bool(model.survey)
    assert not two.survey
    assert "weights='w'" in model.survey.words


def test_replicates_come_by_number(drawn, two):
    df = drawn.assign(**{f"rw{k}": drawn["w"] * k for k in (10, 2, 1)})
    rows = Dataset.encode(bm.survey(two, weights="w", replicate_weights="rw", method="JK1"), df)
    np.testing.assert_allclose(rows.sampling.replicates[1] / rows.sampling.replicates[0], 2.0)


def test_one_that_is_not_nested_takes_the_product(drawn):
    """Without anything latent in clusters weights of both levels are multiplied, as a simpler start is."""
    df = drawn.assign(g=drawn["s"] * 4 + drawn["p"], bw=1 + drawn["s"] % 3)
    nested = bm.survey(bm.models.lca(list("abcd"), 2, cluster="g"), weights="w", cluster_weights="bw")
    flat = bm.survey(bm.models.lca(list("abcd"), 2, cluster="g", effects="none"), weights="w", cluster_weights="bw")
    product = (df["w"] * df["bw"]).to_numpy()
    for rows in (Dataset.encode(flat, df), Dataset.encode(nested, df).under(flat)):
        np.testing.assert_allclose(rows.weights, np.where(rows.seen, product, 0) * 400 / product[rows.seen].sum()
                                   * rows.seen.sum() / 400)  # fmt: skip
    rows = Dataset.encode(nested, df)
    np.testing.assert_allclose(np.bincount(rows.cluster_of_row[rows.seen], rows.weights[rows.seen]),
                               np.bincount(rows.cluster_of_row[rows.seen]))  # fmt: skip
    assert rows.shares.sum() == pytest.approx(rows.seen.sum())
