"""Displays are right where values cancel, tie or nearly tie, and the work that a line may take is limited."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest

from handcalc.arithmetic import bounds as bounds_module
from handcalc.arithmetic.bounds import Work
from handcalc.arithmetic.calculator import MOST_WORK, Calculator, Undecided
from handcalc.arithmetic.reading import parse_arithmetic
from handcalc.verification.line_check import OTHER_NUMBERS, UNDECIDED, WRONG, LineChecker, check_line
from handcalc.verification.line_reader import WorkedLine, read_line


def judge(arithmetic: str, value: str, digits: int | None = None) -> str:
    line = read_line(f"x = {arithmetic} = {value}")
    assert line is not None
    found = check_line(line, digits)
    return "right" if found is None else found.verdict


@pytest.mark.parametrize(
    ("arithmetic", "right", "wrong"),
    [
        ("exp(1e-9000) - 1", "1e-9000", "0"),
        ("sqrt(1 + 1e-9000) - 1", "5e-9001", "0"),
        ("log(1 + 1e-9000)", "1e-9000", "0"),
        ("tanh(1e-9000)/1e-9000 - 1", "0", "-5e-2049"),
        ("1/(exp(1e-200) - 1)", "1e200", "0"),
        ("sqrt(exp(1e-100) - 1)", "1e-50", "0"),
        ("1/(1 + exp(-1e9))", "1", "0.9999"),
        ("exp(1e-30) - 1 - 1e-30", "5e-61", "0"),
        ("1e9000 + 1 - 1e9000", "1", "0"),
        ("1/3 - 0.3333333333333333333333333333", "3.333e-29", "0"),
        ("sqrt(2)*sqrt(2) - 2", "0", "1e-9999"),
    ],
)
def test_cancellation(arithmetic: str, right: str, wrong: str) -> None:
    assert judge(arithmetic, right, 4) == "right" and judge(arithmetic, wrong, 4) == WRONG


def test_ties_of_quotients_are_exact() -> None:
    assert [judge("1/3*0.37035", value, 4) for value in ("0.1234", "0.1235")] == ["right", WRONG]
    assert [judge("1/3*0.37036", value, 4) for value in ("0.1234", "0.1235")] == [WRONG, "right"]
    assert [judge("1/7*0.86415", value) for value in ("0.1234", "0.1235", "0.1236")] == ["right", "right", WRONG]


def test_undecided_is_not_wrong() -> None:
    """A tie of roots that is none of quotients: no precision shows it."""
    tie = "sqrt(2)*sqrt(2)*0.12345/2"
    assert [judge(tie, value, 4) for value in ("0.1234", "0.1235", "0.1236", "0.1233")] == [
        *(UNDECIDED, UNDECIDED),
        *(WRONG, WRONG),
    ]
    with pytest.raises(Undecided):
        Calculator(4).decide(parse_arithmetic(tie), {}, Work(MOST_WORK))
    assert Calculator(4).evaluate(parse_arithmetic(tie), {}) == Decimal("0.1234")
    assert OTHER_NUMBERS not in (WRONG, UNDECIDED)


def rounded(value: Fraction, digits: int) -> Fraction:
    if not value:
        return value
    exponent = Decimal(value.numerator).adjusted() - Decimal(value.denominator).adjusted()
    exponent -= abs(value) < Fraction(10) ** exponent
    unit = Fraction(10) ** (exponent - digits + 1)
    return round(value / unit) * unit


def number(rng: random.Random) -> str:
    return f"{rng.choice(['', '-'])}{rng.randint(1, 999)}e{rng.randint(-60, 6)}"


def rational(rng: random.Random, depth: int) -> str:
    if not depth:
        return number(rng)
    one, other = rational(rng, depth - 1), rational(rng, rng.randrange(depth))
    return rng.choice([f"({one} + {other})", f"({one} - {other})", f"{one}*({other})", f"({one})/({other})/3"])


def irrational(rng: random.Random) -> str:
    small = f"{rng.randint(1, 99)}e-{rng.randint(1, 120)}"
    inner = rng.choice(["exp({})", "tanh({})", "sqrt({})", "log(1 + {})", "sqrt(1 + {})", "exp(-{})"]).format(small)
    other = rng.choice([inner, "1", small, f"exp({number(rng)[:3].rstrip('e-')})", f"(1 + {small}/2)"])
    return rng.choice(
        [
            f"{inner} - {other}",
            f"({inner} - 1)*{other}",
            f"{inner}*{inner} - {other}",
            f"{inner}/({other} + 3) - {small}",
        ]
    )


def compare(texts: list[str], oracle: Callable[[str], Fraction | None]) -> int:
    compared = 0
    for place, text in enumerate(texts):
        expected = oracle(text)
        if expected is not None:
            digits = 1 + place % 12
            shown = Calculator(digits).evaluate(parse_arithmetic(text), {})
            assert Fraction(shown) == rounded(expected, digits), (text, digits)
            compared += 1
    return compared


def exact(text: str) -> Fraction | None:
    import re

    try:
        return Fraction(eval(re.sub(r"-?[0-9]+(?:e-?[0-9]+)?", r"F('\g<0>')", text), {"F": Fraction}))
    except ZeroDivisionError:
        return None


def in_mpmath(text: str) -> Fraction | None:
    """Evaluate to 600 digits; a value that cancels to nothing at that precision has to be exactly 0."""
    import re

    names = {name: getattr(mpmath, name) for name in ("exp", "log", "sqrt", "tanh")} | {"F": mpmath.mpf}
    with mpmath.workdps(600):
        value = eval(re.sub(r"(?<![a-z(])[0-9]+(?:e-?[0-9]+)?|(?<=\()[0-9]+(?:e-?[0-9]+)?", r"F('\g<0>')", text), names)
        if abs(value) < mpmath.mpf("1e-500"):
            return Fraction(0)
        return Fraction(mpmath.nstr(value, 300, min_fixed=0, max_fixed=0))


def run(count: int) -> None:
    rng = random.Random(17)
    assert compare([f"{rational(rng, 3)}" for _ in range(count)], exact) > count // 2
    ties = [
        f"{tie}5/{whole}*{whole}" for tie, whole in ((rng.randint(1, 999), rng.randint(1, 99)) for _ in range(count))
    ]
    assert compare(ties, exact) == count
    assert compare([irrational(rng) for _ in range(count)], in_mpmath) == count


def test_random_expressions() -> None:
    run(60)


@pytest.mark.prove
def test_thousands_of_random_expressions() -> None:
    run(5_000)


@pytest.mark.parametrize(
    "arithmetic",
    [
        "(sqrt(2)*sqrt(2) - 2)*exp(1.1)^99",
        "*".join(["exp(1.1)"] * 2000) + " - " + "*".join(["exp(1.1)"] * 2000),
        "*".join(["1." + "3" * 900] * 1000),
        "((tanh(0.3) + exp(0.1))^100)^9 - ((tanh(0.3) + exp(0.1))^100)^9",
        " + ".join(["log(1.0000001)"] * 3000),
    ],
)
@pytest.mark.parametrize("digits", [None, 4])
def test_work_is_limited(arithmetic: str, digits: int | None) -> None:
    line, charged = read_line(f"x = {arithmetic} = 0"), [0]
    assert line is not None

    class Counted(Work):
        def charge(self, units: int) -> None:
            super().charge(units)
            charged[0] += units

    check_line(line, digits, Counted(MOST_WORK))
    assert 0 < charged[0] <= MOST_WORK


def test_functions_are_evaluated_once_for_a_power(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Decimal] = []
    monkeypatch.setitem(
        bounds_module.FUNCTIONS, "exp", lambda x, p: (calls.append(x), bounds_module.exp_bounds(x, p))[1]
    )
    assert judge("exp(0.5)^100", "5.185e21", 4) == "right" and len(calls) == 1


def test_lines_of_a_file_share_the_extra_work() -> None:
    checker = LineChecker()
    line = WorkedLine(1, "x", None, ("sqrt(2)*sqrt(2)*0.12345/2",), "0.1234")
    verdicts = [found.verdict for _ in range(12) if (found := checker.check(line, 4))]
    assert verdicts == [UNDECIDED] * 12
    assert checker.check(WorkedLine(2, "x", None, ("exp(1.5)",), "4.482"), 4) is None
    assert checker._shared < MOST_WORK / 10
