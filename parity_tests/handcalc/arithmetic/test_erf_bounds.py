"""The bounds of erf enclose it and are narrow: against mpmath, against math.erf, and against the alternating series."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handcalc.arithmetic.erf_bounds import erf_bounds

LONG = "2.123456789012345678901234567890123456789012345678901234567890123456789"


@pytest.mark.parametrize("precision", [1, 16, 50, 300])
@pytest.mark.parametrize(
    "x", ["1e-9999", "1e-60", "3e-9", "0.001", "0.7", "1", "1.9999", LONG, "3.3", "5.9", "6.3", "11", "1e9", "1e9999"]
)
def test_bounds_are_narrow(x: str, precision: int) -> None:
    low, high = erf_bounds(Decimal(x), precision)
    with mpmath.workdps(400):
        exact = mpmath.erf(mpmath.mpf(x)) if Decimal(x) < 100 else mpmath.mpf(1)
        assert mpmath.mpf(str(low)) < exact
        assert exact < mpmath.mpf(str(high)) or exact == 1  # to 400 digits
    assert Fraction(high) - Fraction(low) <= Fraction(low) * Fraction(10) ** (1 - precision)
    assert erf_bounds(Decimal(x).copy_negate(), precision) == (high.copy_negate(), low.copy_negate())


def test_zero_and_infinity() -> None:
    assert erf_bounds(Decimal(0), 20) == (0, 0)
    assert erf_bounds(Decimal("inf"), 20) == (Decimal(f"0.{'9' * 20}"), 1)


@given(st.floats(-7, 7))
def test_against_the_c_library(x: float) -> None:
    low, high = erf_bounds(Decimal(x), 30)
    assert float(low) == pytest.approx(math.erf(x), rel=1e-15)
    assert float(high) == pytest.approx(math.erf(x), rel=1e-15)


@given(x=st.decimals("1e-9", 6, places=9), precision=st.integers(1, 60))
def test_against_the_alternating_series(x: Decimal, precision: int) -> None:
    # erf x = 2/√π Σ (−1)ⁿ x^(2n+1) / (n! (2n+1)): its terms grow up to e^(x²) < 10^16 before they cancel.
    if not x:
        return
    context = Context(prec=120)
    power, total = x, Decimal(0)
    for n in range(400):
        total = context.add(total, context.divide(power, Decimal(2 * n + 1)))
        power = context.divide(context.multiply(context.multiply(power, x.copy_negate()), x), Decimal(n + 1))
    with mpmath.workdps(120):
        root = context.sqrt(Decimal(mpmath.nstr(mpmath.pi, 110)))
    exact = context.divide(context.multiply(Decimal(2), total), root)
    low, high = erf_bounds(x, precision)
    assert low < exact < high
