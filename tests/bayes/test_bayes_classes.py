"""Class probabilities of a posterior: averages over draws against loops over classes at each draw; the listing."""

import numpy as np
import pytest
from bayesmix.models import lca, lta, regression_mixture
from numpy.testing import assert_allclose

import bayesmix as bm
from bayesmix.bayes import class_group as module
from bayesmix.bayes.class_group import class_group, spaced
from declare import frame, oracle_for, random_values

NODES = bm.trapezoid(5, 2.5)


def draws_of(model, df, n: int = 3, nodes=None):
    """Problem, points of theta (2, n), and the natural values at each."""
    data = bm.prepare(model, df, nodes).centred()
    values = [random_values(data, seed) for seed in range(2 * n)]
    theta = np.stack([data.pack({p.name: v[p.name] for p in model.parameters}) for v in values])
    return data, theta.reshape(2, n, -1), values


def test_two_classes_and_three_items_by_enumeration_at_each_draw():
    df, model = frame(clusters=5), lca(["b1", "b2", "b3"], 2, family=bm.bernoulli())
    data, theta, values = draws_of(model, df)
    table = class_group(data, theta)["classes"]
    each = []
    for v in values:
        prior = np.exp(v["class_logit"]) / np.exp(v["class_logit"]).sum()
        p = np.empty((len(df), 2))
        for i in range(len(df)):
            for c in range(2):
                p[i, c] = prior[c]
                for k, item in enumerate(["b1", "b2", "b3"]):
                    yes = 1 / (1 + np.exp(-v["item_intercept"][c, k]))
                    y = df[item].iloc[i]
                    p[i, c] *= 1.0 if np.isnan(y) else yes if y == 1 else 1 - yes
        each.append(p / p.sum(axis=1, keepdims=True))
    seen = df[["b1", "b2", "b3"]].notna().any(axis=1).to_numpy()
    assert_allclose(table["C_posterior"].values[seen], np.mean(each, axis=0)[seen], rtol=1e-10)
    assert_allclose(table["C_posterior_sd"].values[seen], np.std(each, axis=0)[seen], rtol=1e-8)
    assert np.isnan(table["C_posterior"].values[~seen]).all()
    assert table.attrs["draws"] == 6
    assert table["row"].values.tolist() == df.index.tolist()


@pytest.mark.parametrize(("model", "nodes"), [
    (lca(["b1", "b2", "b3"], 2, cluster="g"), NODES),
    (lca(["b1", "b2", "b3"], 2, cluster="g", cluster_classes=2), None),
    (lta([["b1", "b2"], ["b3", "b4"]], 2, freq="f"), None),
], ids=["effects", "classes of clusters", "paths"])  # fmt: skip
def test_levels_and_paths_by_brute_force_at_each_draw(model, nodes):
    df = frame(clusters=4)
    data, theta, values = draws_of(model, df, nodes=nodes)
    table = class_group(data, theta)["classes"]
    oracles = [oracle_for(data, df, v) for v in values]
    seen = df[list(model.items)].notna().any(axis=1).to_numpy()
    for c in model.classes:
        of_rows = c.level == "individual"
        each = [o.row_posterior(c.name)[seen] if of_rows else o.cluster_posterior(c.name) for o in oracles]
        found = table[f"{c.name}_posterior"].values
        assert_allclose(found[seen] if of_rows else found, np.mean(each, axis=0), rtol=1e-8)
        found = table[f"{c.name}_posterior_sd"].values
        assert_allclose(found[seen] if of_rows else found, np.std(each, axis=0), atol=1e-8)
    if "path" in table:
        joint = np.mean([o.row_posterior("C1", "C2") for o in oracles], axis=0)
        flat = joint.reshape(len(joint), -1)
        assert_allclose(table["path_probability"].values[seen], flat.max(axis=1)[seen], rtol=1e-8)
        assert_allclose(
            table["path"].values[seen], np.stack(np.unravel_index(flat.argmax(axis=1), (2, 2)), 1)[seen] + 1
        )
        assert_allclose(table["stayed_probability"].values[seen], (joint[:, 0, 0] + joint[:, 1, 1])[seen], rtol=1e-8)
        counts = (df["f"].to_numpy()[:, None, None] * joint)[seen].sum(axis=0)
        assert_allclose(table["path_counts"].values, counts, rtol=1e-8)
        entropy = -(flat * np.log(flat)).sum(axis=1)
        assert_allclose(table["joint_entropy"].values[seen], entropy[seen], rtol=1e-8)


def test_fewer_draws_are_averaged_where_they_are_costly(monkeypatch):
    df, model = frame(clusters=5), lca(["b1", "b2", "b3"], 2)
    data, _, _ = draws_of(model, df)
    assert len(spaced(data, 4, 1000)) == 1000
    assert spaced(data, 4, 1000, 5).tolist() == [0, 250, 500, 749, 999]
    monkeypatch.setattr(module, "MOST_ENTRIES", 1)
    assert len(spaced(data, 4, 1000)) == 50  # 200 over all chains
    assert len(spaced(data, 2, 30)) == 30


def test_there_is_no_group_without_classes():
    df, model = frame(clusters=5), regression_mixture("y1 ~ x", cluster="g")
    data, theta, _ = draws_of(model, df)
    found = class_group(data, theta)
    assert not found or not any(k.endswith("_sd") and v.max() > 0 for k, v in found["classes"].items())


def test_a_posterior_has_the_tables_that_a_fit_has(sampled, fitted, two_classes):
    p = bm.class_probabilities(sampled)
    assert p.columns.to_list() == ["C=1", "C=2", "most_likely", "C=1 sd", "C=2 sd"]
    ml = fitted.class_probabilities()
    assert p.index.equals(ml.index)
    assert np.abs(p["C=1"] - ml["C=1"]).max() < 0.1
    draws = sampled["posterior"].to_dataset()
    tables = draws["C_probability"].transpose("chain", "draw", "C").values.reshape(-1, 2)
    counts = bm.class_counts(sampled)
    n = len(ml.dropna())
    assert_allclose(counts["model"], tables.mean(axis=0) * n)
    assert_allclose(counts["posterior"].sum(), n)
    assert_allclose(bm.class_counts(fitted), fitted.class_counts())
    assert_allclose(bm.classification(sampled).sum(axis=1), 1.0)
    with pytest.raises(ValueError, match="no paths"):
        bm.paths(sampled)
    again = bm.predict(sampled, two_classes, draws=draws.sizes["draw"])
    keep = p["most_likely"].notna()
    assert_allclose(again.class_probabilities()["C=1"][keep], p["C=1"][keep], atol=1e-10)
    text = str(bm.report(sampled))
    assert "CLASS COUNTS" in text
    assert f"{counts['posterior'].iloc[0]:.1f}" in text
    assert f"Averages over {sampled['classes'].attrs['draws']} draws." in text


def test_a_posterior_without_them_says_what_to_do(sampled):
    bare = sampled.copy()
    del bare["classes"]
    with pytest.raises(ValueError, match=r"no class probabilities .group 'classes'.: .*bm.predict"):
        bm.class_probabilities(bare)
    with pytest.raises(TypeError, match="expected a fit"):
        bm.class_counts("fit")
