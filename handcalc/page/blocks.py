"""A page as a sequence of blocks, independent of its format: ``text`` and ``markdown`` write the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gpt_data.wording import short_repr
from handcalc.arithmetic.writing import cell_label
from handcalc.page.layout import Table
from numpy_gpt.shared.html_table import html_code

PAGE, PART, STEP, INSET = 1, 2, 3, 4
"""The levels of headings: a page or a phase of the calculation, a part of the model, a step, a few lines."""


class Heading(NamedTuple):
    """A heading of one of the four levels."""

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
    """A short line by itself."""

    text: str


class Grid(NamedTuple):
    """A table of numbers, with a line above it unless ``title`` is empty."""

    title: str
    table: Table


class Columns(NamedTuple):
    """Rows of words; if ``headed``, the first row names the columns."""

    rows: Sequence[Sequence[str]]
    headed: bool


class Panels(NamedTuple):
    """A column of labels with blocks of lines next to it; ``rows`` is the same as a plain table, header first."""

    labels: list[str]
    blocks: list[list[str]]
    rows: Sequence[Sequence[str]]


class Calculation(NamedTuple):
    """A worked line: ``name[place] = arithmetic = value``."""

    name: str
    place: tuple[int, ...]
    arithmetic: str
    value: str

    def __str__(self) -> str:
        return f"{cell_label(self.name, self.place)} = {self.arithmetic} = {self.value}"

    def __repr__(self) -> str:
        return short_repr(str(self))

    def _repr_html_(self) -> str:
        return html_code([str(self)])


Block = Heading | Paragraph | Formula | Note | Grid | Columns | Panels | Calculation
