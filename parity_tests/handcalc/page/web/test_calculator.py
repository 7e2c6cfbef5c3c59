"""The page's calculator is Python's, to the last digit: every function, trees of them, ties, and what misses one."""

from __future__ import annotations

import random
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import mpmath
import pytest

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import (
    Cells,
    Constant,
    Difference,
    Expression,
    Function,
    Masked,
    Maximum,
    Positive,
    Product,
    Quotient,
    Sum,
)
from handcalc.arithmetic.writing import format_number

EXACT = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN)
OPERATIONS = {"+": Sum, "-": Difference, "*": Product, "/": Quotient, "max": Maximum}
INVERSES = {
    "exp": mpmath.log,
    "log": mpmath.exp,
    "tanh": mpmath.atanh,
    "erf": mpmath.erfinv,
    "sqrt": lambda x: x * x,
}

FAR = {
    "exp": ["22000", "-23000", "-23028", "-1e9", "-1e9999"],
    "tanh": ["1e9999", "34.5"],
    "erf": ["6.5", "8.9", "-9.9", "11", "1e9999", "-1e5"],
}

Tree = Any
"""A number as text, or a list of an operation and its operands, each of them a tree."""


def evaluate(page: Any, cases: list[tuple[int, Tree]]) -> list[str]:
    return page.evaluate(  # type: ignore[no-any-return]
        "async (cases) => (await import('/tests/evaluate_trees.js')).evaluateTrees(cases)", cases
    )


def compare(page: Any, cases: list[tuple[int, Tree]], expected: list[str]) -> None:
    triples = zip(cases, evaluate(page, cases), expected, strict=True)
    assert [(case, got, right) for case, got, right in triples if got != right] == []


def compare_with_python(page: Any, cases: list[tuple[int, Tree]]) -> list[str]:
    expected = [display(digits, tree) for digits, tree in cases]
    compare(page, cases, expected)
    return expected


def display(digits: int, tree: Tree) -> str:
    return format_number(Calculator(digits).evaluate(expression(tree), {}))


def expression(tree: Tree) -> Expression:
    if isinstance(tree, str):
        return Constant(tree)
    name, *parts = tree
    if name in OPERATIONS:
        return OPERATIONS[name](tuple(map(expression, parts)))
    return Function(name, expression(parts[0]))


def random_number(draw: random.Random, least: int = -40, most: int = 3) -> str:
    """Return a positive number of 1 to 34 digits whose first digit has a place between ``least`` and ``most``."""
    digits = draw.randint(1, 34)
    return format_number(
        Decimal(draw.randrange(10 ** (digits - 1), 10**digits)).scaleb(draw.randint(least, most) - digits)
    )


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "erf"])
def test_functions(modules: Any, name: str) -> None:
    draw = random.Random(name)
    places = [(-40, 4), (-3, 2), (-1, 1)] + ([(-9999, 9999)] if name in ("log", "sqrt") else [(-600, 1)])
    operands = [random_number(draw, *draw.choice(places)) for _ in range(600)]
    operands += ["1", "1e-9999", "0.9999999999999999999999999999999999", "1.000000000000000000000000000000001"]
    if name in ("exp", "tanh", "erf"):
        operands = [draw.choice(["", "-"]) + operand for operand in operands] + ["0"]
    operands += FAR.get(name, [])
    compare_with_python(modules, [(draw.randint(1, 34), [name, operand]) for operand in operands])


def test_erf_against_mpmath(modules: Any) -> None:
    draw = random.Random("mpmath")
    cases = [(draw.randint(1, 34), ["erf", random_number(draw, -6, 1)]) for _ in range(300)]
    with mpmath.workdps(80):
        values = [Decimal(mpmath.nstr(mpmath.erf(mpmath.mpf(operand)), 70)) for _, (_, operand) in cases]
    compare(modules, cases, [format_number(Calculator(c[0]).round(v)) for c, v in zip(cases, values, strict=True)])


def random_tree(draw: random.Random, depth: int) -> Tree:
    """Return a tree over all operations whose denominators and roots are above 0."""
    if depth == 0:
        return draw.choice(["", "-"]) + random_number(draw, -4, 1) if draw.random() < 0.95 else "0"
    parts = [random_tree(draw, depth - 1) for _ in range(draw.choice([2, 2, 3]))]
    kind = draw.choice(["+", "-", "*", "/", "max", "exp", "tanh", "erf", "sqrt", "log", "+", "*"])
    if kind in ("+", "*", "max"):
        return [kind, *parts]
    if kind in ("tanh", "erf", "exp"):
        return [kind, ["max", "-30", ["tanh", parts[0]]] if kind == "exp" else parts[0]]
    above_zero = ["+", ["*", parts[0], parts[0]], draw.choice(["1", "0.25", "1e-5"])]
    if kind in ("sqrt", "log"):
        return [kind, above_zero]
    return ["/", parts[1], above_zero] if kind == "/" else ["-", *parts[:2]]


def test_trees(modules: Any) -> None:
    draw = random.Random(5)
    cases = [(draw.randint(1, 34), random_tree(draw, draw.choice([1, 1, 2, 2, 3]))) for _ in range(1500)]
    expected = compare_with_python(modules, cases)
    assert len(set(expected)) > 1300


def test_long_sums_of_products(modules: Any) -> None:
    draw = random.Random(6)

    def signed() -> str:
        return draw.choice(["", "-"]) + random_number(draw, -9, 4)

    sums = [["+", *(["*", signed(), signed()] for _ in range(draw.randint(2, 24)))] for _ in range(300)]
    # … and sums that cancel to almost nothing.
    sums += [["+", *terms, ["*", "-1", ["+", *terms, signed()]]] for _, *terms in sums[:150]]
    compare_with_python(modules, [(draw.randint(1, 34), tree) for tree in sums])


def tie(draw: random.Random, digits: int) -> Decimal:
    """Return a number half-way between two displays."""
    figures = draw.randrange(10 ** (digits - 1), 10**digits) * 10 + 5
    return Decimal((draw.randint(0, 1), tuple(map(int, str(figures))), draw.randint(-20, 3)))


def exact_forms(draw: random.Random, value: Decimal) -> list[Tree]:
    """Return ways to work out ``value`` exactly: a sum, a product, quotients, and roots of squares."""
    text, other = str(value), Decimal(draw.randint(2, 9999)).scaleb(draw.randint(-6, 2))
    sign, square = "-1" if value < 0 else "1", EXACT.multiply(value, value)
    return [
        ["+", str(EXACT.subtract(value, other)), str(other)],
        ["-", str(EXACT.add(value, other)), str(other)],
        ["*", text, "8", "0.125"],
        ["/", str(EXACT.multiply(value, other)), str(other)],
        ["*", ["/", "1", "3"], str(EXACT.multiply(value, Decimal(3)))],
        ["+", ["/", text, "7"], ["/", str(EXACT.multiply(value, Decimal(6))), "7"]],
        ["*", sign, ["sqrt", str(square)]],
        ["*", sign, ["sqrt", ["/", str(EXACT.multiply(square, Decimal(49))), "49"]]],
        ["/", text, ["sqrt", ["+", "0.36", "0.64"]]],
        ["max", text, ["-", text, ["exp", "-2"]]],
        ["*", text, ["exp", ["-", "2.5", "2.5"]]],
        ["+", text, ["log", ["/", "3", "3"]], ["tanh", "0"]],
    ]


def test_ties_go_to_the_even_digit(modules: Any) -> None:
    draw = random.Random(7)
    ties = [(digits, tie(draw, digits)) for digits in [*range(1, 35)] * 4]
    forms = [(digits, value, tree) for digits, value in ties for tree in exact_forms(draw, value)]
    cases = [(digits, tree) for digits, _, tree in forms]
    expected = [format_number(Calculator(digits).round(value)) for digits, value, _ in forms]
    compare(modules, cases, expected)


def test_what_misses_a_tie_does_not(modules: Any) -> None:
    draw = random.Random(8)
    cases, expected = [], []
    for digits in [*range(1, 35)] * 3:
        value = tie(draw, digits)
        shift = Decimal(1).scaleb(value.adjusted() - draw.choice([20, 40, 90]) - digits)
        for near in (EXACT.add(value, shift), EXACT.subtract(value, shift)):
            forms = exact_forms(draw, near)
            cases += [(digits, tree) for tree in forms]
            expected += [format_number(Calculator(digits).round(near))] * len(forms)
    compare(modules, cases, expected)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "erf"])
def test_functions_close_to_a_tie(modules: Any, name: str) -> None:
    # The argument is the inverse function of a tie, cut after some digits: the value misses the tie by very little.
    draw = random.Random(9)
    cases, expected = [], []
    with mpmath.workdps(400):
        for digits in [*range(1, 21)] * 2:
            value = abs(tie(draw, digits))
            value = value.scaleb(-value.adjusted() - draw.randint(1, 3))
            places = digits + draw.choice([5, 20, 25, 60, 150])
            argument = mpmath.nstr(INVERSES[name](mpmath.mpf(str(value))), places, min_fixed=0, max_fixed=0)
            exact = getattr(mpmath, name)(mpmath.mpf(argument))
            cases.append((digits, [name, argument]))
            expected.append(format_number(Calculator(digits).round(Decimal(mpmath.nstr(exact, 350)))))
    compare(modules, cases, expected)


@pytest.mark.parametrize(
    ("tree", "digits", "right"),
    [
        (["*", "1.2345", ["exp", "1e-9000"]], 4, "1.235"),  # just above a tie …
        (["*", "1.2345", ["exp", "-1e-9000"]], 4, "1.234"),
        (["*", "1.2355", ["tanh", "1e6"]], 4, "1.235"),  # … and just below one
        (["*", "1.2355", ["erf", "1e6"]], 4, "1.235"),
        (["tanh", "5.2435e-3000"], 4, "5.243e-3000"),
        (["+", "1.2345", ["exp", "-1e6"]], 4, "1.235"),
        (["-", "1.2345", ["exp", "-1e30"]], 4, "1.234"),
        (["/", "1", ["-", ["exp", "1e-300"], "1"]], 4, "1e+300"),
        (["-", ["sqrt", ["+", "1", "1e-4000"]], "1"], 4, "5e-4001"),
        (["-", ["log", "1.00000000000000000000000001"], "1e-26"], 4, "-5e-53"),
        (["*", ["exp", "1e6"], ["exp", "-1e6"]], 34, "1"),
        (["-", ["*", ["sqrt", "2"], ["sqrt", "2"]], "2"], 4, "0"),
        (["*", "0.61725", ["sqrt", "2"], ["sqrt", "2"]], 4, "1.234"),  # agrees with a tie to 10,000 digits
        (["*", "1.85175", ["sqrt", ["/", "4", "9"]]], 4, "1.234"),
        (["max", "0", ["-", ["*", ["sqrt", "2"], ["sqrt", "2"]], "2"]], 4, "0"),
        (["-", ["+", ["exp", "23100"], "1.5"], ["exp", "23100"]], 4, "1.5"),
        (["exp", ["-", ["exp", "100"], ["+", ["exp", "100"], "1"]]], 4, "0.3679"),
        (["max", ["exp", "1"], "2.5", ["exp", "0.5"]], 10, "2.718281828"),
        (["+", "1e9999", "-1e9999", "1e-9999"], 4, "1e-9999"),
        (["+", ["*", "1e-9999", *["1e-9999"] * 30], "1.2345"], 4, "1.235"),  # not written out in full
    ],
)
def test_hard_cases(modules: Any, tree: Tree, digits: int, right: str) -> None:
    compare(modules, [(digits, tree)], [right])


def test_infinities_and_masked_cells(modules: Any) -> None:
    trees = [
        ["exp", "-inf"], ["exp", ["-", "-inf", "3"]], ["max", "-inf", "-2"], ["max", "-inf", ["exp", "-2"]],
        ["tanh", "-inf"], ["erf", "inf"], ["+", "-inf", "5", ["exp", "1"]], ["*", "inf", ["-", "1", ["exp", "1"]]],
        ["/", "5", "-inf"], ["/", "-inf", ["exp", "1"]], ["/", ["/", "1", "3"], "inf"], ["sqrt", "inf"],
        ["*", "-inf", ["/", "-1", "3"]],
    ]  # fmt: skip
    right = ["0", "0", "-2", "0.1353", "-1", "1", "-inf", "-inf", "0", "-inf", "0", "inf", "inf"]
    compare(modules, [(4, tree) for tree in trees], right)
    assert [display(4, tree) for tree in trees[:5]] == right[:5]
    masked = [(4, ["masked", text]) for text in ("-inf", "0")]
    assert evaluate(modules, masked) == [
        format_number(Calculator(4).evaluate(Masked(tree[1]), {})) for _, tree in masked
    ]


def test_positive_and_references(modules: Any) -> None:
    texts = ["0.5", "-0.5", "0", "1e-9999", "-inf"]
    cells, numbers = Cells("x"), {"x": {(i,): Decimal(text) for i, text in enumerate(texts)}}
    refs = [{"name": "x", "index": [i]} for i in range(len(texts))]
    trees = [*(["positive", ref] for ref in refs), ["*", refs[0], refs[1], "3"], ["-", refs[1], refs[0]]]
    same = [*(Positive(cells[i]) for i in range(5)), cells[0] * cells[1] * Constant(3), cells[1] - cells[0]]
    got = modules.evaluate(
        "async ([cases, numbers]) => (await import('/tests/evaluate_trees.js')).evaluateTrees(cases, numbers)",
        [[(4, tree) for tree in trees], {"x": texts}],
    )
    assert got == [format_number(Calculator(4).evaluate(tree, numbers)) for tree in same]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (["/", "1", "0"], "a denominator of the trace is 0; change a weight"),
        (["/", "1", ["-", "0.3", "0.3"]], "a denominator of the trace is 0; change a weight"),
        (["/", "1", ["-", ["exp", "1"], ["exp", "1"]]], "is 0, or too close to 0 to tell; change a weight"),
        (["log", "0"], "log needs a number above 0"),
        (["log", ["/", "-1", "3"]], "log needs a number above 0"),
        (["log", ["-", ["exp", "1"], "3"]], "log needs a number above 0"),
        (["sqrt", "-1"], "sqrt needs a number that is not negative"),
        (["sqrt", ["-", ["exp", "1"], ["exp", "1"]]], "the argument of sqrt is 0 or below, or too close to 0 to tell"),
        (["exp", "23026"], "reaches 1e+10000, too large for the calculator; use smaller weights"),
        (["exp", "1e9999"], "reaches 1e+10000, too large"),
        (["*", "1e9999", "10"], "reaches 1e+10000, too large"),
        (["+", "9.9995e9999", "0"], "reaches 1e+10000, too large"),
        (
            ["-", ["+", ["exp", "30000"], "1.5"], ["exp", "30000"]],
            "is what is left of far larger ones; change a weight",
        ),
        (["-", "inf", "inf"], "∞ - ∞ is no number"),
        (["*", "0", "inf"], "0 times ∞ is no number"),
        (["/", "inf", "inf"], "∞ divided by ∞ is no number"),
    ],
)
def test_what_has_no_value_is_an_error(modules: Any, tree: Tree, message: str) -> None:
    (result,) = evaluate(modules, [(4, tree)])
    assert result.startswith("error: ") and message in result


@pytest.mark.parametrize("digits", ["0", "35", "-1", "4.5", "NaN", "'4'"])
def test_digits_out_of_range(modules: Any, digits: str) -> None:
    refusal = modules.evaluate(
        "async (digits) => { const { Calculator } = await import('/arithmetic/calculator.js');"
        "try { new Calculator(eval(digits)); } catch (error) { return error.message; } }",
        digits,
    )
    assert "a whole number from 1 to 34, not " in refusal
