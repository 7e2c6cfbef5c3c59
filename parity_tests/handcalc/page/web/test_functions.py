"""The page's intervals contain the value and are narrow: also with few bits, where every rounding error shows."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import pytest

NAMES = ["exp", "log", "sqrt", "tanh", "erf"]


def enclose(page: Any, room: str, cases: list[tuple[str, str, int]]) -> list[tuple[Decimal, Decimal]]:
    ends = page.evaluate(
        "async ([room, cases]) => (await import('/tests/enclose_values.js')).encloseValues(room, cases)", [room, cases]
    )
    return [(Decimal(low), Decimal(high)) for low, high in ends]


def exact_value(name: str, operand: str) -> Decimal:
    with mpmath.workdps(320):
        return Decimal(mpmath.nstr(getattr(mpmath, name)(mpmath.mpf(operand)), 300))


def operands(draw: random.Random, name: str) -> list[str]:
    texts = []
    for _ in range(250):
        places = draw.choice([(-30, 1 if name in ("tanh", "erf") else 3), (-2, 1), (0, 0)])
        figures = draw.randrange(1, 10 ** draw.randint(1, 40))
        sign = draw.choice(["", "-"]) if name not in ("log", "sqrt") else ""
        texts.append(f"{sign}0.{figures}e{draw.randint(*places)}")
    if name == "log":
        texts += [f"{draw.randrange(1, 10**20)}e{draw.randint(-9999, 9999)}" for _ in range(50)]
        texts += [f"{1 + Decimal(draw.randint(-999, 999)).scaleb(-draw.randint(3, 20)):f}" for _ in range(100)]
    return texts


def test_intervals_of_huge_values(modules: Any) -> None:
    draw = random.Random(10)
    texts = [f"{draw.choice(['', '-'])}0.{draw.randrange(1, 10**20)}e{draw.randint(4, 9)}" for _ in range(100)]
    cases = [("exp", text, draw.randint(14, 60)) for text in texts]
    for case, (low, high) in zip(cases, enclose(modules, "few_bits", cases), strict=True):
        assert low < exact_value("exp", case[1]) < high, case


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("room", ["arithmetic", "few_bits"])
def test_intervals_contain_the_value(modules: Any, name: str, room: str) -> None:
    draw = random.Random(name)
    cases = [(name, text, draw.randint(1 if room == "arithmetic" else 14, 60)) for text in operands(draw, name)]
    for case, (low, high) in zip(cases, enclose(modules, room, cases), strict=True):
        value = exact_value(name, case[1])
        assert low < value < high or low == value == high, case
        if room == "arithmetic":
            assert Fraction(high) - Fraction(low) <= abs(Fraction(low)) * Fraction(10) ** (2 - case[2]), case


@pytest.mark.parametrize("precision", [100, 700, 3000])
def test_intervals_of_many_digits(modules: Any, precision: int) -> None:
    cases = [(name, text, precision) for name in NAMES for text in ("0.7", "3.21", "1e-9", "12.5")]
    with mpmath.workdps(precision + 100):
        for (name, text, _), (low, high) in zip(cases, enclose(modules, "arithmetic", cases), strict=True):
            value = getattr(mpmath, name)(mpmath.mpf(text))
            assert mpmath.mpf(str(low)) < value < mpmath.mpf(str(high))
            assert mpmath.mpf(str(high)) - mpmath.mpf(str(low)) < abs(value) * mpmath.mpf(10) ** (2 - precision)


def test_constants(modules: Any) -> None:
    bits = [10, 100, 300, 300, 4000, 77]
    got = modules.evaluate("async (bits) => (await import('/tests/enclose_values.js')).constants(bits)", bits)
    with mpmath.workdps(1300):
        values = mpmath.log(10), 2 / mpmath.sqrt(mpmath.pi)
        assert got == [[str(int(mpmath.floor(value * 2**count))) for value in values] for count in bits]


def test_whole_roots(modules: Any) -> None:
    draw = random.Random(11)
    roots = [draw.randrange(2 ** draw.choice([1, 4, 26, 27, 53, 100, 499, 500, 501, 900, 3000])) for _ in range(300)]
    squares = [max(0, root * root + shift) for root in roots for shift in (-1, 0, 1, draw.randint(0, 2 * root))]
    squares += [0, 1, 2, 3, 2**52, 2**53 - 1, 2**1000, 2**1024, 10**308, 2**2000 - 1]
    got = modules.evaluate(
        "async (texts) => (await import('/tests/enclose_values.js')).wholeRoots(texts)",
        [str(square) for square in squares],
    )
    assert got == [str(math.isqrt(square)) for square in squares]
