"""What an exercise is: a question with all its numbers, the way to the answer, and where typical mistakes lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from handcalc.arithmetic.calculator import MOST_DIGITS, Calculator
from handcalc.arithmetic.expression import Cells, Expression, Index
from handcalc.arithmetic.number_format import format_number

Values = dict[str, dict[Index, Decimal]]


class Given(NamedTuple):
    """Numbers that the question gives: their name and what they are, for the reader."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the working: a cell and what it is, over numbers that are given or worked out before."""

    name: str
    index: Index
    expression: Expression


class Mistake(NamedTuple):
    """A typical mistake: what it is called, and the arithmetic of somebody who makes it."""

    name: str
    expression: Expression


class Exercise(NamedTuple):
    """One exercise.

    ``task`` is the question in words, ``formula`` the same as equations, one a line; ``page`` holds the numbers of
    ``givens``; the last line of ``working`` is what is asked. ``mistakes`` may refer to given numbers and to those of
    the working.
    """

    topic: str
    level: int
    scene: str
    task: str
    formula: str
    givens: tuple[Given, ...]
    page: Values
    working: tuple[Line, ...]
    mistakes: tuple[Mistake, ...]


class Givens:
    """The numbers of a question, as they are put together."""

    def __init__(self) -> None:
        self.page: Values = {}
        self.listed: list[Given] = []

    def add(self, name: str, meaning: str, cells: Mapping[Index, Decimal]) -> Cells:
        """Give some numbers a name, and return what expressions call them."""
        self.page[name] = dict(cells)
        self.listed.append(Given(name, meaning))
        return Cells(name)

    def number(self, name: str, meaning: str, value: Decimal | int | str) -> Expression:
        """Give one number a name, and return what expressions call it."""
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
        givens, page = tuple(self.listed), self.page
        return Exercise(topic, level, scene, task, formula, givens, page, tuple(working), tuple(mistakes))


class Answers(NamedTuple):
    """What comes of an exercise, to the digits asked for: the right answer, and each mistake with where it leads.

    Mistakes that lead to the right answer, or to one that only rounding sets apart from it, are left out.
    """

    right: Decimal
    mistakes: tuple[tuple[str, Decimal], ...]


def solve(exercise: Exercise, digits: int) -> Answers:
    """Return the answers: every step is carried with 34 digits, and rounded once to those asked for."""
    page = worked_page(exercise, MOST_DIGITS)
    asked = Calculator(digits)
    right = asked.round(page[exercise.working[-1].name][exercise.working[-1].index])
    unit = last_place(right, digits)
    led: list[tuple[str, Decimal]] = []
    for mistake in exercise.mistakes:
        try:
            value = asked.evaluate(mistake.expression, page)
        except ArithmeticError:  # this mistake ends in an error on the calculator's display
            continue
        if abs(value - right) > unit and (mistake.name, value) not in led:
            led.append((mistake.name, value))
    return Answers(right, tuple(led))


def worked_page(exercise: Exercise, digits: int) -> Values:
    """Return the given numbers and those of the working, each line rounded to so many digits."""
    page, calculator = {name: dict(cells) for name, cells in exercise.page.items()}, Calculator(digits)
    for line in exercise.working:
        page.setdefault(line.name, {})[line.index] = calculator.evaluate(line.expression, page)
    return page


def working_digits(exercise: Exercise, digits: int) -> int:
    """Return with how many digits the working must be carried for its last line to round to the right answer."""
    right, last = solve(exercise, digits).right, exercise.working[-1]
    for carried in range(digits + 2, MOST_DIGITS):
        if Calculator(digits).round(worked_page(exercise, carried)[last.name][last.index]) == right:
            return carried
    return MOST_DIGITS


def last_place(value: Decimal, digits: int) -> Decimal:
    """Return one unit in the last of the value's significant digits."""
    return Decimal((0, (1,), value.adjusted() - digits + 1)) if value else Decimal(0)


def label(name: str, index: Index) -> str:
    """Return how a cell is written: ``scores[2,0]``, or ``mean`` where there is only one."""
    return f"{name}[{','.join(map(str, index))}]" if index else name


def shown(value: Decimal | int) -> str:
    """Return a number for a sentence or a formula."""
    return format_number(Decimal(value))
