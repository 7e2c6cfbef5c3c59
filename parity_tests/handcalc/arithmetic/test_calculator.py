"""The calculator's display is correctly rounded: ties, values close to a tie, tanh, and the format of numbers."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpt_data.errors import UserError
from handcalc.arithmetic.bounds import bounds, log_bounds, tanh_bounds
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Cells, Constant, Expression, erf, exp, largest, log, sqrt, tanh, total
from handcalc.arithmetic.writing import arithmetic, format_number

FUNCTIONS = {
    "exp": (exp, mpmath.exp),
    "log": (log, mpmath.log),
    "sqrt": (sqrt, mpmath.sqrt),
    "tanh": (tanh, mpmath.tanh),
    "erf": (erf, mpmath.erf),
}


def display_of(expression: Expression, digits: int = 4) -> str:
    return format_number(Calculator(digits).evaluate(expression, {}))


def number(text: str) -> Constant:
    return Constant(text)


@pytest.mark.parametrize(
    ("expression", "display"),
    [
        (number("0.12345") + number("0"), "0.1234"),  # ties go to the even digit …
        (number("0.12355") + number("0"), "0.1236"),
        (number("-0.12345") * number("1"), "-0.1234"),
        (number("0.123450000000000000000000000000001") + number("0"), "0.1235"),  # … and nothing else does
        (number("0.2469") / number("2"), "0.1234"),
        (number("0.2471") / number("2"), "0.1236"),
        (number("0.2469") / sqrt(number("4")), "0.1234"),  # a perfect root is exact
        (number("1") / number("3") * number("3"), "1"),
        (number("1") / number("3") * number("0.37035"), "0.1234"),  # a tie that no working precision can show
        (sqrt(number("2")) * sqrt(number("2")) - number("2"), "0"),
        (number("0.5") - number("0.5"), "0"),
        (number("-0.5") * number("0"), "0"),
        (number("9999.5") + number("0"), "10000"),
        (exp(number("0")), "1"),
        (log(number("1")), "0"),
        (tanh(number("0")), "0"),
        (erf(number("0")), "0"),
        (erf(number("-40")), "-1"),
        (tanh(number("-40")), "-1"),
        (tanh(number("1e-30")), "1e-30"),
        (exp(number("-1e6")), "0"),  # closer to 0 than 1e-9999
        (exp(number("-100000000000000000000")), "0"),
        (largest([number("-1"), number("-1.5")]), "-1"),
    ],
)
def test_ties_and_exact_values(expression: Expression, display: str) -> None:
    assert display_of(expression) == display


def round_half_even(value: mpmath.mpf, digits: int) -> Fraction:
    exact = Fraction(mpmath.nstr(value, 400, min_fixed=0, max_fixed=0))
    exponent = Decimal(exact.numerator).adjusted() - Decimal(exact.denominator).adjusted()
    exponent -= abs(exact) < Fraction(10) ** exponent
    unit = Fraction(10) ** (exponent - digits + 1)
    return round(exact / unit) * unit


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(FUNCTIONS)),
    mantissa=st.integers(1, 10**6),
    exponent=st.integers(-40, -4),
    negative=st.booleans(),
    digits=st.integers(1, 34),
)
@example(name="tanh", mantissa=1, exponent=-40, negative=False, digits=34)
@example(name="tanh", mantissa=99, exponent=0, negative=True, digits=34)
def test_functions_against_mpmath(name: str, mantissa: int, exponent: int, negative: bool, digits: int) -> None:
    x = Decimal(mantissa).scaleb(exponent) * (-1 if negative and name in ("exp", "tanh", "erf") else 1)
    ours, theirs = FUNCTIONS[name]
    with mpmath.workdps(500):
        expected = round_half_even(theirs(mpmath.mpf(str(x))), digits)
    assert Fraction(Calculator(digits).evaluate(ours(Constant(x)), {})) == expected


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
@pytest.mark.parametrize("places", [20, 60, 200])
def test_values_close_to_a_tie(name: str, places: int) -> None:
    # The argument is the inverse function of a tie, cut after `places` digits: the value misses the tie by 10^-places.
    ours, theirs = FUNCTIONS[name]
    inverse = {"exp": mpmath.log, "log": mpmath.exp, "tanh": mpmath.atanh, "erf": mpmath.erfinv}[name]
    with mpmath.workdps(500):
        for tie in ("0.12345", "0.67895"):
            argument = mpmath.nstr(inverse(mpmath.mpf(tie)), places)
            expected = round_half_even(theirs(mpmath.mpf(argument)), 4)
            assert Fraction(display_of(ours(Constant(argument)))) == expected


@pytest.mark.parametrize("precision", [16, 50])
@pytest.mark.parametrize("x", ["1e-60", "1e-25", "3e-9", "0.001", "0.7", "1", "17.5", "31", "33", "101", "1e9"])
def test_tanh_bounds_are_narrow(x: str, precision: int) -> None:
    low, high = tanh_bounds(Decimal(x), precision)
    with mpmath.workdps(2000):
        exact = mpmath.tanh(mpmath.mpf(x))
        assert mpmath.mpf(str(low)) <= exact <= mpmath.mpf(str(high))
    assert Fraction(low) < Fraction(high) <= Fraction(low) * (1 + Fraction(10) ** (3 - precision))
    assert tanh_bounds(Decimal(x).copy_negate(), precision) == (high.copy_negate(), low.copy_negate())


def trees() -> st.SearchStrategy[Expression]:
    """Draw trees whose inner values are not exact, so that every rule has to combine bounds that differ."""
    leaves = st.decimals("-3", "3", places=2).map(Constant)
    return st.recursive(
        leaves | leaves.map(exp) | leaves.map(tanh) | leaves.map(lambda x: sqrt(x * x + Constant(1))),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] / (pair[1] * pair[1] + Constant("0.1"))),
            st.tuples(inner, inner).map(lambda pair: pair[0] / (Constant("-0.1") - exp(tanh(pair[1])))),
            st.tuples(inner, inner).map(largest),
            inner.map(tanh),
        ),
        max_leaves=6,
    )


@settings(max_examples=300, deadline=None)
@given(tree=trees(), precision=st.integers(2, 6))
def test_bounds_enclose_value(tree: Expression, precision: int) -> None:
    names = {"exp": mpmath.exp, "sqrt": mpmath.sqrt, "tanh": mpmath.tanh, "max": max, "mpf": mpmath.mpf}
    text = re.sub(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", r"mpf('\g<0>')", arithmetic(tree, {}) or "")
    with mpmath.workdps(60):
        exact = eval(text, names)
        low, high = (mpmath.mpf(str(end)) for end in bounds(tree, {}, precision))
        slack = abs(exact) * mpmath.mpf("1e-50")
        assert low - slack <= exact <= high + slack


def test_log_bounds() -> None:
    low, high = log_bounds(Decimal("1.5"), 10)
    assert low < Context(prec=40).ln(Decimal("1.5")) < high


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"), ("-0", "0"), ("0.00", "0"), ("1.500", "1.5"), ("12", "12"), ("1.2E+3", "1200"), ("-0.25", "-0.25"),
        ("0.0001234", "0.0001234"), ("0.00001234", "1.234e-05"), ("1E-7", "1e-07"), ("1.5E+15", "1500000000000000"),
        ("1E+16", "1e+16"), ("-1.25E+300", "-1.25e+300"), ("-Infinity", "-inf"), ("1.50E-120", "1.5e-120"),
    ],
)  # fmt: skip
def test_number_format(value: str, text: str) -> None:
    assert format_number(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_all_digits_are_printed(value: Decimal) -> None:
    assert Fraction(format_number(value)) == Fraction(value)


@pytest.mark.parametrize("digits", [0, -1, 35])
def test_digits_out_of_range(digits: int) -> None:
    with pytest.raises(UserError, match="from 1 to 34"):
        Calculator(digits)


def test_overflow_is_refused() -> None:
    with pytest.raises(UserError, match="too large for the calculator"):
        display_of(exp(number("1e6")))


def test_fewest_parentheses() -> None:
    x = Cells("x")
    page = {"x": {(0,): Decimal("-1.5"), (1,): Decimal("2"), (2,): Decimal("1E-7")}}
    a, b, c = x[0], x[1], x[2]
    for expression, text in (
        (a + b * c, "-1.5 + 2*1e-07"),
        (total([a, b]) * c, "(-1.5 + 2)*1e-07"),
        (a - (b - c), "-1.5 - (2 - 1e-07)"),
        (a - b + c, "-1.5 - 2 + 1e-07"),
        (a - a, "-1.5 - -1.5"),
        (a / (b / c), "-1.5/(2/1e-07)"),
        (a / b * c, "-1.5/2*1e-07"),
        (a * (b / c), "-1.5*(2/1e-07)"),
        (a / (b * c), "-1.5/(2*1e-07)"),
        (Constant(1) / sqrt(b + c), "1/sqrt(2 + 1e-07)"),
        (largest([a, b, c]), "max(-1.5, 2, 1e-07)"),
        (exp(a - b), "exp(-1.5 - 2)"),
    ):
        assert arithmetic(expression, page) == text
