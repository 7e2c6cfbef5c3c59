"""Write an exercise: its question, its solution, and the results of mistakes, as text or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from itertools import groupby
from typing import NamedTuple

from gpt_data.terminal import Style, plain
from gpt_data.wording import count_of
from handcalc.arithmetic.expression import MutableNumbers
from handcalc.arithmetic.writing import arithmetic, cell_label, format_number
from handcalc.exercises.exercise import Exercise, Given, evaluate_working, solve, working_digits
from handcalc.page.blocks import Calculation
from handcalc.page.layout import (
    CONTINUED,
    INDENT,
    WIDTH,
    align_left,
    align_points,
    prose,
)
from handcalc.page.markdown import escape
from handcalc.page.text import block_lines

BLANK = " ____________ "
"""What a form of text has between its words; a page that is printed has a rule."""


class Kind(Enum):
    """The kind of a part of a page."""

    TITLE = 1
    HEADING = 2
    PROSE = 3
    LINES = 4
    FORM = 5
    SPACE = 6


Layout = Callable[[int, Style], Iterable[str]]
"""Returns lines of numbers, at most so many characters wide, in a style."""


class Part(NamedTuple):
    """A title, a heading, a paragraph or a form, each one line, however long; lines of numbers; or space to write.

    ``lines`` is how many handwritten lines the space has. Between the texts of a form are blanks to fill in.
    """

    kind: Kind
    text: str = ""
    layout: Layout = lambda width, style: ()
    lines: int = 0


def title(text: str) -> Part:
    """Return the title of a page."""
    return Part(Kind.TITLE, text)


def heading(text: str) -> Part:
    """Return the heading of an exercise."""
    return Part(Kind.HEADING, text)


def paragraph(text: str) -> Part:
    """Return a paragraph."""
    return Part(Kind.PROSE, text)


def form(marks: int) -> Part:
    """Return the line on which a student writes the name and the date, and a teacher how many of the marks."""
    return Part(Kind.FORM, f"Name{BLANK}Date{BLANK}Marks{BLANK}/ {marks}")


def space(lines: int) -> Part:
    """Return space to write so many lines; only a page that is printed has it."""
    return Part(Kind.SPACE, lines=lines)


def lines_of(layout: Layout) -> Part:
    """Return lines of numbers."""
    return Part(Kind.LINES, layout=layout)


def question(exercise: Exercise, digits: int, name: str) -> Iterator[Part]:
    """Yield the question with all its numbers, so that it can be answered from the page alone."""
    last = exercise.working[-1]
    yield heading(name)
    yield paragraph(f"{exercise.scene} {exercise.task}")
    yield lines_of(partial(_formula_lines, exercise))
    yield lines_of(partial(_given_lines, exercise))
    asked = f"{'exactly or ' * exercise.whole}to {count_of(digits, 'significant digit')}"
    yield paragraph(f"Work out {cell_label(last.name, last.index)} {asked}.")


def _formula_lines(exercise: Exercise, width: int, style: Style) -> Iterator[str]:
    for formula in exercise.formula.split("\n"):
        yield from prose(formula, indent=INDENT, continued=CONTINUED, width=width)


def _given_lines(exercise: Exercise, width: int, style: Style) -> Iterator[str]:
    """Yield the numbers: tensors one by one, single numbers together."""
    blocks: list[list[str]] = []
    for single, givens in groupby(exercise.givens, key=lambda given: set(exercise.numbers[given.name]) == {()}):
        if single:
            blocks.append(_number_lines(list(givens), exercise.numbers, width, style))
        else:
            blocks += [list(_tensor_lines(given, exercise.numbers, width, style)) for given in givens]
    for number, block in enumerate(blocks):
        yield from [""] * bool(number)
        yield from block


def _number_lines(givens: list[Given], numbers: MutableNumbers, width: int, style: Style) -> list[str]:
    """Return single numbers, one a line, each followed by its meaning."""
    written = align_left([f"{given.name} = {format_number(numbers[given.name][()])}  " for given in givens])
    lines = []
    for number, given in zip(written, givens, strict=True):
        first, *rest = _hang(INDENT + number, given.meaning, width)
        lines += [first.replace(given.name, style("name", given.name), 1), *rest]
    return lines


def _hang(first: str, text: str, width: int) -> list[str]:
    """Return a text as a column to the right of ``first``."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first))


def _tensor_lines(given: Given, numbers: MutableNumbers, width: int, style: Style) -> Iterator[str]:
    """Yield a name for the numbers, then each of their rows: ``q[0] = (0.1, -0.2)``."""
    cells = {index: format_number(value) for index, value in numbers[given.name].items()}
    first, *rest = prose(f"{given.name}: {given.meaning}", indent=INDENT, width=width)
    yield from (first.replace(given.name, style("name", given.name), 1), *rest)
    rows = [list(group) for _, group in groupby(cells, key=lambda index: index[:-1])]
    columns = [align_points([cells[row[place]] for row in rows]) for place in range(min(map(len, rows)))]
    for number, row in enumerate(rows):
        # The columns that all rows have are aligned; the rows of a triangle have different lengths.
        entries = [column[number] for column in columns] + [cells[index] for index in row[len(columns) :]]
        padded = "".join(f"{one.rstrip()}, {' ' * (len(one) - len(one.rstrip()))}" for one in entries)
        line = f"{cell_label(given.name, row[0][:-1])} = ({padded.rstrip(', ')})"
        yield from textwrap.wrap(line, width, initial_indent=INDENT, subsequent_indent=CONTINUED)


def solution(exercise: Exercise, digits: int) -> Iterator[Part]:
    """Yield the right answer, the working as worked lines of a trace, and the results of typical mistakes."""
    last, answers = exercise.working[-1], solve(exercise, digits)
    yield paragraph(f"The answer: {cell_label(last.name, last.index)} = {exercise.write(answers.right, digits)}")
    yield from working_parts(exercise, digits)
    if answers.mistakes:
        yield paragraph("Results of typical mistakes:")
        yield lines_of(
            partial(_mistake_lines, [(name, exercise.write(value, digits)) for name, value in answers.mistakes])
        )


def _mistake_lines(mistakes: list[tuple[str, str]], width: int, style: Style) -> Iterator[str]:
    numbers = align_points([result for _, result in mistakes])
    for number, (name, _) in zip(align_left(numbers), mistakes, strict=True):
        yield from _hang(f"{INDENT}{number}  ", name, width)


def working_parts(exercise: Exercise, digits: int) -> Iterator[Part]:
    """Yield the working, with enough digits for the answer to be right to those asked for."""
    carried = working_digits(digits)
    numbers = evaluate_working(exercise, carried)
    lines = []
    for line in exercise.working:
        value = exercise.write(numbers[line.name][line.index], carried)
        lines.append(Calculation(line.name, line.index, arithmetic(line.expression, numbers) or value, value))
    yield paragraph(f"The working, each line rounded to {carried} digits:")
    yield lines_of(lambda width, style: block_lines(lines, style, width))


def as_text(parts: Iterable[Part], width: int = WIDTH, style: Style = plain) -> Iterator[str]:
    """Yield the lines of a page of text, at most ``width`` wide; headings, names and values are in their styles."""
    return _join_parts(parts, partial(_text_lines, width=width, style=style))


def as_markdown(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of a Markdown page; numbers and worked lines are in blocks of code, as in the text."""
    return _join_parts(parts, _markdown_lines)


def _join_parts(parts: Iterable[Part], lines_of_part: Callable[[Part], Iterable[str]]) -> Iterator[str]:
    for number, part in enumerate(part for part in parts if part.kind is not Kind.SPACE):
        yield from [""] * (2 if number and part.kind is Kind.TITLE else bool(number))
        yield from lines_of_part(part)


def _text_lines(part: Part, width: int, style: Style) -> Iterable[str]:
    if part.kind is Kind.LINES:
        return part.layout(width, style)
    lines = prose(part.text, width=width)
    if part.kind in (Kind.PROSE, Kind.FORM):
        return lines
    lines.append(("=" if part.kind is Kind.TITLE else "-") * max(map(len, lines)))
    return [style("heading", line) for line in lines]


def _markdown_lines(part: Part) -> Iterable[str]:
    if part.kind is Kind.LINES:
        return "```", *part.layout(WIDTH, plain), "```"
    return ({Kind.TITLE: "# ", Kind.HEADING: "## "}.get(part.kind, "") + escape(part.text),)
