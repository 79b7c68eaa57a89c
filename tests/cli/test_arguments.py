"""Words as values: settings of a template are read by its annotations, whatever these are called."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Optional

import pytest

import bayesmix as bm
from bayesmix.cli import arguments
from command import run

type Items = Sequence[str]
type Choice = Literal["equal", "class"]
Formula = str | None
COLUMNS = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (str, "x", "x"),
        (Formula, "x + y", "x + y"),
        (Any, "x", "x"),
        (Choice, "equal", "equal"),
        (Literal["Sequence", "Mapping"], "Mapping", "Mapping"),
        (int, "-2", -2),
        (float, "2", 2.0),
        (bool, "False", False),
        (bool | None, "true", True),
        (Optional[int], "3", 3),  # noqa: UP045 - as templates of users may have it
        (int | float, "2.5", 2.5),
        (float | str, "much", "much"),
        (int | str, "2", 2),
        (bool | Choice, "class", "class"),
        (bool | Choice, "true", True),
        (Items, "a-c", ["a", "b", "c"]),
        (Items | None, "all", COLUMNS),
        (Sequence[Items], "a-b; c,d", [["a", "b"], ["c", "d"]]),
        (Sequence[Sequence[str]], "a", [["a"]]),
        (Annotated[Sequence[str], "terms"], "1, x:z", ["1", "x:z"]),
        (Annotated[Sequence[str], "names"] | None, "x", ["x"]),
        (str | Items, "free", "free"),
        (str | Sequence[str | None] | None, "x; ;z", ["x", None, "z"]),
        (int | Sequence[int], "2", 2),
        (Sequence[int], "2,3", [2, 3]),
        (Mapping[str, str], "a = x ; b=y=z;", {"a": "x", "b": "y=z"}),
        (str | Mapping[str, str] | None, "w", "w"),
        (str | Mapping[str, str] | None, "1=w;x=w", {"1": "w", "x": "w"}),
        (Mapping[str, Items] | None, "g: a-b; h=d", {"g": ["a", "b"], "h": ["d"]}),
        (Mapping[str, Sequence[str]], "g: a", {"g": ["a"]}),
    ],
)
def test_a_setting_is_read_as_its_annotation_says(hint, text, expected):
    value = arguments.read_as(hint, "k", text, COLUMNS)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, "2.5", "--set k came as '2.5', expected a whole number"),
        (float | None, "much", "expected a number"),
        (int | float, "much", "expected a whole number or a number"),
        (bool, "1", "expected true or false"),
        (Sequence[int], "2,b", "came as 'b', expected a whole number"),
        (Items, "a,z", "The data have no column 'z'"),
        (Mapping[str, str], "a", "expected item=value"),
        (Mapping[str, str], "a=x;b", "expected item=value"),
        (Mapping[str, str], " ", "expected item=value"),
        (Mapping[str, Items], "a-b", "expected name: columns"),
        (Mapping[str, Items], ";", "expected name: columns"),
        (Mapping[str, Items], "g: a; h: z", "The data have no column 'z'"),
        (Mapping[str, int], "a=2", "'k' cannot be set by --set: use Python for it"),
        (bm.Family, "normal", "cannot be set by --set: use Python"),
        (None, "x", "cannot be set by --set: use Python"),
    ],
)
def test_what_is_no_such_value_is_refused(hint, text, message):
    with pytest.raises(ValueError, match=message):
        arguments.read_as(hint, "k", text, COLUMNS)


@pytest.mark.parametrize("name", arguments.templates())
def test_each_argument_of_a_template_is_read_from_text_or_has_an_option(name):
    """An annotation that the command line cannot read would leave an argument to Python alone."""
    function = arguments.template(name)
    hints = typing.get_type_hints(function, include_extras=True)
    for key in set(inspect.signature(function).parameters) - set(arguments.OPTIONS):
        said = "expected"
        try:
            arguments.read_as(hints[key], key, "a", COLUMNS)
        except ValueError as error:
            said = str(error)
        assert "expected" in said, key


def test_items_of_a_transition_model_get_names():
    given = {"waves": [["a1", "b1"], ["a2", "b2"]], "classes": 2}
    made = arguments.declare("lta", given, ["names=stubborn, lies"], ["a1", "b1", "a2", "b2"])
    assert made == bm.models.lta(**given, names=["stubborn", "lies"])


def test_what_has_an_option_is_pointed_to_it():
    with pytest.raises(ValueError, match="'family' cannot be set by --set: give --family"):
        arguments.declare("lca", {"items": ["a"], "classes": 2}, ["family=normal"], COLUMNS)


# the command itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fitt",), 'Unknown command "fitt". Did you mean "fit"?'),
        (("fit", "lca"), "DATA requires an argument"),
        (("fit", "lca", "d.csv", "--itemz", "a"), "Unknown option: --itemz. Did you mean --items?"),
        (("fit", "lca", "d.csv", "--starts", "few"), 'Invalid value for --starts: unable to convert "few" into int'),
        (("fit", "lca", "d.csv", "--items", "--classes", "2"), "--items requires an argument"),
        (("fit", "lca", "d.csv", "more"), "more"),
        (("enumerate", "lca", "d.csv"), "--classes requires an argument"),
        (("study",), "FILE requires an argument"),
    ],
)
def test_a_mistyped_command_is_one_clear_line_and_exit_code_2(words, message):
    done = run(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_names_each_option_once_with_its_default():
    done = run("fit", "--help")
    assert done.exit_code == 0
    words = done.stdout.split()
    options = ("items", "classes", "missing", "set", "starts", "nodes", "budget", "no-simpler", "sample", "id", "out")
    assert all(words.count(f"--{k}") == 1 for k in options)
    assert "[default: 20]" in done.stdout
    assert not [w for w in words if w.startswith(("--no-plots", "--empty", "--simpler"))]
    assert all(command in run("--help").stdout for command in ("fit", "enumerate", "study", "compare"))


def test_a_missing_value_code_may_begin_with_a_hyphen(tmp_path):
    (tmp_path / "d.csv").write_text("a,b,c\n" + "1,0,1\n0,1,0\n1,1,-9\n0,0,-\n" * 20, encoding="utf-8")
    words = ("fit", "lca", tmp_path / "d.csv", "--items", "a-c", "--classes", 1, "--out", tmp_path / "out")
    done = run(*words, "--missing", "-9", "--missing", "-", "--missing", "-8,-7", "--starts", 1)
    assert done.exit_code == 0, done.output
    assert bm.Fit.load(tmp_path / "out" / "fit.nc").info["categories"]["c"] == ["0", "1"]
    assert "code -8 does not occur" in done.stderr
