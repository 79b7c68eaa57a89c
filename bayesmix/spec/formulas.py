"""Formulas that cannot run code: what of formulaic's language is allowed, and what it would drop without a word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

FUNCTIONS = (
    "log", "log10", "log2", "log1p", "exp", "sqrt", "abs", "I", "center", "scale", "standardize", "poly", "bs", "cr",
    "cs", "cc", "C",
)  # fmt: skip
"""Functions that a formula may call: NumPy's, and formulaic's own transformations."""
CONTRASTS = ("Treatment", "Sum", "Helmert", "Diff", "Poly")
CONTRASTS_OF = ("treatment", "sum", "helmert", "diff", "poly")
"""``C(x, Treatment("b"))``, or ``C(x, contr.treatment("b"))``."""
MOST_COLUMNS = 20
"""Degree and degrees of freedom of a polynomial or spline."""
HIGHEST_POWER = 10.0
ALLOWED = (
    "column names, + - * : ( ), C(column), powers such as I(x**2), and the functions "
    f"{', '.join(f for f in FUNCTIONS if f not in 'IC')}"
)


def parse_formula(formula: str) -> list[str]:
    """Columns of a formula of covariates.

    Allowed are column names, ``+ - * : ( )``, ``C(column)`` with a chosen reference, arithmetic in ``I()`` or braces,
    and the functions in `FUNCTIONS`. A formula can therefore not run code, wherever it comes from.

    Raises
    ------
    ValueError
        The formula has anything else, cannot be read, or says what would be dropped: ``x**2``, ``x - 1``, ``x - y``.
    """
    return list(roles(formula))


def roles(formula: str, *, intercept: bool = True) -> dict[str, set[str]]:
    """How each column of a formula is used: as it is ("bare"), in C() ("category"), in a function ("number").

    Without `intercept` it may be left out, by ``0 + x``.

    Raises
    ------
    ValueError
        As :func:`parse_formula`.
    """
    if not isinstance(formula, str) or not formula.strip():
        raise ValueError(f"The formula came as {formula!r}: give text such as 'age + sex'.")
    _check_words(formula)
    terms = _terms(formula)
    _check_tree(formula, _tree(formula), intercept)
    out: dict[str, set[str]] = {}
    for factor in dict.fromkeys(f for t in terms for f in t.factors):
        for column, role in _uses(factor, formula):
            out.setdefault(column, set()).add(role)
    return out


def _terms(formula: str) -> list[Any]:
    from formulaic import Formula, SimpleFormula

    try:
        parsed = cast(Any, Formula)(formula)  # its metaclass makes it
    except Exception as error:
        words = str(error).partition("\n")[0].strip(" .")
        raise ValueError(
            f"The formula '{formula}' cannot be read ({words}): write it as 'age + sex', arithmetic as I(age / 10)."
        ) from None
    if not isinstance(parsed, SimpleFormula):
        raise ValueError(f"The formula '{formula}' has several sides: write covariates alone, as 'age + sex'.")
    return list(parsed)


def _tree(formula: str) -> Any:
    from formulaic.parser import DefaultFormulaParser

    return DefaultFormulaParser().get_ast(formula)


def _check_words(formula: str) -> None:
    """Refuse what would be read as something else, by the formula's text."""
    if "offset(" in formula.replace(" ", ""):
        raise ValueError(
            f"The formula '{formula}' has an offset: it stands beside the formula, as offset='log(hours)', where the "
            "model takes one; or give the covariate a slope."
        )
    if "~" in formula or "|" in formula:
        raise ValueError(f"The formula '{formula}' has '~' or '|': write covariates alone, as 'age + sex'.")


def _check_tree(formula: str, node: Any, intercept: bool) -> None:
    """Refuse operators that formulaic reads as those of terms where arithmetic is meant, and would drop."""
    if not hasattr(node, "operator"):
        return
    symbol, sides = node.operator.symbol, list(node.args)
    if symbol in ("**", "^") and len(_named(sides[0])) < 2:
        (x,) = _named(sides[0]) or ("x",)
        raise ValueError(
            f"The formula '{formula}' has a power of '{x}', which in a formula stands for its interactions and is "
            f"'{x}' alone: write I({x}**2) for a square, or poly({x}, 2)."
        )
    if symbol in ("*", ":") and len(sides) == 2 and len(a := _named(sides[0])) == 1 and a == _named(sides[1]):
        raise ValueError(f"The formula '{formula}' has '{a[0]}' times itself, which is '{a[0]}': write I({a[0]}**2).")
    if symbol == "-":
        _check_minus(formula, sides, intercept)
    for side in sides:
        _check_tree(formula, side, intercept)


def _check_minus(formula: str, sides: list, intercept: bool) -> None:
    """Refuse to take out the intercept, and a term that is not there."""
    gone = _named(sides[-1])
    there = _named(sides[0]) if len(sides) > 1 else []
    if unknown := [t for t in gone if t not in there]:
        left = there[-1] if there else "0"
        raise ValueError(
            f"The formula '{formula}' takes '{unknown[0]}' out, which is not in it: for a difference write "
            f"I({left} - {unknown[0]})."
        )
    if intercept and not gone:
        raise ValueError(
            f"The formula '{formula}' leaves out the intercept, which these models always have: leave '0' or '-1' out."
        )


def _named(node: Any) -> list[str]:
    """Terms under a node, the constant apart."""
    found = node.to_terms(context={}) if hasattr(node, "to_terms") else []
    return [str(t) for t in found if str(t) not in ("0", "1")]


def _uses(factor: Any, formula: str) -> Iterator[tuple[str, str]]:
    from formulaic.parser.types import Factor

    if factor.eval_method is Factor.EvalMethod.LITERAL:
        return
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        yield factor.expr, "bare"
        return
    try:
        tree = ast.parse(factor.expr, mode="eval").body
        names = list(_names(tree))
    except (SyntaxError, _Refused) as error:
        why = f" ({error})" if isinstance(error, _Refused) else ""
        raise ValueError(
            f"The formula '{formula}' has '{factor.expr}'{why}, expected {ALLOWED} only: formulas do not run code; "
            "compute the column in the data first."
        ) from None
    for name in names:
        yield name, "category" if _is_call(tree, "C") else "number"


class _Refused(Exception):
    """Something that a formula may not have."""


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _names(node: ast.AST) -> Iterator[str]:
    """Columns of an expression of Python, all of whose parts are allowed."""
    if isinstance(node, ast.Name):
        if node.id in FUNCTIONS or node.id.startswith("__"):
            raise _Refused(f"'{node.id}' is the name of a function")
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow):
        if isinstance(node.op, ast.Pow):
            _check_power(node)
        yield from _names(node.left)
        yield from _names(node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        yield from _names(node.operand)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and not isinstance(node.ops[0], ast.In | ast.NotIn):
        yield from _names(node.left)
        yield from _names(node.comparators[0])
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    else:
        power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor)
        raise _Refused("a power is written x**2" if power else f"'{ast.unparse(node)}' is not allowed")


def _check_power(node: ast.BinOp) -> None:
    """Refuse powers that take forever, such as 9**9**9."""
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    value = exponent.value if isinstance(exponent, ast.Constant) else None
    if not isinstance(value, int | float) or abs(value) > HIGHEST_POWER or isinstance(node.left, ast.Constant):
        raise _Refused(f"a power is that of a column, to a number up to {HIGHEST_POWER:g}")


def _of_call(node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS or not node.args:
        raise _Refused(f"'{name}' is no function of formulas")
    if any(k.arg is None or k.arg.startswith("_") for k in node.keywords):
        raise _Refused("settings have a name")
    if any(k.arg == "constraints" and ast.unparse(k.value) != "'center'" for k in node.keywords):
        raise _Refused("constraints are 'center'")
    if name == "C" and not isinstance(node.args[0], ast.Name):
        raise _Refused("C() takes a column")
    yield from _names(node.args[0])
    words = [
        k for k in node.keywords if k.arg in ("constraints", "extrapolation") and isinstance(k.value, ast.Constant)
    ]
    for setting in (*node.args[1:], *(k.value for k in node.keywords if k not in words)):
        _check_setting(setting, contrasts=name == "C")
    counts = [*node.args[1:], *(k.value for k in node.keywords if k.arg in ("df", "degree"))]
    for x in counts if name in ("poly", "bs", "cr", "cs", "cc") else ():
        if isinstance(x, ast.Constant) and isinstance(x.value, int) and x.value > MOST_COLUMNS:
            raise _Refused(f"more than {MOST_COLUMNS} columns of one covariate")


def _check_setting(node: ast.AST, contrasts: bool) -> None:
    """Allow numbers, lists of them and, in C(), text and contrasts."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        node = node.operand
    if isinstance(node, ast.Constant) and (contrasts or not isinstance(node.value, str | bytes)):
        return
    if isinstance(node, ast.List | ast.Tuple):
        for x in node.elts:
            _check_setting(x, contrasts)
        return
    if contrasts and isinstance(node, ast.Call) and _is_contrast(node.func):
        for x in (*node.args, *(k.value for k in node.keywords)):
            _check_setting(x, contrasts)
        return
    if not (contrasts and _is_contrast(node)):
        raise _Refused(f"'{ast.unparse(node)}' is no setting")


def _is_contrast(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "contr" and node.attr in CONTRASTS_OF
    return isinstance(node, ast.Name) and node.id in CONTRASTS


# regressions --------------------------------------------------------------------------------------


def parse_regression(formula: str) -> tuple[str, tuple[str, ...]]:
    """Response and terms of a formula such as ``"math ~ female * ses"``; the intercept is ``"1"``, the first term.

    Raises
    ------
    ValueError
        No response or several, no intercept, or what :func:`parse_formula` does not allow.
    """
    left, tilde, right = formula.partition("~") if isinstance(formula, str) else ("", "", "")
    if not tilde or not left.strip() or not right.strip():
        raise ValueError(f"The regression came as {formula!r}: write it as 'outcome ~ x1 + x2', or 'outcome ~ 1'.")
    outcome = re.fullmatch(r"\s*(?:`([^`]+)`|([\w. ]+?))\s*", left)
    if outcome is None:
        raise ValueError(
            f"The regression '{formula}' has the outcome '{left.strip()}', expected the name of one column: compute it "
            "in the data first, fit one outcome at a time, or put a name with such signs between backticks."
        )
    return outcome.group(1) or outcome.group(2), parse_terms(right)


def parse_regressions(formula: str | Sequence[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Outcomes, right sides and terms of formulas: ``"y1 + y2 ~ x"``, ``"y1 ~ x; y2 ~ x + z"``, or a list of them.

    Raises
    ------
    ValueError
        No text, an outcome twice or on a right side, or what :func:`parse_regression` does not allow.
    """
    several = formula.split(";") if isinstance(formula, str) else formula
    if not isinstance(several, Sequence) or not several or not all(isinstance(f, str) for f in several):
        raise ValueError(
            f"The formula came as {formula!r}: give text such as 'y ~ x', 'y1 + y2 ~ x', or a list of such texts."
        )
    out = []
    for text in (f for f in several if f.strip() or len(several) == 1):
        left, _, right = text.partition("~")
        lefts = re.split(r"\+(?=(?:[^`]*`[^`]*`)*[^`]*$)", left)
        for name in lefts:
            outcome, terms = parse_regression(f"{name.strip()} ~{right}" if len(lefts) > 1 else text)
            out.append((outcome, right.strip(), terms))
    names = [outcome for outcome, *_ in out]
    if twice := [k for k in names if names.count(k) > 1]:
        raise ValueError(f"The outcome '{twice[0]}' came twice: write one regression for it.")
    for outcome, right, _ in out if len(out) > 1 else ():
        if hit := [k for k in names if right != "1" and k in parse_formula(right)]:
            raise ValueError(
                f"'{hit[0]}' is an outcome and stands on the right side of the regression of '{outcome}': outcomes "
                "depend on each other by their residual covariances alone; leave it out there, or fit it by itself."
            )
    return out


def parse_terms(formula: str) -> tuple[str, ...]:
    """Terms of a formula, the intercept ``"1"`` first; ``"0"`` has none.

    Raises
    ------
    ValueError
        As :func:`parse_formula`.
    """
    if formula.strip() == "0":
        return ()
    if formula.strip() != "1":
        roles(formula, intercept=False)
    found = [str(term) for term in _terms(formula)]
    return (*(t for t in found if t == "1"), *(t for t in found if t != "1"))
