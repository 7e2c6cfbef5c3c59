"""Where everything is in a workbook: each tensor is a block of cells on the sheet of its part of the model."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.spreadsheet import Address, Places
from handcalc.arithmetic.unknown import UnknownToken
from handcalc.formulas.adamw import moved_parameter
from handcalc.formulas.step import UPDATE, UPDATED, Step
from handcalc.page.phases import part_title
from handcalc.tracing.live import Live

START, STEPS, VOCABULARY, WEIGHTS, TRAIN = "start", "steps", "vocabulary", "weights", "train"
"""The sheets of all workbooks; the others have names such as ``forward layer 0``."""

ID_COLUMN, FIRST_ID_ROW = 1, 12
"""Where the ids of the text are on the first sheet: the token at position t is t rows below."""

FIRST_ROW = 2
"""The first row that is not frozen, or about the whole sheet."""

LABELS = 1
"""The columns of labels at the left of every block."""

_STEP_HEAD, _INPUT_HEAD = 4, 2
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384


class Block(NamedTuple):
    """The cells of a tensor with index letters ``axes``: rows are all its indices but the last, columns the last one.

    A vector over positions is a column, any other one a row.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    first: Address

    @property
    def row_axes(self) -> str:
        """The index letters that run downwards."""
        return self.axes if self.axes in ("", "t") else self.axes[:-1]

    @property
    def size(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        count = len(self.row_axes)
        return prod(self.shape[:count]), prod(self.shape[count:])

    @property
    def last(self) -> Address:
        """The last cell, at the lower right."""
        sheet, row, column = self.first
        rows, columns = self.size
        return Address(sheet, row + rows - 1, column + columns - 1)

    def address(self, index: Index) -> Address:
        """Return where the number at ``index`` is."""
        sheet, row, column = self.first
        below, count = 0, len(self.row_axes)
        for place, length in zip(index[:count], self.shape[:count], strict=True):
            below = below * length + place
        return Address(sheet, row + below, column + (index[-1] if len(index) > count else 0))


class Layout(NamedTuple):
    """The block of every input and step by name, and the title of a part by the name of its first step."""

    blocks: dict[str, Block]
    titles: dict[str, str]

    @property
    def places(self) -> Places:
        """Where formulas find their numbers."""
        return Places(lambda name, index: self.blocks[name].address(index), token_address)


def token_address(token: UnknownToken) -> Address:
    """Return the input cell of a token's id."""
    return Address(START, FIRST_ID_ROW + token.position, ID_COLUMN)


def make_layout(live: Live) -> Layout:
    """Return where every tensor is, one below the other on its sheet.

    Raises
    ------
    UserError
        If a sheet would need more rows or columns than a spreadsheet has.
    """
    blocks, titles, ends = dict[str, Block](), dict[str, str](), dict[str, int]()

    def place(name: str, axes: str, sheet: str, head: int) -> None:
        row = ends.get(sheet, FIRST_ROW) + head
        block = blocks[name] = Block(name, axes, live.sizes.shape(axes), Address(sheet, row, LABELS))
        ends[sheet] = block.last.row + 2
        if block.last.row >= _MOST_ROWS or block.last.column >= _MOST_COLUMNS:
            raise UserError(
                f"{name} does not fit on a sheet, which has {_MOST_ROWS:,} rows and {_MOST_COLUMNS:,} columns; take a "
                "smaller model"
            )

    for one in live.inputs:
        place(one.name, one.axes, WEIGHTS, _INPUT_HEAD)
    part = ""
    for step in live.steps:
        if part != (part := part_title(step)):
            titles[step.name] = part
        place(step.name, step.axes, sheet_name(step), _STEP_HEAD + 2 * (step.name in titles))
    return Layout(blocks, titles)


def sheet_name(step: Step) -> str:
    """Return the sheet of a step: ``forward layer 0``, ``backward embedding``, ``update clipping``."""
    name = step.name
    if step.phase == UPDATE:
        parameter = moved_parameter(step)
        return f"{step.phase} {'clipping' if parameter is None else _region(parameter)}"
    return f"{step.phase} {_region(name.removeprefix(f'{UPDATED}.'))}"


def _region(name: str) -> str:
    first, *rest = name.split(".")
    if first == "h":
        return f"layer {rest[0]}"
    return "embedding" if first in ("embedding", "wte", "wpe") else "output"
