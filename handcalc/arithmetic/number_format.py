"""Write a decimal number the way the page shows it."""

from __future__ import annotations

from decimal import Decimal


def format_number(value: Decimal) -> str:
    """Return ``value`` with all its digits, in Python's syntax: 0.0123, 12, 1.5e-07, -inf.

    Like Python's own floats, numbers from 0.0001 up to below 1e16 are written without an exponent. There is no -0, and
    no zero after the last digit that counts, so that equal numbers look the same.
    """
    if not value.is_finite():
        return "-inf" if value < 0 else "inf"
    if not value:
        return "0"
    if -5 < value.adjusted() < 16:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits, _ = value.as_tuple()
    figures = "".join(map(str, digits)).rstrip("0")
    mantissa = f"{figures[0]}.{figures[1:]}" if figures[1:] else figures
    return f"{'-' * sign}{mantissa}e{value.adjusted():+03d}"
