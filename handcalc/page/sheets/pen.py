"""What all sheets of a workbook are written with: formats, headings, labels, and the numbers of a block."""

from __future__ import annotations

from typing import Any, NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.spreadsheet import Address, area, column_letters, spreadsheet_formula
from handcalc.arithmetic.unknown import UnknownToken
from handcalc.formulas.step import Step
from handcalc.page.sheets.layout import Block, Layout, token_address
from handcalc.tracing.live import Live, Values

WORD_COLUMN = 2
"""The column of the first sheet with the word of each id."""

_LONGEST_FORMULA = 8192

_FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "part": {"bold": True, "font_size": 12, "font_color": "#1F4E79"},
    "heading": {"bold": True},
    "equation": {"font_name": "Consolas", "font_color": "#555555"},
    "label": {"font_color": "#777777"},
    "column": {"font_color": "#777777", "align": "right"},
    "number": {},
    "word": {"indent": 1},
    "word heading": {"bold": True, "indent": 1},
    "input": {"bg_color": "#FFF2CC"},
    "masked": {"font_color": "#BBBBBB", "align": "right"},
    "loss": {"bold": True, "font_size": 12, "num_format": "0.000000"},
    "share": {"num_format": "0.0000"},
    "link": {"font_color": "#0563C1", "underline": 1},
}


class Pen(NamedTuple):
    """A workbook that is being written: its sheets and formats, and what goes into it."""

    workbook: Any
    formats: dict[str, Any]
    sheets: dict[str, Any]
    live: Live
    layout: Layout
    values: Values
    vocabulary: tuple[str, ...]

    def sheet(self, name: str, title: str) -> Any:
        """Return a sheet by name; when it is first needed it is added, with its frozen heads and a link back."""
        if name not in self.sheets:
            sheet = self.sheets[name] = self.workbook.add_worksheet(name)
            sheet.freeze_panes(1, 1)
            sheet.set_column(0, 0, 24)
            sheet.set_column(1, 200, 11)
            sheet.set_landscape()
            sheet.fit_to_pages(1, 0)  # as wide as the paper, on as many sheets of it as are needed
            self.text(Address(name, 0, 0), title, "title")
        return self.sheets[name]

    def text(self, where: Address, text: str, style: str) -> None:
        """Write words, which are never a formula."""
        self.sheets[where.sheet].write_string(where.row, where.column, text, self.formats[style])

    def link(self, where: Address, to: Address, text: str) -> None:
        """Write words that lead to another cell."""
        target = f"internal:'{to.sheet}'!{column_letters(to.column)}{to.row + 1}"
        self.sheets[where.sheet].write_url(where.row, where.column, target, self.formats["link"], text)

    def formula(self, where: Address, formula: str, value: float | str, style: str) -> None:
        """Write a formula, and its value for programs that do not calculate."""
        if len(formula) >= _LONGEST_FORMULA:
            raise UserError(
                f"a formula of the sheet {where.sheet} has {len(formula):,} characters, and a spreadsheet allows "
                f"{_LONGEST_FORMULA:,}; take a model with fewer heads"
            )
        self.sheets[where.sheet].write_formula(where.row, where.column, f"={formula}", self.formats[style], value)

    def number(self, where: Address, value: float, style: str) -> None:
        """Write a number that is given."""
        self.sheets[where.sheet].write_number(where.row, where.column, value, self.formats[style])

    def word(self, token: UnknownToken) -> str:
        """Return the word that a token of the text is now."""
        return self.vocabulary[self.live.ids[token.position]]

    def labels(self, block: Block, first: Address) -> None:
        """Write the labels of a block, ``first`` being its upper left number: words where an axis has words."""
        if not block.shape:
            return
        rows, columns = block.size
        letters = block.row_axes
        across = block.axes[len(letters) :]
        corner = " ".join(f"{some} {arrow}" for some, arrow in ((",".join(letters), "↓"), (across, "→")) if some)
        self.text(Address(first.sheet, first.row - 1, 0), corner, "label")
        for column in range(columns if across else 0):
            self._label(Address(first.sheet, first.row - 1, first.column + column), "", across, column, "column")
        inner = block.shape[len(letters) - 1] if letters else 1
        for row in range(rows if letters else 0):
            before = f"{letters[0]}={row // inner} " if len(letters) > 1 else ""
            self._label(Address(first.sheet, first.row + row, 0), before, letters[-1], row % inner, "label")

    def _label(self, where: Address, before: str, letter: str, place: int, style: str) -> None:
        text = f"{before}{letter}={place}"
        if letter in ("t", "s"):
            word = UnknownToken(place)
            cell = token_address(word)._replace(column=WORD_COLUMN)
            formula = f'"{text} "&{area(cell, cell, where.sheet)}'
            self.formula(where, formula, f"{text} {self.word(word)}", style)
        else:
            self.text(where, f"{text} {self.vocabulary[place]}" if letter in ("u", "v") else text, style)

    def name(self, block: Block) -> None:
        """Define a tensor's name."""
        cells = [f"${column_letters(one.column)}${one.row + 1}" for one in (block.first, block.last)]
        self.workbook.define_name(block.name, f"='{block.first.sheet}'!{':'.join(dict.fromkeys(cells))}")

    def result(self, step: Step, block: Block, index: Index) -> None:
        """Write a number of a step: its formula; a constant and a masked cell have none."""
        where, value = block.address(index), self.values.numbers[step.name][index]
        if (step.name, index) in self.values.masked and value:
            self.text(where, "−∞", "masked")
        elif (step.name, index) in self.values.masked:
            self.number(where, value, "masked")
        else:
            formula = spreadsheet_formula(step.cell(*index), self.layout.places, where.sheet)
            self.formula(where, formula, value, "number")


def make_pen(workbook: Any, live: Live, layout: Layout, values: Values, vocabulary: tuple[str, ...]) -> Pen:
    """Return the pen of an empty workbook."""
    formats = {name: workbook.add_format(style) for name, style in _FORMATS.items()}
    return Pen(workbook, formats, {}, live, layout, values, vocabulary)
