"""Tables of a result: that they hold the numbers, and that each kind of document is what its readers take."""

import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import bayesmix as bm
from bayesmix.layout import number
from bayesmix.reports.documents import latex, markdown
from bayesmix.reports.typeset import PLANS, typeset

QUICK = {"starts": 4, "finals": 2, "rounds": 1, "budget": 0, "progress": False}
ODD = r"a_b% & #1 $x^2$ {y} \z ~ <p> | *q* [l] `c`"


@pytest.fixture(scope="module")
def odd(two_classes):
    """A fit with a covariate, of columns with every sign that LaTeX and Markdown take for their own."""
    df = two_classes.rename(columns={"a": ODD}).assign(age=np.random.default_rng(1).normal(size=len(two_classes)))
    return bm.fit(bm.models.lca([ODD, "b", "c", "d"], 2, covariates="age"), df, **QUICK)


@pytest.fixture(scope="module")
def moving(two_classes):
    """A two-level transition model."""
    df = two_classes.assign(g=np.arange(len(two_classes)) % 30)
    model = bm.models.lta([["a", "b"], ["c", "d"]], 2, names=["one", "other"], cluster="g")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether there is something to warn of is not what is tested
        return bm.fit(model, df, **QUICK)


# numbers ------------------------------------------------------------------------------------------


def test_tables_hold_the_numbers_of_the_fit(odd):
    found = bm.tables(odd)
    assert found["fit"].loc["BIC", "value"] == odd.bic
    assert found["fit"].loc["log-likelihood", "value"] == odd.loglik
    summary, table = odd.summary(), found["parameters"]
    assert list(table.index) == list(summary.index)
    assert table[["estimate", "se", "p"]].equals(summary[["estimate", "se", "p"]].rename_axis("entry"))
    assert ((table["status"] == "fixed") == ~summary["free"]).all()
    second = odd.params["item_logit"].sel(C=2, item=ODD).isel(category=1)
    row = table[(table["parameter"] == "item_logit") & (table["class"] == "C = 2") & (table["of"] == f"{ODD} = 1")]
    assert row["estimate"].tolist() == [float(second)]
    ratio = found["odds_ratios"].iloc[0]
    slope = summary.loc[found["odds_ratios"].index[0]]
    assert ratio["odds_ratio"] == pytest.approx(np.exp(slope["estimate"]))
    assert ratio["upper"] == pytest.approx(np.exp(slope["upper"]))
    p = found["probabilities"].query("quantity == 'item_probability'")
    assert p.groupby("class")["estimate"].sum().to_numpy() == pytest.approx(4.0)
    row = p[(p["class"] == "C = 2") & (p["of"] == f"{ODD} = 1")]
    assert row["estimate"].tolist() == [float(odd.probabilities["item_probability"].sel(C=2, item=ODD)[1])]


def test_pairs_of_classes_are_the_right_way_round(odd):
    table = bm.tables(odd)["classification"].set_index(["class", "most_likely"])
    p = odd.class_probabilities().dropna()
    modal = p["most_likely"].astype(int)
    for k in (1, 2):
        for s in (1, 2):
            assert table.loc[(k, s), "average_posterior"] == pytest.approx(p.loc[modal == s, f"C={k}"].mean())
            expected = p.loc[modal == s, f"C={k}"].sum() / p[f"C={k}"].sum()
            assert table.loc[(k, s), "rate"] == pytest.approx(expected)


def test_tables_of_several_occasions_are_those_of_their_functions(moving):
    found = bm.tables(moving)
    assert found["transitions"]["value"].tolist() == bm.transitions(moving)["value"].tolist()
    assert found["decomposition"]["value"].tolist() == bm.decomposition(moving)["value"].tolist()
    assert found["paths"]["posterior"].sum() == pytest.approx(moving.n_individuals)
    assert set(found["derived"]["quantity"]) >= {"C1_sd", "C1_icc"}


def test_a_parameter_at_its_boundary_is_called_so_and_has_no_standard_error(moving):
    table = bm.tables(moving)["parameters"]
    for label in moving.quality["boundary"]:
        assert table.loc[label, "status"] == "boundary"
    assert table.loc[table["status"] == "free", "se"].notna().all()


def test_a_posterior_stands_beside_the_fit_and_alone(fitted, sampled):
    beside, alone = bm.tables(fitted, sampled), bm.tables(sampled)
    of_both = bm.compare(fitted, sampled).table
    assert beside["comparison"][["ml", "mean", "r_hat"]].equals(of_both[["ml", "mean", "r_hat"]])
    assert "ml" not in alone["posterior"]
    assert alone["diagnostics"].loc["Draws", "value"] == "4 chains of 500"
    with pytest.raises(ValueError, match=r"give it beside a fit, bm\.tables\(fit, \.\.\., post=\)"):
        bm.tables(sampled, sampled)


def test_enumerations_and_studies_have_tables(fitted, two_classes):
    found = bm.enumerate_classes(bm.models.lca(list("abcde"), 2), two_classes, [1, 2], **QUICK)
    assert bm.tables(found)["enumeration"].equals(found.table)
    settings = {k: v for k, v in QUICK.items() if k != "progress"}
    studied = bm.study(fitted, n=200, replications=2, fit=settings, progress=False, seed=1)
    assert list(bm.tables(studied)) == ["summary", "criteria"]


# in words -----------------------------------------------------------------------------------------


def test_a_typeset_table_rounds_groups_and_says_what_its_numbers_are(odd):
    t = typeset("parameters", bm.tables(odd)["parameters"], odd)
    assert t.head == ["", "Estimate", "SE", "95% CI", "Est./SE", "p"]
    assert [g for g, _ in t.groups] == ["class logit", "class slope, C = 1", "item logit, C = 1", "item logit, C = 2"]
    first, value = t.groups[0][1][0], odd.summary().loc["class_logit[1]"]
    ends = f"[{number(value['lower'])}, {number(value['upper'])}]"
    assert first[:4] == ["C = 1", number(value["estimate"]), number(value["se"]), ends]
    notes = " ".join(t.notes)
    assert "robust (sandwich)" in notes
    assert "Fixed parameters" in notes
    by_hessian = typeset("odds_ratios", bm.tables(odd)["odds_ratios"], odd, digits=1)
    assert re.fullmatch(r"\d\.\d", by_hessian.groups[0][1][0][1])


def test_every_table_has_a_layout_and_no_column_is_lost(odd, moving, fitted, sampled):
    """Each cell is text; what a layout names is a column of its table."""
    for result, post in ((odd, None), (moving, None), (fitted, sampled), (sampled, None)):
        for name, table in bm.tables(result, post).items():
            assert name in PLANS or name == "paths"
            t = typeset(name, table, result)
            rows = [row for _, group in t.groups for row in group]
            assert {len(row) for row in rows} == {len(t.head)}
            assert len(rows) == len(table) - int((table.get("status") == "fixed").sum() if "status" in table else 0)
            assert any(cell not in ("", "\N{EN DASH}") for row in rows for cell in row[t.left :])


# documents ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not on this machine")
def test_latex_compiles_and_prints_every_sign(odd, tmp_path):
    bm.export(odd, tmp_path / "tables.tex")
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,longtable}"
        "\\begin{document}\\input{tables.tex}\\end{document}",
        encoding="utf-8",
    )
    for _ in range(2):
        done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"], cwd=tmp_path,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", tmp_path / "main.pdf", "-"], capture_output=True, text=True, check=True)
        printed = re.sub(r"\s", "", text.stdout).replace("\N{MODIFIER LETTER CIRCUMFLEX ACCENT}", "^")
        assert re.sub(r"[\s~`^]", "", ODD) in re.sub(r"[~`^\N{SMALL TILDE}‘]", "", printed)


def test_latex_has_rules_a_head_on_every_page_and_no_bare_sign(odd, tmp_path):
    text = bm.export(odd, tmp_path / "t.tex", only="parameters").read_text(encoding="utf-8")
    for word in ("\\toprule", "\\endhead", "\\bottomrule", "\\footnotesize"):
        assert word in text
    assert latex("50% of A_1 & B") == r"50\% of A\_1 \& B"
    assert "$-$" in text


def test_markdown_is_a_table_with_its_signs_escaped(odd, tmp_path):
    lines = bm.export(odd, tmp_path / "t.md", only=["probabilities"]).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert any(markdown(ODD) in row for row in rows)
    assert markdown("<b>|*") == r"\<b\>\|\*"


def test_a_word_document_has_tables_whose_heads_repeat(odd, tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document(str(bm.export(odd, tmp_path / "t.docx")))
    found = bm.tables(odd)
    assert len(document.tables) == len(found)
    titles = [p.text for p in document.paragraphs if p.style.name == "Caption"]
    assert titles == [PLANS[k].title for k in found]
    for table in document.tables:
        assert table.rows[0]._tr.xpath("w:trPr/w:tblHeader")
        assert not table.rows[1]._tr.xpath("w:trPr/w:tblHeader")
    fit = {row.cells[0].text: row.cells[1].text for row in document.tables[0].rows}
    assert fit["log-likelihood"] == number(odd.loglik).replace("-", "\N{MINUS SIGN}")
    assert any(cell.text == f"{ODD} = 1" for t in document.tables for cell in t.column_cells(0))
    assert any(p.text.startswith("Note. ") and "robust (sandwich)" in p.text for p in document.paragraphs)


def test_csv_is_a_folder_of_all_tables_or_one_of_them(odd, tmp_path):
    found = bm.tables(odd)
    folder = bm.export(odd, tmp_path / "all")
    assert {p.stem for p in folder.iterdir()} == {*found}
    read = pd.read_csv(folder / "parameters.csv", index_col=0, keep_default_na=False, na_values=[""])
    assert read["estimate"].to_numpy() == pytest.approx(found["parameters"]["estimate"].to_numpy(), rel=1e-12)
    one = pd.read_csv(bm.export(odd, tmp_path / "p.csv", only="probabilities"), index_col=0)
    assert list(one.index) == list(found["probabilities"].index)
    with pytest.raises(ValueError, match=r"is one csv file, and there are \d tables: say which by only="):
        bm.export(odd, tmp_path / "t.csv")


def test_a_document_is_written_whole_or_not_at_all(fitted, tmp_path, monkeypatch):
    path = tmp_path / "t.md"
    path.write_text("before", encoding="utf-8")
    monkeypatch.setattr("bayesmix.reports.documents._markdown_table", lambda t: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bm.export(fitted, path)
    assert [p.name for p in tmp_path.iterdir()] == ["t.md"]
    assert path.read_text(encoding="utf-8") == "before"


def test_what_cannot_be_written_is_said(fitted, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"came as 't\.pdf': give a name that ends in \.docx, \.tex, \.md or \.csv"):
        bm.export(fitted, tmp_path / "t.pdf")
    with pytest.raises(ValueError, match="only came as 'parameter': give 'fit'"):
        bm.export(fitted, tmp_path / "t.md", only="parameter")
    with pytest.raises(ValueError, match="digits came as -1"):
        bm.export(fitted, tmp_path / "t.md", digits=-1)
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(ImportError, match=r"pip install 'bayesmix\[report\]'"):
        bm.export(fitted, tmp_path / "t.docx")
    assert not list(tmp_path.iterdir())
