"""The comparison on one screen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.listing import brief_comparison

PUBLISHED = pd.read_csv(Path(__file__).parents[2] / "data" / "toca_published.csv")


def test_rows_with_a_published_value_come_alone_with_their_numbers(fitted, sampled):
    labels = ["C_probability[1]", "item_probability[2, e, 1]"]
    table = bm.compare(fitted, sampled, dict(zip(labels, (0.6, 0.25), strict=True)))
    head, _, *lines = brief_comparison(table).splitlines()
    assert head.split() == ["ML", "SE", "NUTS", "SD", "published"]
    assert [line.split("  ")[0] for line in lines[:-1]] == labels
    row = table.table.loc[labels[0]]
    wanted = [*(f"{row[c]:.3f}" for c in ("ml", "ml_se", "mean", "sd")), "0.6"]
    assert lines[0].removeprefix(labels[0]).split() == wanted
    assert lines[-1] == f"Largest R-hat of all {len(table.table)} rows: {table.table['r_hat'].max():.3f}."


def test_means_of_importance_sampling_are_not_said_to_be_of_nuts(fitted, sampled):
    table = bm.compare(fitted, sampled)
    weighed = replace(table, diagnostics={**table.diagnostics, "method": "importance"})
    assert brief_comparison(weighed).splitlines()[0].split() == ["ML", "SE", "posterior", "SD"]


def test_without_published_values_all_rows_come_and_without_a_posterior_no_r_hat(fitted):
    table = bm.compare(fitted)
    head, _, *lines = brief_comparison(table).splitlines()
    assert head.split() == ["ML", "SE"]
    assert len(lines) == len(table.table)
    assert "nan" not in "".join(lines)


@pytest.mark.parametrize("value", [0.5, -12.3456])
def test_what_the_demo_compares_fits_on_a_screen(value):
    """40 lines of 80 columns, of which the demo takes two for itself."""
    index = pd.Index(PUBLISHED["row"], name="entry")
    columns = ["ml", "ml_se", "ml_lower", "ml_upper", "mean", "sd", "eti_lower", "eti_upper", "r_hat", "ess_bulk"]
    table = pd.DataFrame(value, index=index, columns=columns).assign(published=PUBLISHED["published"].to_numpy())
    lines = brief_comparison(bm.Comparison(table, pd.DataFrame(index=index))).splitlines()
    assert len(lines) == len(PUBLISHED) + 3 <= 38
    if np.isclose(value, 0.5):
        assert max(map(len, lines)) <= 80
