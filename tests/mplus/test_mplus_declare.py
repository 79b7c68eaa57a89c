"""What an input declares among our models, what its data are, and what is refused."""

import numpy as np
import pytest

import bayesmix as bm

HEAD = "TITLE: T\nDATA: FILE = 'C:\\some\\a.dat';\nVARIABLE: NAMES = id u1-u4 y1 y2 x n;\n"


@pytest.fixture
def said(tmp_path):
    """A function that reads the rest of an input, behind the names."""

    def read(rest: str, head: str = HEAD) -> bm.mplus.Input:
        (tmp_path / "run.inp").write_text(head + rest)
        return bm.mplus.read_input(tmp_path / "run.inp")

    return read


MIXTURE = "USEVARIABLES = u1-u4; CATEGORICAL = u1-u4; CLASSES = c(2);\nANALYSIS: TYPE = MIXTURE;\n"


def test_abbreviations_comments_and_cases(said):
    one = said(
        "usev are u1 - u3  ! three items\n u4; cate = all; classes = C (3);\nanalysis: type is mixture missing;\n"
    )
    assert one.used == one.categorical == ("U1", "U2", "U3", "U4")
    model = bm.mplus.model(one)
    assert (model.name, model.items, model.classes[0].size) == ("lca", one.used, 3)


def test_a_block_comment_hides_what_is_in_it(said):
    one = said(MIXTURE + "MODEL: !* %OVERALL% f BY u1-u4; *!\n %OVERALL% c ON x;\n".replace("c ON x;", "[c#1*1];"))
    assert bm.mplus.model(one).effects == ()


def test_ranges_run_along_the_names(said):
    one = said("USEVARIABLES = y2 u3-y1; CLASSES = c(2);\nANALYSIS: TYPE = MIXTURE;\n")
    assert one.used == ("Y2", "U3", "U4", "Y1")
    odd = said("CLASSES = c(2);\n", "TITLE: T\nVARIABLE: NAMES = a08-a11 b1-b3;\n")
    assert odd.names == ("A08", "A09", "A10", "A11", "B1", "B2", "B3")


def test_covariates_variances_and_frequencies(said):
    one = said(
        "USEVARIABLES = u1 y1 y2 x; CATEGORICAL = u1; FREQWEIGHT = n; CLASSES = c(2);\nANALYSIS: TYPE = MIXTURE;\n"
        "MODEL: %OVERALL% c#1 ON x*0.5;\n %c#1% [u1$1*1 y1 y2]; y1 y2;\n %c#2% [u1$1*-1]; y1-y2*2;\n"
    )
    wanted = bm.models.lca(
        ["U1", "Y1", "Y2"], 2, "X", {"U1": bm.ordinal(), "Y1": bm.normal(), "Y2": bm.normal()}, "class", "N"
    )
    assert bm.mplus.model(one) == wanted


def test_a_label_of_all_classes_is_the_default_of_variances(said):
    rest = "USEVARIABLES = y1 y2; CLASSES = c(2);\nANALYSIS: TYPE = MIXTURE;\nMODEL: %OVERALL% y1 WITH y2@0;\n"
    one = said(rest + "%c#1% y1 (a); y2 (b);\n %c#2% y1 (a); y2 (b);\n")
    assert bm.mplus.model(one) == bm.models.lca(["Y1", "Y2"], 2, family=bm.normal())


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("USEVARIABLES = u1-u4;\nANALYSIS: ESTIMATOR = ML;\n", "TYPE = GENERAL, and no classes"),
        (MIXTURE.replace("MIXTURE", "MIXTURE RANDOM"), "TYPE = RANDOM"),
        (MIXTURE.replace("MIXTURE", "MIXTURE TWOLEVEL"), "CLUSTER = "),
        (
            MIXTURE.replace("MIXTURE", "MIXTURE TWOLEVEL").replace("CLASSES", "CLUSTER = id; CLASSES"),
            "U1, which is not on the WITHIN list",
        ),
        (MIXTURE.replace("CLASSES", "WEIGHT = n; CLASSES"), "WEIGHT = n"),
        (MIXTURE.replace("CLASSES", "KNOWNCLASS = c(x = 1 n = 2); CLASSES"), "known classes of several columns: N, X"),
        (MIXTURE.replace("CLASSES", "KNOWNCLASS = c(x = 1 2); CLASSES"), "known classes alone"),
        (MIXTURE + "MODEL: %OVERALL% u4 WITH u1 u2@0;\n", "a covariance of U1"),
        (MIXTURE + "MODEL: %OVERALL% f BY u1-u4;\n", "'F BY U1-U4'"),
        (MIXTURE + "MODEL: %OVERALL% u1 WITH u2;\n", "a covariance of U1"),
        (MIXTURE + "MODEL: %OVERALL%\n %c#1% [u1$1@15];\n", r"a fixed value, '\[U1\$1@15\]'"),
        (MIXTURE + "MODEL: %OVERALL%\n %c#1% [u1$1] (1);\n %c#2% [u1$1] (1);\n", r"an equality constraint, '\[U1\$1\]"),
        (MIXTURE + "MODEL: %OVERALL%\n %c#1% u1 ON x;\n", "'U1 ON X'"),
        (MIXTURE + "MODEL CONSTRAINT: a = b;\n", "MODEL CONSTRAINT"),
        (MIXTURE.replace("CLAS", "COUNT = y1 (nbt); CLAS").replace("u1-u4;", "u1-y1;", 1), r"counts of the kind \(nb"),
        (MIXTURE.replace("TYPE", "ESTIMATOR = BAYES; TYPE"), "ESTIMATOR = BAYES"),
        (MIXTURE.replace("TYPE", "PARAMETERIZATION = LOGLINEAR; TYPE"), "PARAMETERIZATION = LOGLINEAR"),
        (MIXTURE.replace("c(2)", "c1(2) c2(2)"), "a chain|told apart|no chain"),
        (MIXTURE.replace("u1-u4; CAT", "u1-y2; CAT") + "MODEL: %c#1% y1;\n", "variances that differ"),
    ],
)  # fmt: skip
def test_what_is_not_among_our_models_is_named(said, rest, part):
    with pytest.raises(ValueError, match=f"The input has .*({part}).*not among the models"):
        bm.mplus.model(said(rest))


TWO = (
    "USEVARIABLES = u1-u4; CATEGORICAL = u1-u4; CLASSES = c1(2) c2(2);\nANALYSIS: TYPE = MIXTURE;\n"
    "MODEL: %OVERALL% c2 ON c1;\n"
    "MODEL c1: %c1#1% [u1$1 u2$1] (1-2);\n %c1#2% [u1$1-u2$1] (3-4);\n"
    "MODEL c2: %c2#1% [u3$1 u4$1] (1-2);\n %c2#2% [u3$1-u4$1] (3-4);\n"
)


def test_occasions_and_invariance(said):
    given = {"names": ["item1", "item2"], "family": bm.ordinal()}
    waves = [["U1", "U2"], ["U3", "U4"]]
    assert bm.mplus.model(said(TWO)) == bm.models.lta(waves, 2, **given)
    free = TWO.replace(" (1-2)", "").replace(" (3-4)", "")
    assert bm.mplus.model(said(free)) == bm.models.lta(waves, 2, measurement="free", **given)
    crossed = TWO.replace("[u3$1 u4$1] (1-2)", "[u3$1 u4$1] (2 1)")
    with pytest.raises(ValueError, match="equality constraints that are not those of one item over occasions"):
        bm.mplus.model(said(crossed))
    half = TWO.replace("[u3$1 u4$1] (1-2)", "[u3$1 u4$1] (5-6)")
    with pytest.raises(ValueError, match="items that are invariant in some classes alone"):
        bm.mplus.model(said(half))


# data ---------------------------------------------------------------------------------------------


def write(tmp_path, text: str) -> None:
    (tmp_path / "a.dat").write_text(text)


def test_data_in_free_format(said, tmp_path):
    write(tmp_path, "1 0 1 9 1 2.5 1.0D+01 0 1\n2,0,1,1,1,-99,3,1,2\n")
    df = bm.mplus.data(said("MISSING = u1-u4 (8-9) y1 (-99);\n"), tmp_path)
    assert df.shape == (2, 9)
    assert df["Y2"].tolist() == [10.0, 3.0]
    assert df.isna().sum()[lambda n: n > 0].to_dict() == {"U3": 1, "Y1": 1}


def test_missing_symbols_cuts_and_listwise(said, tmp_path):
    write(tmp_path, "1 1 2 3 4 . 5 0 1\n2 3 4 9999 6 7 8 1 2\n")
    one = said("MISSING = .; MISSING = ALL (9999); USEVARIABLES = u1-u4;\nDEFINE: CUT u1 u2 (2 3);\n")
    df = bm.mplus.data(one, tmp_path)
    assert df["U1"].tolist() == [0.0, 1.0]  # how many cuts lie below
    assert df["U2"].tolist() == [0.0, 2.0]
    assert np.isnan(df.loc[0, "Y1"])
    assert np.isnan(df.loc[1, "U3"])
    listwise = said(
        "MISSING = .; MISSING = ALL (9999); USEVARIABLES = u1-u4;\n", HEAD.replace("a.dat';", "a.dat'; LISTWISE = ON;")
    )
    assert bm.mplus.data(listwise, tmp_path)["ID"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "rest", "words"),
    [
        ("1 2 3\n", "", "'a.dat' has 3 values, no multiple of the 9 names"),
        ("1 2 3 4 5 6 7 8 z\n", "", "has the value 'z', expected numbers"),
        ("", "USEOBSERVATIONS = x EQ 1;\n", "The input takes the observations x EQ 1"),
        ("", "MISSING = .;\nDEFINE: y1 = y1/10;\n", "changes its data by DEFINE: y1 = y1/10"),
    ],
)
def test_data_that_cannot_be_read(said, tmp_path, text, rest, words):
    write(tmp_path, text)
    with pytest.raises(ValueError, match=words):
        bm.mplus.data(said(rest), tmp_path)


def test_other_formats_and_no_file(said, tmp_path):
    with pytest.raises(ValueError, match=r"No file '.*a\.dat'"):
        bm.mplus.data(said(""), tmp_path)
    with pytest.raises(ValueError, match=r"TYPE INDIVIDUAL and FORMAT 4F8\.0"):
        bm.mplus.data(said("", HEAD.replace("a.dat';", "a.dat'; FORMAT = 4F8.0;")), tmp_path)


PROFILES = "USEVARIABLES = y1 y2 x; CLASSES = c(2);\nANALYSIS: TYPE = MIXTURE;\nMODEL: %OVERALL%\n"


@pytest.mark.parametrize(
    ("statements", "arguments"),
    [
        ("y1-x WITH y1-x;\n", {"covariance": "equal"}),
        ("y1 WITH y2 x;\n y2 WITH x*.3;\n", {"covariance": "equal"}),
        ("y1 WITH y2;\n", {"covariance": [("Y1", "Y2")]}),
        ("y1 WITH y2@0 x;\n", {"covariance": [("Y1", "X")]}),
        ("y1-x WITH y1-x@0;\n", {}),
        ("%c#1% y1-x WITH y1-x;\n %c#2% y1-x WITH y1-x;\n", {"covariance": "class"}),
        ("y1 WITH y2; %c#1% y2 WITH y1; y1-x; %c#2% y1 WITH y2*.1; y1-x;\n",
         {"covariance": [("Y1", "Y2")], "covariance_by_class": True, "variance": "class"}),
        ("%c#1% y1 WITH y2 (1);\n %c#2% y1 WITH y2 (1);\n", {"covariance": [("Y1", "Y2")]}),
    ],
)  # fmt: skip
def test_covariances_within_classes_are_read(said, statements, arguments):
    wanted = bm.models.lca(["Y1", "Y2", "X"], 2, family=bm.normal(), **arguments)
    assert bm.mplus.model(said(PROFILES + statements)) == wanted


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ("y1 WITH y2@.5;\n", "a fixed value"),
        ("%c#1% y1 WITH y2;\n", "differs in some classes alone"),
        ("y1 WITH y2; %c#1% y1 WITH y2@0;\n", "zero in some classes alone"),
        ("y1 WITH x; %c#1% y1 WITH y2; %c#2% y1 WITH y2;\n", "some differ by class and some do not"),
        ("y1 WITH n;\n", "which is no item"),
    ],
)
def test_covariances_that_no_structure_has_are_refused(said, statements, words):
    with pytest.raises(ValueError, match=f"The input has .*{words}"):
        bm.mplus.model(said(PROFILES + statements))
