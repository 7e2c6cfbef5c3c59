"""Write a calculation as a workbook in which every number is a live formula on the cells it is computed from."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import make_visible
from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.spreadsheet import Address, area
from handcalc.formulas.adamw import BEFORE, MOMENTS
from handcalc.formulas.step import UPDATED, Step, Weights
from handcalc.page.sheets.layout import (
    FIRST_ROW,
    LABELS,
    START,
    STEPS,
    TRAIN,
    VOCABULARY,
    WEIGHTS,
    Block,
    make_layout,
    sheet_name,
)
from handcalc.page.sheets.pen import Pen, make_pen
from handcalc.page.sheets.start import write_start
from handcalc.page.stated_facts import step_heading
from handcalc.tracing.live import STEP_NUMBER, Live, Values
from handcalc.tracing.trace import Change

_CREATED = datetime(2026, 1, 1)
"""A fixed date, so that the same calculation gives the same bytes."""

_STEP_COLUMNS = ("step", "on sheet", "shape", "equation", "what it is")
_STEP_WIDTHS = (34, 22, 14, 70, 120)
_UNDOES_WIDTH = 3
_SHARES = {"type": "2_color_scale", "min_type": "num", "max_type": "num", "min_value": 0, "max_value": 1}
_SHARES |= {"min_color": "#FFFFFF", "max_color": "#5B9BD5"}


def spreadsheet_library() -> Any:
    """Return XlsxWriter.

    Raises
    ------
    UserError
        If it is not installed; the message says which extra has it.
    """
    try:
        import xlsxwriter
    except ModuleNotFoundError as error:
        raise UserError(
            '--format xlsx needs XlsxWriter, which is not installed: pip install "numpy-gpt[sheets]"'
        ) from error
    return xlsxwriter


def xlsx_bytes(
    live: Live, values: Values, vocabulary: tuple[str, ...], model: str, changes: tuple[Change, ...] = ()
) -> bytes:
    """Return the workbook of a calculation; ``vocabulary`` are the words by id, ``changes`` the weights changed before.

    Raises
    ------
    UserError
        If XlsxWriter is not installed, or the calculation is larger than a spreadsheet can be.
    """
    content = BytesIO()
    workbook = spreadsheet_library().Workbook(content, {"in_memory": True})
    workbook.set_properties({"title": f"The arithmetic of {model}", "created": _CREATED})
    workbook.set_calc_mode("auto")
    pen = make_pen(workbook, live, make_layout(live), values, tuple(map(make_visible, vocabulary)))
    write_start(pen, model, changes)
    _write_contents(pen)
    _write_vocabulary(pen)
    _write_weights(pen)
    for number, step in enumerate(live.steps, 1):
        _write_step(pen, number, step)
    if live.optimizer is not None:
        _write_train(pen)
    workbook.close()
    return content.getvalue()


def _write_contents(pen: Pen) -> None:
    sheet = pen.sheet(STEPS, "All steps, in order of computation")
    for column, (title, width) in enumerate(zip(_STEP_COLUMNS, _STEP_WIDTHS, strict=True)):
        sheet.set_column(column, column, width)
        pen.text(Address(STEPS, FIRST_ROW - 1, column), title, "heading")
    sheet.freeze_panes(FIRST_ROW, 1)
    for number, step in enumerate(pen.live.steps, 1):
        row, block = FIRST_ROW + number - 1, pen.layout.blocks[step.name]
        pen.link(Address(STEPS, row, 0), _heading_of(block), step_heading(number, step.name))
        shape = " × ".join(map(str, block.shape)) or "1"
        texts = (sheet_name(step), shape, f"{step.equation}   ({step.section})", step.meaning)
        for column, text in enumerate(texts, 1):
            pen.text(Address(STEPS, row, column), text, "equation" if column == 3 else "number")


def _write_vocabulary(pen: Pen) -> None:
    pen.sheet(VOCABULARY, "The vocabulary: id and word")
    for token, word in enumerate(pen.vocabulary):
        pen.number(Address(VOCABULARY, FIRST_ROW + token, 0), token, "label")
        pen.text(Address(VOCABULARY, FIRST_ROW + token, 1), word, "number")


def _write_weights(pen: Pen) -> None:
    pen.sheet(WEIGHTS, "The weights: change one, and every sheet follows")
    for one in pen.live.inputs:
        block = pen.layout.blocks[one.name]
        _write_input_head(pen, one, block, block.first)
        for index in pen.live.sizes.indices(one.axes):
            pen.number(block.address(index), pen.values.numbers[one.name][index], "input")
        pen.name(block)


def _write_input_head(pen: Pen, one: Weights, block: Block, first: Address) -> None:
    pen.text(Address(first.sheet, first.row - 2, 0), one.name, "heading")
    pen.labels(block, first)


def _write_step(pen: Pen, number: int, step: Step) -> None:
    block = pen.layout.blocks[step.name]
    name, row, _ = block.first
    pen.sheet(name, name.capitalize())
    if title := pen.layout.titles.get(step.name):
        pen.text(Address(name, row - 6, 0), title, "part")
    heading = _heading_of(block)
    pen.text(heading, step_heading(number, step.name), "heading")
    links = [("all steps", Address(STEPS, FIRST_ROW + number - 1, 0))]
    links += [(f"undoes {undone}", _heading_of(pen.layout.blocks[undone])) for undone in step.undoes]
    for place, (text, to) in enumerate(links):
        pen.link(Address(name, heading.row, 3 + _UNDOES_WIDTH * place), to, text)
    pen.text(Address(name, row - 3, 0), step.meaning, "number")
    pen.text(Address(name, row - 2, 0), f"{step.equation}   ({step.section})", "equation")
    pen.labels(block, block.first)
    for index in pen.live.sizes.indices(step.axes):
        pen.result(step, block, index)
    pen.name(block)
    if step.name.endswith("attn.weights"):
        pen.sheets[name].conditional_format(row, LABELS, block.last.row, block.last.column, _SHARES)


def _heading_of(block: Block) -> Address:
    return Address(block.first.sheet, block.first.row - 4, 0)


def _write_train(pen: Pen) -> None:
    """Write the sheet whose cells are where those of the weights' sheet are, but have the values after the update."""
    sheet = pen.sheet(TRAIN, "Train: the weights after this update")
    for one in pen.live.inputs:
        block = pen.layout.blocks[one.name]
        _write_input_head(pen, one, block, block.first._replace(sheet=TRAIN))
        for index in pen.live.sizes.indices(one.axes):
            where = block.address(index)._replace(sheet=TRAIN)
            pen.formula(where, *_after(pen, one.name, index), "number")
    last = pen.layout.blocks[pen.live.inputs[-1].name].last
    columns = max(pen.layout.blocks[one.name].last.column for one in pen.live.inputs)
    cells = area(Address(TRAIN, FIRST_ROW, 0), Address(TRAIN, last.row, columns), TRAIN)
    pen.text(
        Address(TRAIN, 1, 0),
        f"To take the step: copy {cells} of this sheet, and paste it at A{FIRST_ROW + 1} of the sheet {WEIGHTS} as "
        f"values (Paste Special). The loss on the sheet {START} falls; repeat as often as you like.",
        "heading",
    )
    sheet.freeze_panes(FIRST_ROW, 1)


def _after(pen: Pen, name: str, index: Index) -> tuple[str, float]:
    """Return the formula and the value of an input of the next step."""
    before, _, rest = name.partition(".")
    source = rest if before == BEFORE and rest.partition(".")[0] in MOMENTS else f"{UPDATED}.{name}"
    if name == STEP_NUMBER.name:
        cell = pen.layout.blocks[name].first
        return f"{area(cell, cell, TRAIN)}+1", pen.values.numbers[name][index] + 1
    cell = pen.layout.blocks[source].address(index)
    return area(cell, cell, TRAIN), pen.values.numbers[source][index]
