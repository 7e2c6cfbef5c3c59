"""How an exercise reads: its question, its solution, and where mistakes lead; as text or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from handcalc.arithmetic.number_format import format_number
from handcalc.arithmetic.writing import arithmetic
from handcalc.exercises.exercise import Exercise, Given, Values, label, shown, solve, worked_page, working_digits
from handcalc.page.layout import CONTINUED, INDENT, WIDTH, aligned, left_aligned, left_columns, prose, worked_lines
from handcalc.page.markdown import escaped


class Kind(Enum):
    """What a part of a page is."""

    TITLE = 1
    HEADING = 2
    PROSE = 3
    LINES = 4


class Part(NamedTuple):
    """A title or heading (one line), a paragraph (one line, however long), or lines that stay as they are."""

    kind: Kind
    lines: tuple[str, ...]


def title(text: str) -> Part:
    """Return the title of a page."""
    return Part(Kind.TITLE, (text,))


def heading(text: str) -> Part:
    """Return what stands above an exercise."""
    return Part(Kind.HEADING, (text,))


def paragraph(text: str) -> Part:
    """Return a paragraph."""
    return Part(Kind.PROSE, (text,))


def lines_of(lines: Iterable[str]) -> Part:
    """Return lines of numbers."""
    return Part(Kind.LINES, tuple(lines))


def question(exercise: Exercise, digits: int, name: str) -> Iterator[Part]:
    """Yield the question with all its numbers, so that it can be answered from the page alone."""
    last = exercise.working[-1]
    yield heading(name)
    yield paragraph(f"{exercise.scene} {exercise.task}")
    formulas = exercise.formula.split("\n")
    yield lines_of(line for formula in formulas for line in prose(formula, indent=INDENT, continued=CONTINUED))
    yield lines_of(_given_lines(exercise))
    asked = f"{digits} significant digit" + "s" * (digits != 1)
    yield paragraph(f"Work out {label(last.name, last.index)} to {asked}.")


def _given_lines(exercise: Exercise) -> Iterator[str]:
    """Yield the numbers: tensors one after the other, single numbers together."""
    blocks: list[list[str]] = []
    for single, givens in groupby(exercise.givens, key=lambda given: set(exercise.page[given.name]) == {()}):
        if single:
            blocks.append(_number_lines(list(givens), exercise.page))
        else:
            blocks += [list(_tensor_lines(given, exercise.page)) for given in givens]
    for number, block in enumerate(blocks):
        yield from [""] * bool(number)
        yield from block


def _number_lines(givens: list[Given], page: Values) -> list[str]:
    """Return single numbers below one another, what they are beside them."""
    numbers = left_aligned([f"{given.name} = {shown(page[given.name][()])}  " for given in givens])
    lines = []
    for number, given in zip(numbers, givens, strict=True):
        first = INDENT + number
        lines += textwrap.wrap(given.meaning, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
    return lines


def _tensor_lines(given: Given, page: Values) -> Iterator[str]:
    """Yield a name for the numbers, then each of their rows: ``q[0] = (0.1, -0.2)``."""
    cells = page[given.name]
    yield from prose(f"{given.name}: {given.meaning}", indent=INDENT)
    rows = [list(group) for _, group in groupby(cells, key=lambda index: index[:-1])]
    columns = [aligned([shown(cells[row[place]]) for row in rows]) for place in range(min(map(len, rows)))]
    for number, row in enumerate(rows):
        # Rows of one length stand in columns; a triangle's rows are as long as they are.
        numbers = [column[number] for column in columns] + [shown(cells[index]) for index in row[len(columns) :]]
        padded = "".join(f"{one.rstrip()}, {' ' * (len(one) - len(one.rstrip()))}" for one in numbers)
        line = f"{label(given.name, row[0][:-1])} = ({padded.rstrip(', ')})"
        yield from textwrap.wrap(line, WIDTH, initial_indent=INDENT, subsequent_indent=CONTINUED)


def solution(exercise: Exercise, digits: int) -> Iterator[Part]:
    """Yield the right answer, the way to it in the trace's worked lines, and where typical mistakes lead."""
    last, answers = exercise.working[-1], solve(exercise, digits)
    yield paragraph(f"The answer: {label(last.name, last.index)} = {format_number(answers.right)}")
    yield from working(exercise, digits)
    if answers.mistakes:
        yield paragraph("Where typical mistakes lead:")
        numbers = aligned([format_number(value) for _, value in answers.mistakes])
        rows = [[number, name] for number, (name, _) in zip(numbers, answers.mistakes, strict=True)]
        yield lines_of(INDENT + line for line in left_columns(rows))


def working(exercise: Exercise, digits: int) -> Iterator[Part]:
    """Yield the working, carried with enough digits for the answer to be right to those asked for."""
    carried = working_digits(exercise, digits)
    page = worked_page(exercise, carried)
    lines = []
    for line in exercise.working:
        written = arithmetic(line.expression, page)
        value = format_number(page[line.name][line.index])
        lines += worked_lines(line.name, line.index, written or value, value)
    yield paragraph(f"The working, each line rounded to {carried} digits so that the last comes out right:")
    yield lines_of(lines)


def as_text(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of a page of text."""
    first = True
    for kind, lines in parts:
        if not first:
            yield ""
        first = False
        if kind is Kind.PROSE:
            yield from prose(lines[0])
        else:
            yield from lines
        if kind in (Kind.TITLE, Kind.HEADING):
            yield ("=" if kind is Kind.TITLE else "-") * len(lines[0])


def as_markdown(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of a Markdown page; numbers and worked lines stand in blocks of code, as in the text."""
    first = True
    for kind, lines in parts:
        if not first:
            yield ""
        first = False
        if kind is Kind.LINES:
            yield from ("```", *lines, "```")
        else:
            yield {Kind.TITLE: "# ", Kind.HEADING: "## ", Kind.PROSE: ""}[kind] + escaped(lines[0])
