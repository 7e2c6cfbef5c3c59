"""The page's decimals are Python's: reading, writing, exact sums and products, and rounding half to even."""

from __future__ import annotations

import random
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import pytest

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.writing import format_number

EXACT = Context(prec=30_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
EXTREMES = ["0", "-0", "0.000", "1e-9999", "-1e-9999", "6e-10000", "-5e-10000", "9.99e9999", "1e-10050", "1e+12000"]
EXTREMES += ["0e400", "0e-400"]


def random_text(draw: random.Random, *, farthest: int = 40) -> str:
    """Write a number as people and programs do: with or without a point, an exponent, and zeros at either end."""
    digits = str(draw.randrange(10 ** draw.randint(1, 36)))
    if draw.random() < 0.2:
        digits += "0" * draw.randint(1, 20)
    if draw.random() < 0.5:
        place = draw.randint(0, len(digits))
        digits = f"{digits[:place]}.{digits[place:]}" if place or digits[place:] else digits
    exponent = (
        f"{draw.choice('eE')}{draw.choice(['', '+', '-'])}{draw.randint(0, farthest)}" if draw.random() < 0.6 else ""
    )
    return draw.choice(["", "", "-", "+"]) + digits + exponent


def calculate(page: Any, cases: list[list[Any]]) -> list[Any]:
    return page.evaluate(  # type: ignore[no-any-return]
        "async (cases) => (await import('/tests/evaluate_decimals.js')).calculate(cases)", cases
    )


def compare(page: Any, cases: list[list[Any]], expected: list[Any]) -> None:
    triples = zip(cases, calculate(page, cases), expected, strict=True)
    assert [(case, got, right) for case, got, right in triples if got != right] == []


def test_numbers_are_read_and_written_alike(modules: Any) -> None:
    draw = random.Random(1)
    texts = [random_text(draw, farthest=200) for _ in range(3000)] + EXTREMES
    texts += [
        f"{sign}{figures}e{place}" for sign in ("", "-") for figures in ("1", "25", "9999") for place in range(-9, 21)
    ]
    texts += ["inf", "-inf", " 12 ", "−3.5", ".5", "5."]
    values = [Decimal(text.strip().replace("−", "-")) for text in texts]
    compare(modules, [["format", text] for text in texts], [format_number(value) for value in values])


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1..2", "1e", "e5", "0x10", "1_000", "1,5", "nan", "½", "1e5.5", "--1", "<b>1</b>", "٣"]
)
def test_what_is_no_number_is_refused(modules: Any, text: str) -> None:
    (message,) = calculate(modules, [["format", text]])
    assert message.startswith("error: ") and "is not a number; write one such as 0.25" in message


def test_numbers_out_of_range_are_refused(modules: Any) -> None:
    long, large, small = calculate(
        modules, [["format", "1" * 1001], ["format", "1e20001"], ["format", "-1e-123456789012"]]
    )
    assert "1000 characters, not 1001" in long
    assert "out of the calculator's range" in large and "out of the calculator's range" in small


def test_exact_arithmetic(modules: Any) -> None:
    draw = random.Random(2)
    operations = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply, "<": lambda a, b: int(EXACT.compare(a, b))}
    pairs = [(random_text(draw), random_text(draw)) for _ in range(1000)]
    pairs += [(text, text) for text, _ in pairs[:100]]
    pairs += [(a, b) for a in EXTREMES for b in [*EXTREMES, "1", "-2.5"]]
    cases = [[operation, a, b] for a, b in pairs for operation in operations]
    results = [operations[operation](Decimal(a), Decimal(b)) for operation, a, b in cases]
    expected = [value if isinstance(value, int) else format_number(value) for value in results]
    compare(modules, cases, expected)


def test_infinities(modules: Any) -> None:
    infinite = ["inf", "-inf"]
    pairs = [(a, b) for a in infinite for b in ["1", "-2", "1e9999", *infinite]]
    pairs += [(b, a) for a, b in pairs]
    operations = {"+": EXACT.add, "*": EXACT.multiply, "<": lambda a, b: int(EXACT.compare(a, b))}
    kept = [(o, a, b) for o in operations for a, b in pairs if o != "+" or len({a, b} & {"inf", "-inf"}) < 2 or a == b]
    results = [operations[operation](Decimal(a), Decimal(b)) for operation, a, b in kept]
    expected = [value if isinstance(value, int) else format_number(value) for value in results]
    compare(modules, [list(case) for case in kept], expected)
    errors = calculate(modules, [["+", "inf", "-inf"], ["-", "inf", "inf"], ["*", "0", "inf"], ["*", "-inf", "0.0"]])
    assert all("is no number" in error for error in errors)


def ties_and_neighbours(draw: random.Random, digits: int, exponent: int) -> list[str]:
    """Return a number half-way between two displays, and numbers that miss it by very little."""
    tie = Decimal(draw.randrange(10 ** (digits - 1), 10**digits) * 10 + 5).scaleb(exponent, EXACT)
    near = Decimal(1).scaleb(exponent - draw.randint(1, 40), EXACT)
    return [str(number) for number in (tie, EXACT.add(tie, near), EXACT.subtract(tie, near))]


def random_place(draw: random.Random, digits: int) -> int:
    """Return the exponent of a number of ``digits`` + 1 digits that is ordinary, or at either end of the range."""
    shift = draw.randint(-4, 3)
    return draw.choice([draw.randint(-60, 60), -9999 - digits + shift, 9999 - digits + shift])


def test_rounding(modules: Any) -> None:
    draw = random.Random(3)
    cases: list[list[Any]] = []
    for _ in range(700):
        digits = draw.randint(1, 34)
        exponent = random_place(draw, digits)
        for text in [*ties_and_neighbours(draw, digits, exponent), random_text(draw)]:
            cases.append(["round", draw.choice(["", "-"]) + text.lstrip("+-"), digits])
    cases += [["round", text, digits] for text in EXTREMES for digits in (1, 4, 34)]
    cases += [["round", f"{'9' * 12}.{'9' * 30}e{place}", 12] for place in (-10011, -10010, 0, 9986, 9987, 9988)]
    expected = [display(text, digits) for _, text, digits in cases]
    assert expected.count("inf") > 20 and expected.count("0") > 20
    compare(modules, cases, expected)


def display(text: str, digits: int) -> str:
    try:
        return format_number(Calculator(digits).round(Decimal(text)))
    except UserError:
        return "-inf" if text.startswith("-") else "inf"


def test_rounding_of_what_is_just_above_or_below(modules: Any) -> None:
    draw = random.Random(4)
    cases, expected = [], []
    for _ in range(500):
        digits = draw.randint(1, 34)
        exponent = random_place(draw, digits)
        text = draw.choice([*ties_and_neighbours(draw, digits, exponent), random_text(draw)])
        for sign in (1, -1):
            near = EXACT.add(Decimal(text), Decimal(sign).scaleb(-10_200, EXACT))
            cases.append(["round", text, digits, sign])
            expected.append(display(str(near), digits))
    compare(modules, cases, expected)
