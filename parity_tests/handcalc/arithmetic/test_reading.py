"""Written arithmetic means the same as in Python, and no input hangs or fills the memory."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.notation import normalize_signs, read_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.verification.line_check import check_line
from handcalc.verification.line_reader import read_line


def value(text: str, digits: int = 30) -> Decimal:
    return Calculator(digits).evaluate(parse_arithmetic(text), {})


numbers = st.decimals(min_value=-50, max_value=50, places=3).map(str)
trees = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(" ".join),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"-({one})"),
        inner.map(lambda one: f"({one})**2"),
        st.tuples(inner, inner).map(lambda two: f"max({two[0]}, {two[1]})"),
        st.tuples(inner, st.integers(1, 9)).map(lambda two: f"({two[0]})/{two[1]}/7"),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(text=trees)
def test_same_as_python(text: str) -> None:
    right = in_fractions(text)
    shown = Fraction(value(text))
    assert abs(shown - right) <= abs(right) * Fraction(1, 10**29), text


def in_fractions(text: str) -> Fraction:
    """Evaluate in Python, with each number a fraction."""
    wrapped = re.sub(r"(?<![\w*])(\d+(?:\.\d+)?)", r"F('\1')", text).replace("**F('2')", "**2")
    return Fraction(eval(wrapped, {"F": Fraction, "max": max}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 - 3 - 4", "-5"),
        ("12/3/2*5", "10"),
        ("-2^2", "-4"),
        ("2*-3", "-6"),
        ("- - 2", "2"),
        ("2^-1", "0.5"),
        ("2^(-1)", "0.5"),
        ("((1 + 1)^3)^2", "64"),
        ("√9 + √(16)", "7"),
        ("sqrt(4)·3 − 8÷2", "2"),
        ("3² × 2³", "72"),
        ("2**3", "8"),
        ("ln(1) + log(1)", "0"),
        ("exp(-inf)", "0"),
        ("max(-1, -2, -0.5)", "-0.5"),
        (".5 + 5.", "5.5"),
        ("1.5e3 - 1E-1", "1499.9"),
    ],
)
def test_notation(text: str, expected: str) -> None:
    assert value(text) == Decimal(expected)


@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt", "log"])
def test_functions(name: str) -> None:
    with mpmath.workdps(40):
        right = mpmath.nstr(
            {"exp": mpmath.exp, "tanh": mpmath.tanh, "sqrt": mpmath.sqrt, "log": mpmath.log}[name](2), 29
        )
    assert str(value(f"{name}(2)"))[:28] == right[:28]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it ends too early"),
        ("1 +", "it ends too early"),
        ("(1 + 2", "a ')' is missing at its end"),
        ("1 + 2)", "there is ')' where an operator should be"),
        ("2(3)", "there is '(' where an operator should be"),
        ("1 + a", "there is 'a' where a number should be"),
        ("__import__('os')", '"\'" is not part of arithmetic'),
        ("1 + $", "'$' is not part of arithmetic"),
        ("exp(1, 2)", "exp takes one number, not 2"),
        ("max()", "there is ')' where a number should be"),
        ("2^0.5", "a power must be a whole number from -100 to 100"),
        ("2^101", "a power must be a whole number"),
        ("9^9^9", "a power of a power needs parentheses"),
        ("((9^100)^100)^100", "its nested powers are too large for the calculator"),
        ("(" * 5000 + "1" + ")" * 5000, "it is nested more than 30 deep"),
        ("√" * 5000 + "1", "it is nested more than 30 deep"),
        ("1e99999 + 1", "1e99999 is out of the calculator's range"),
        ("1e999999999999999999999", "is out of the calculator's range"),
        ("9" * 1001, "a number of 1,001 characters is too long"),
    ],
)
def test_unreadable(text: str, problem: str) -> None:
    with pytest.raises(UnreadableArithmetic) as caught:
        parse_arithmetic(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "arithmetic",
    [
        "exp(1e9)",
        "1 + exp(1e9)",
        "1/(1 + exp(-1e9))",
        "exp(exp(exp(9)))",
        "1/0",
        "1/(2 - 2)",
        "log(0)",
        "sqrt(-1)",
        "log(-1)",
        "inf - inf",
        "0^-1",
        "*".join(["exp(9999)"] * 500),
        "+".join(f"1e{19_999 - 40 * place}" for place in range(1000)),
        "((9^99)^99)",
        "-".join(["1"] * 30_000),
        "/".join(["1.0001"] * 5_000),
        "-" * 30_000 + "1",
    ],
)
def test_hostile_input_is_fast(arithmetic: str) -> None:
    line = read_line(f"x[0] = {arithmetic} = 0.125")
    assert line is not None
    start = time.perf_counter()
    assert check_line(line, 4) is not None
    assert check_line(line, None) is not None
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "number", "place"),
    [
        ("0.250", "0.250", -3),
        ("-12", "-12", 0),
        ("−1.5·10^-7", "-1.5e-7", -8),
        ("3e5", "3e5", 5),
        ("+.5", "0.5", -1),
        ("0.8113123456789012345678901234567890123", "0.8113123456789012345678901234567890123", -37),
    ],
)
def test_last_place(text: str, number: str, place: int) -> None:
    shown = read_number(text)
    assert shown is not None and shown.value == Decimal(number) and shown.place == place


@pytest.mark.parametrize("text", ["", "1/2", "x", "1 2", "0x10", "nan", "1_000", "٣"])
def test_not_a_number(text: str) -> None:
    assert read_number(text) is None


def test_normalize_signs() -> None:
    assert normalize_signs("a·b − c² ≈ 1") == "a*b - c^2 = 1"
