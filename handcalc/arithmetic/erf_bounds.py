"""Enclose the error function, erf x = 2/√π ∫₀ˣ e^(−t²) dt, as ``bounds`` encloses exp, log, sqrt and tanh."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import cache
from math import isqrt

Bounds = tuple[Decimal, Decimal]

_ZERO, _ONE = Decimal(0), Decimal(1)
_GUARD_DIGITS = 5


def erf_bounds(x: Decimal, precision: int) -> Bounds:
    """Return bounds of erf x to about ``precision`` significant digits; erf 0 is exactly 0.

    erf x = 2x/√π · e^(−x²) · Σ (2x²)ⁿ / (1·3·5 … (2n+1)), n from 0: a series without cancellation (Abramowitz and
    Stegun, 7.1.6). Each factor is enclosed, rounded down for the lower bound and up for the upper one. Where x is so
    large that 1 − erf x < e^(−x²) < 10^(−precision), that is enough.
    """
    if x < 0:
        low, high = erf_bounds(x.copy_negate(), precision)
        return high.copy_negate(), low.copy_negate()
    if not x:
        return _ZERO, _ZERO
    down, up = _contexts(precision + _GUARD_DIGITS)
    least, most = down.multiply(x, x), up.multiply(x, x)
    if least > 3 * precision:  # e^(−3) < 1/10
        return Decimal((0, (9,) * precision, -precision)), _ONE
    low, high = _series_bounds(least, most, precision + _GUARD_DIGITS)
    # `decimal` rounds exp to nearest.
    decay = down.next_minus(down.exp(most.copy_negate())), up.next_plus(up.exp(least.copy_negate()))
    factor = _two_over_root_pi(precision + _GUARD_DIGITS)
    return (
        down.multiply(down.multiply(x, factor[0]), down.multiply(decay[0], low)),
        up.multiply(up.multiply(x, factor[1]), up.multiply(decay[1], high)),
    )


def _series_bounds(least: Decimal, most: Decimal, precision: int) -> Bounds:
    """Return bounds of Σ (2y)ⁿ / (1·3·5 … (2n+1)) for a y between ``least`` and ``most``, both 0 or above.

    All terms are positive, and their ratios 2y/(2n+1) fall. Once these are at most 1/2, the terms left out are together
    at most as large as the last one.
    """
    down, up = _contexts(precision)
    z_low, z_high = down.add(least, least), up.add(most, most)
    low = high = small = large = _ONE
    end = Decimal((0, (1,), -precision))
    odd = 1
    while large > end or up.add(z_high, z_high) > odd:
        odd += 2
        small = down.divide(down.multiply(small, z_low), Decimal(odd))
        large = up.divide(up.multiply(large, z_high), Decimal(odd))
        low, high = down.add(low, small), up.add(high, large)
    return low, up.add(high, large)


@cache
def _two_over_root_pi(precision: int) -> Bounds:
    """Return bounds of 2/√π = √(4/π) with ``precision`` digits after the point.

    π = 16 arctan(1/5) − 4 arctan(1/239) (Machin), in whole units of 10^(−digits) that are rounded down.
    """
    digits = precision + 10
    (five, error_of_five), (other, error_of_other) = _arctan_of_inverse(5, digits), _arctan_of_inverse(239, digits)
    pi, error = 16 * five - 4 * other, 16 * error_of_five + 4 * error_of_other
    four = 4 * 10 ** (3 * digits)
    low, high = isqrt(four // (pi + error)), isqrt(four // (pi - error)) + 1
    down, up = _contexts(precision + 1)
    return down.create_decimal(f"{low}e-{digits}"), up.create_decimal(f"{high}e-{digits}")


def _arctan_of_inverse(n: int, digits: int) -> tuple[int, int]:
    """Return arctan(1/n) = Σ (−1)ᵏ / ((2k+1) n^(2k+1)) in units of 10^(−digits), and a bound of its error in units.

    A power is rounded down by less than 1 unit, and so is its quotient: each term is less than 2 units off. The first
    power that is 0 was less than 1 unit, and all terms from it on are together less than 2.
    """
    power = 10**digits // n
    total, divisor, sign = 0, 1, 1
    while power:
        total += sign * (power // divisor)
        power //= n * n
        divisor, sign = divisor + 2, -sign
    return total, divisor + 2  # divisor is 1 plus twice the number of terms


@cache
def _contexts(precision: int) -> tuple[Context, Context]:
    """Return the contexts that round down and up at ``precision`` significant digits."""
    return (
        Context(prec=precision, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN),
        Context(prec=precision, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN),
    )
