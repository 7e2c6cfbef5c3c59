"""The symbols that people type for arithmetic, and numbers as they are written."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

LONGEST_NUMBER = 1000
FARTHEST_EXPONENT = 20_000

NAME = r"[^\W\d][\w.]*"
NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"

_SIGNS = str.maketrans(
    {"·": "*", "×": "*", "∙": "*", "⋅": "*", "−": "-", "–": "-", "÷": "/", "∕": "/", "²": "^2", "³": "^3", "\xa0": " "}
)
_EQUALS = str.maketrans({"≈": "=", "≃": "=", "≅": "="})
_VALUE = re.compile(rf"([-+]?)\s*({NUMBER}|inf)(?:\s*\*\s*10\s*\^\s*\(?([-+]?[0-9]{{1,5}})\)?)?")


class WrittenNumber(NamedTuple):
    """A number as it was written, and the place of its last digit: 0.250 shows thousandths, place -3."""

    text: str
    value: Decimal
    place: int


def normalize_signs(text: str) -> str:
    """Return ``text`` with · × − ÷ ² ³ ** ≈ replaced by the symbols of the grammar."""
    return text.translate(_SIGNS).translate(_EQUALS).replace("**", "^")


def read_literal(text: str) -> Decimal:
    """Return the written number, exactly.

    Raises
    ------
    ValueError
        If it is longer, larger or smaller than the calculator's numbers.
    """
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text):,} characters is too long for the calculator")
    exponent = re.split("[eE]", text)[1:]
    if exponent and (len(exponent[0]) > 7 or abs(int(exponent[0])) > FARTHEST_EXPONENT):
        raise ValueError(f"{text} is out of the calculator's range, which is 1e-9999 to 1e+9999")
    return Decimal(text)


def read_number(text: str) -> WrittenNumber | None:
    """Return the number that ``text`` is, or None if it is something else; 1.5*10^-7 and -inf are numbers too.

    Raises
    ------
    ValueError
        If the number is out of the calculator's range.
    """
    match = _VALUE.fullmatch(text) or _VALUE.fullmatch(normalize_signs(text).strip())
    if match is None:
        return None
    sign, digits, power = match.groups()
    if digits == "inf":
        return WrittenNumber(text.strip(), Decimal(f"{sign}Infinity"), 0)
    _, figures, place = read_literal(digits).as_tuple()
    place = int(place) + int(power or 0)
    return WrittenNumber(text.strip(), Decimal((sign == "-", figures, place)), place)
