"""Judge an answer: right, right except for its last digit, a typical mistake, or wrong in another way."""

from __future__ import annotations

from decimal import Decimal

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.notation import read_number
from handcalc.arithmetic.reading import UnreadableArithmetic, parse_arithmetic
from handcalc.arithmetic.writing import format_significant
from handcalc.exercises.exercise import Answers, last_place


def read_answer(text: str) -> Decimal | None:
    """Return the number that was typed, also with a decimal comma or as 1.5·10^-7; None if it is not a number."""
    written = text.strip()
    if "," in written and "." not in written and written.count(",") == 1:
        written = written.replace(",", ".")
    try:
        number = read_number(written)
        parse_arithmetic(written)  # a number is arithmetic too: it must be in the calculator's range
    except (UnreadableArithmetic, ValueError):
        return None
    return number.value if number is not None and number.value.is_finite() else None


def is_right(answer: Decimal, answers: Answers, digits: int) -> bool:
    """Return whether the answer is right to the digits asked for; one unit in the last digit may be due to rounding."""
    return abs(Calculator(digits).round(answer) - answers.right) <= last_place(answers.right, digits)


def matching_mistakes(answer: Decimal, answers: Answers, digits: int) -> list[str]:
    """Return the typical mistakes that lead to this answer, to the digits asked for."""
    given = Calculator(digits).round(answer)
    exact = list(dict.fromkeys(name for name, value in answers.mistakes if value == given))
    near = [name for name, value in answers.mistakes if abs(value - given) <= last_place(value, digits)]
    return exact or list(dict.fromkeys(near))


def verdict(answer: Decimal, answers: Answers, digits: int) -> str:
    """Return the verdict on the answer as a sentence."""
    right, given = answers.right, Calculator(digits).round(answer)
    if given == right:
        return "Right."
    if is_right(answer, answers, digits):
        written = format_significant(right, digits)
        return f"Right except for the last digit: it is {written}. Rounding on the way causes that."
    mistakes = matching_mistakes(answer, answers, digits)
    if mistakes:
        return f"Not right. This mistake gives that result: {', or: '.join(mistakes)}."
    if given == -right:
        return "Not right: the sign is wrong."
    if given and right and given.scaleb(right.adjusted() - given.adjusted()) == right:
        return "Not right: the digits are right, but the decimal point is in the wrong place."
    return "Not right, and none of the typical mistakes gives that result."
