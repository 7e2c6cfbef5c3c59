"""An exercise: a question with all its numbers, the solution, and the results of typical mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from handcalc.arithmetic.calculator import MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Cells, Expression, Index, MutableNumbers
from handcalc.arithmetic.writing import format_number, format_significant

_CARRIED = 2


class Given(NamedTuple):
    """Numbers that the question gives: their name and their meaning, for the reader."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the working: a cell and its expression over numbers that are given or worked out earlier."""

    name: str
    index: Index
    expression: Expression


class Mistake(NamedTuple):
    """A typical mistake: its name, and the arithmetic of somebody who makes it."""

    name: str
    expression: Expression


class Exercise(NamedTuple):
    """One exercise.

    ``task`` is the question in words, ``formula`` the same as equations, one a line; ``numbers`` are those of
    ``givens``; the last line of ``working`` is the answer. ``mistakes`` may refer to given numbers and to those of the
    working. ``whole`` says that the given numbers are whole, and so are results that come out even.
    """

    topic: str
    level: int
    scene: str
    task: str
    formula: str
    givens: tuple[Given, ...]
    numbers: MutableNumbers
    working: tuple[Line, ...]
    mistakes: tuple[Mistake, ...]
    whole: bool = False

    def write(self, value: Decimal, digits: int) -> str:
        """Return a result to so many significant digits; a whole one of whole numbers has no more than it needs."""
        return format_number(value) if self.whole and value == int(value) else format_significant(value, digits)


class Givens:
    """The numbers of a question, while they are collected."""

    def __init__(self) -> None:
        self.numbers: MutableNumbers = {}
        self.listed: list[Given] = []

    def add(self, name: str, meaning: str, cells: Mapping[Index, Decimal]) -> Cells:
        """Give some numbers a name, and return the cells by which expressions refer to them."""
        self.numbers[name] = dict(cells)
        self.listed.append(Given(name, meaning))
        return Cells(name)

    def number(self, name: str, meaning: str, value: Decimal | int | str) -> Expression:
        """Give one number a name, and return the reference to it."""
        return self.add(name, meaning, {(): Decimal(value)})[()]

    def exercise(
        self,
        topic: str,
        level: int,
        scene: str,
        task: str,
        formula: str,
        working: Sequence[Line],
        mistakes: Sequence[Mistake],
    ) -> Exercise:
        """Return the exercise that gives these numbers."""
        givens, numbers = tuple(self.listed), self.numbers
        return Exercise(topic, level, scene, task, formula, givens, numbers, tuple(working), tuple(mistakes))


class Answers(NamedTuple):
    """The results of an exercise, to the digits asked for: the right answer, and that of each mistake.

    Mistakes that lead to the right answer, or to one that differs from it only by rounding, are left out.
    """

    right: Decimal
    mistakes: tuple[tuple[str, Decimal], ...]


def solve(exercise: Exercise, digits: int) -> Answers:
    """Return the answers: every step is worked out with 34 digits, and the last rounded to those asked for."""
    numbers = evaluate_working(exercise, MOST_DIGITS)
    asked = Calculator(digits)
    right = asked.round(numbers[exercise.working[-1].name][exercise.working[-1].index])
    unit = last_place(right, digits)
    results: list[tuple[str, Decimal]] = []
    for mistake in exercise.mistakes:
        try:
            value = asked.evaluate(mistake.expression, numbers)
        except ArithmeticError:  # this mistake ends in an error on the calculator's display
            continue
        if abs(value - right) > unit and (mistake.name, value) not in results:
            results.append((mistake.name, value))
    return Answers(right, tuple(results))


def evaluate_working(exercise: Exercise, digits: int) -> MutableNumbers:
    """Return the given numbers and those of the working, each line rounded to so many digits."""
    calculator = Calculator(digits)
    numbers = {name: dict(cells) for name, cells in exercise.numbers.items()}
    for line in exercise.working:
        numbers.setdefault(line.name, {})[line.index] = calculator.evaluate(line.expression, numbers)
    return numbers


def working_digits(digits: int) -> int:
    """Return the number of digits that the working carries: two more than those asked for, if there are so many."""
    return min(digits + _CARRIED, MOST_DIGITS)


def is_settled(exercise: Exercise, digits: int) -> bool:
    """Return whether the answer follows from its own working: it is more than a rounding step of it from a tie.

    A tie is half-way between two answers of so many digits. So close to one, two careful people who round their steps
    could round the last one to different answers.
    """
    carried, last = working_digits(digits), exercise.working[-1]
    exact, worked = (evaluate_working(exercise, count)[last.name][last.index] for count in (MOST_DIGITS, carried))
    asked = Calculator(digits)
    right = asked.round(exact)
    if asked.round(worked) != right:
        return False
    step, half = last_place(exact, carried), last_place(exact, digits) / 2
    return not right or all(abs(half - abs(value - right)) > step for value in (exact, worked))


def last_place(value: Decimal, digits: int) -> Decimal:
    """Return one unit in the last of the value's significant digits."""
    return Decimal((0, (1,), value.adjusted() - digits + 1)) if value else Decimal(0)
