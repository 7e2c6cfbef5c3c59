"""A page as a row of blocks, before anybody decides how it is written: ``text`` and ``markdown`` read the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from handcalc.page.layout import Table

PAGE, PART, STEP, INSET = 1, 2, 3, 4
"""The levels of headings: the page or a phase of the calculation, a part of the model, a step, a few lines."""


class Heading(NamedTuple):
    """A line above what it names."""

    text: str
    level: int


class Paragraph(NamedTuple):
    """Sentences."""

    text: str


class Formula(NamedTuple):
    """A step's equation, its number in docs/derivations.md, and short lines of facts about the step."""

    equation: str
    section: str
    facts: tuple[str, ...]


class Note(NamedTuple):
    """A short line that stands alone."""

    text: str


class Grid(NamedTuple):
    """A table of numbers, with a line above it if ``title`` is not empty."""

    title: str
    table: Table


class Columns(NamedTuple):
    """Rows of words; the first row names the columns if ``headed``."""

    rows: Sequence[Sequence[str]]
    headed: bool


class Panels(NamedTuple):
    """A column of labels and blocks of lines beside it; ``rows`` are the same as a plain table, header first."""

    labels: list[str]
    blocks: list[list[str]]
    rows: Sequence[Sequence[str]]


class Worked(NamedTuple):
    """A worked line: ``name[place] = arithmetic = value``."""

    name: str
    place: tuple[int, ...]
    arithmetic: str
    value: str


Block = Heading | Paragraph | Formula | Note | Grid | Columns | Panels | Worked
