"""Outputs are read as they were written; what is not there is named."""

import numpy as np
import pytest

import bayesmix as bm
from mplus_text import BEGIN, END, INPUT, RESULTS, SMALL, SUMMARY


@pytest.fixture
def small(tmp_path):
    """A function that reads a text as a file."""

    def read(text: str | bytes = SMALL, **options) -> bm.mplus.Output:
        path = tmp_path / "run.out"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return bm.mplus.read(path, **options)

    return read


def test_summary_and_fit(small):
    out = small()
    assert (out.title, out.version) == ("A small example", "8.11")
    assert {k: out.summary[k] for k in ("n", "groups", "dependent", "estimator", "link", "missing_patterns")} == {
        "n": 500, "groups": 1, "dependent": 3, "estimator": "MLR", "link": "LOGIT", "missing_patterns": 3,
    }  # fmt: skip
    assert out.summary["variables"]["Binary and ordered categorical (ordinal)"] == ("U1", "U2", "U3")
    assert (out.loglik, out.scaling, out.n_parameters) == (-900.125, 1.025, 7)
    assert (out.aic, out.bic, out.abic, out.entropy) == (1814.25, 1843.752, 1821.534, 0.731)
    assert out.terminated
    assert out.replicated
    assert out.missing == ()
    assert len(out.messages) == 2
    assert out.messages[1].startswith("IN THE OPTIMIZATION")


def test_the_input_section(small):
    said = small().input
    assert said.names == ("ID", "U1", "U2", "U3", "X")
    assert said.used == said.categorical == ("U1", "U2", "U3")
    assert said.classes == {"C": 2}
    assert said.file == "some\\folder\\small.dat"
    assert said.option("VARIABLE", "MISSING") == "ALL (9999)"
    assert "! the items" in said.text


def test_starts_counts_and_classification(small):
    out = small()
    assert out.starts["loglik"].tolist() == [-900.125, -900.125, -903.5]
    assert out.starts["seed"].tolist() == ["107446", "unperturbed", "76974"]
    counts = out.class_counts.pivot_table(index="basis", columns="class", values="proportion")
    np.testing.assert_array_equal(counts.loc["model"], [0.401, 0.599])
    np.testing.assert_array_equal(counts.loc["most likely"], [0.42, 0.58])
    np.testing.assert_array_equal(out.classification["average"], [[0.912, 0.088], [0.075, 0.925]])


def test_model_results(small):
    table = small().results.set_index(["class", "variable"])
    first = table.loc[("1", "U1$1")]
    assert (first["heading"], first["estimate"], first["se"]) == ("Thresholds", 15.0, 0.0)
    assert np.isnan(first["est_se"])  # 999.000
    assert np.isnan(first["p"])
    stars = table.loc[("2", "U2$1")]
    assert stars["estimate"] == 0.75
    assert np.isnan(stars["se"])
    assert table.loc[("2", "U3$1"), ["estimate", "se"]].tolist() == [2.0, 0.05]  # 0.200D+01
    mean = table.loc[("", "C#1")]
    assert (mean["part"], mean["heading"], mean["p"]) == ("Categorical Latent Variables", "Means", 0.008)


def test_further_sections(small):
    out = small()
    assert out.probabilities[["class", "variable", "category", "estimate"]].to_numpy().tolist() == [
        ["1", "U2", 1, 0.378],
        ["1", "U2", 2, 0.622],
    ]
    assert out.odds_ratios.iloc[0].tolist() == ["1", "2", "U2", "Category > 1", 3.49, 0.9, 2.1, 5.8]
    assert out.tech11["P-Value"] == 0.0001
    assert out.tech11["adjusted Value"] == 97.5
    assert out.tech11["Difference in the Number of Parameters"] == 4
    assert out.tech14["Successful Bootstrap Draws"] == 10


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + SMALL.encode(),
        SMALL.replace("A small", "Une petite idée,").encode("latin-1"),
        SMALL.encode("utf-16"),
        SMALL.replace("    U2$1  ", "\tU2$1  ").encode(),
    ],
    ids=["Windows", "byte order mark", "Latin 1", "UTF-16", "tabs"],
)
def test_encodings_and_line_ends_change_nothing(small, text):
    out, plain = small(text), small()
    assert out.loglik == plain.loglik
    assert out.results.equals(plain.results)
    assert out.missing == ()


def test_decimal_commas(small):
    at = SMALL.index("SUMMARY OF ANALYSIS")
    import re

    out = small(SMALL[:at] + re.sub(r"(\d)\.(\d)", r"\1,\2", SMALL[at:]))
    assert out.loglik == -900.125
    assert out.results.equals(small().results)
    assert out.class_counts.equals(small().class_counts)


def test_levels_and_relations(small):
    results = """MODEL RESULTS

                    Estimate       S.E.  Est./S.E.    P-Value

Within Level

Latent Class 1

 Y          ON
    X                  1.500      0.100     15.000      0.000

 Residual Variances
    Y                  2.000      0.200     10.000      0.000

Between Level

Latent Class 1

 Intercepts
    Y                  3.000      0.300     10.000      0.000

Categorical Latent Variables

Within Level

 C#1        ON
    X                  0.400      0.100      4.000      0.000

Between Level

 Variances
    C#1                0.900      0.300      3.000      0.003

New/Additional Parameters
    DIFF               0.100      0.050      2.000      0.046

QUALITY OF NUMERICAL RESULTS
"""
    table = small(BEGIN + INPUT + SUMMARY + results + END).results
    assert table[["part", "level", "class", "heading", "outcome", "variable"]].to_numpy().tolist() == [
        ["", "Within", "1", "ON", "Y", "X"],
        ["", "Within", "1", "Residual Variances", "", "Y"],
        ["", "Between", "1", "Intercepts", "", "Y"],
        ["Categorical Latent Variables", "Within", "", "ON", "C#1", "X"],
        ["Categorical Latent Variables", "Between", "", "Variances", "", "C#1"],
        ["New/Additional Parameters", "", "", "", "", "DIFF"],
    ]


# what is not there --------------------------------------------------------------------------------


def test_a_file_that_is_cut(small):
    out = small(BEGIN + INPUT + SUMMARY)
    assert out.loglik == -900.125
    assert out.missing[0] == "the model results"
    assert "the end of the file" in out.missing[1]
    out = small(BEGIN + INPUT + SUMMARY + "MODEL RESULTS\n\n")
    assert "the file was cut" in out.missing[0]
    out = small(BEGIN + INPUT)
    assert "the input has an error, or the file was cut" in out.missing[0]


def test_a_run_that_failed(small):
    text = SUMMARY.replace(
        "THE MODEL ESTIMATION TERMINATED NORMALLY",
        "THE MODEL ESTIMATION DID NOT TERMINATE NORMALLY DUE TO AN ILL-CONDITIONED\n"
        "     FISHER INFORMATION MATRIX.  CHANGE YOUR MODEL AND/OR STARTING VALUES.",
    )
    out = small(BEGIN + INPUT + text + END)
    assert not out.terminated
    assert "did not terminate normally" in out.missing[0]
    assert any("ILL-CONDITIONED FISHER" in m for m in out.messages)


def test_an_input_error(small):
    error = "*** ERROR in VARIABLE command\n  Unknown variable(s) in a CATEGORICAL option: U9\n\n"
    out = small(BEGIN + INPUT + error + END)
    assert out.messages == ("*** ERROR in VARIABLE command Unknown variable(s) in a CATEGORICAL option: U9",)
    assert "the input has an error" in out.missing[0]
    assert np.isnan(out.loglik)


@pytest.mark.parametrize(
    ("was", "found"),
    [
        ("THE BEST LOGLIKELIHOOD VALUE HAS BEEN REPLICATED.  RERUN WITH AT LEAST TWICE THE",
         "WARNING:  THE BEST LOGLIKELIHOOD VALUE WAS NOT REPLICATED.  THE"),
        ("THE BEST LOGLIKELIHOOD VALUE HAS BEEN REPLICATED.  RERUN", "ALL IS SAID.  RERUN"),
    ],
)  # fmt: skip
def test_replication(small, was, found):
    out = small(SMALL.replace(was, found))
    assert out.replicated is (False if "NOT" in found else None)


def test_no_standard_errors(small):
    import re

    bare = re.sub(r"(\$1|C#1)(\s+-?\d\S+).*", r"\1\2", RESULTS).replace("0.200D+01", "2.000")
    out = small(BEGIN + INPUT + SUMMARY + bare + END)
    assert len(out.results) == 7
    assert any("standard errors" in m for m in out.missing)


def test_several_outputs_in_one_file(small):
    both = SMALL + SMALL.replace("-900.125", "-901.000")
    with pytest.raises(ValueError, match="holds 2 outputs: say which one, number=1 to number=2"):
        small(both)
    assert small(both, number=2).loglik == -901.0
    with pytest.raises(ValueError, match=r"number came as 3: .* holds 2 output"):
        small(both, number=3)


@pytest.mark.parametrize(
    ("text", "words"), [("", "is empty"), ("some text\n", "no line 'Mplus VERSION"), ("a\x00b", "is no text")]
)
def test_what_is_no_output_is_refused(small, text, words):
    with pytest.raises(ValueError, match=words):
        small(text)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"No file '.*nothing\.out': check the path"):
        bm.mplus.read(tmp_path / "nothing.out")


def test_other_analyses_are_named(small):
    assert "describes the data alone" in small(SMALL.replace("TYPE = MIXTURE", "TYPE = BASIC")).missing[0]
    study = SMALL.replace("  DATA: FILE", "  MONTECARLO: NAMES = y1-y3; NREPS = 5;\n  DATA: FILE")
    assert "Monte Carlo study" in small(study).missing[0]


def test_an_estimator_without_a_likelihood_lacks_none(small):
    text = SMALL.replace("Estimator                                                      MLR",
                         "Estimator                                                    WLSMV")  # fmt: skip
    text = text.replace("          H0 Value                        -900.125\n", "")
    assert small(text).missing == ()
    assert small(text.replace("WLSMV", "  MLR")).missing == ("the log-likelihood",)
    assert small(SMALL + "MUTHEN & MUTHEN\n3463 Some Street.\nLOS ANGELES\nTEL (1) 2\n").messages == small().messages


def test_the_summary_of_an_output(small):
    assert repr(small()).splitlines()[:2] == ["Mplus 8.11: A small example", "C(2); n = 500; MLR"]
    assert "missing: the model results" in repr(small(BEGIN + INPUT + SUMMARY))
