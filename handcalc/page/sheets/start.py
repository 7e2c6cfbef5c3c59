"""The first sheet of a workbook: the text, whose ids are inputs, the predictions, the loss, and how to use the rest."""

from __future__ import annotations

from handcalc.arithmetic.spreadsheet import Address, area
from handcalc.arithmetic.unknown import UnknownToken
from handcalc.formulas.step import UPDATED
from handcalc.page.sheets.layout import FIRST_ID_ROW, FIRST_ROW, START, STEPS, TRAIN, VOCABULARY, WEIGHTS, token_address
from handcalc.page.sheets.pen import WORD_COLUMN, Pen
from handcalc.page.stated_facts import write_changes, write_optimizer
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.trace import Change

_LOSS_ROW = FIRST_ID_ROW - 5
_HEADER = ("t", "id", "word", "likeliest word", "its probability", "next word", "its probability", "loss")
_AFTER = ("probability after", "loss after")


def write_start(pen: Pen, model: str, changes: tuple[Change, ...]) -> None:
    """Write the first sheet."""
    live = pen.live
    sheet = pen.sheet(START, f"The arithmetic of {model}, as a spreadsheet")
    sheet.set_column(1, 20, 16)
    lines = [
        "Yellow cells are inputs: the ids of the words below, and every weight. All other numbers are formulas, from "
        f"the first sheet to the last: change an id or a weight, and everything follows. The sheet {STEPS} leads to "
        f"each step, the sheet {VOCABULARY} has the words and their ids.",
    ]
    if live.optimizer is not None:
        lines.append(f"The update is AdamW's: {write_optimizer(live.optimizer)} How to take the step: sheet {TRAIN}.")
    lines.append(f"The weights are on the sheet {WEIGHTS}. To go to a tensor, type its name into the Name Box.")
    if changes:
        lines.append(write_changes(changes))
    for row, line in enumerate(lines, FIRST_ROW):
        pen.text(Address(START, row, 0), line, "number")
    _write_losses(pen)
    _write_text(pen)


def _write_losses(pen: Pen) -> None:
    names = [("Loss", "loss"), ("Loss after the update", f"{UPDATED}.loss")]
    for row, (title, name) in enumerate(names, _LOSS_ROW):
        if name in pen.layout.blocks:
            pen.text(Address(START, row, 0), title, "heading")
            cell = pen.layout.blocks[name].first
            pen.formula(Address(START, row, 1), area(cell, cell, START), pen.values.numbers[name][()], "loss")


def _write_text(pen: Pen) -> None:
    live, row = pen.live, FIRST_ID_ROW
    blocks = pen.layout.blocks
    header = [*_HEADER[: None if "loss" in blocks else 5], *(_AFTER if f"{UPDATED}.loss" in blocks else ())]
    for column, title in enumerate(header):
        pen.text(Address(START, row - 1, column), title, "word heading" if "word" in title else "heading")
    words = _words(pen)
    for position, token in enumerate(live.ids):
        cell = token_address(UnknownToken(position))
        pen.number(cell._replace(column=0), position, "label")
        pen.number(cell, token, "input")
        formula = f"INDEX({words},{area(cell, cell, START)}+1)"
        pen.formula(cell._replace(column=WORD_COLUMN), formula, pen.vocabulary[token], "word")
        if position < live.sizes.t:
            _write_prediction(pen, position, cell)
    first, last = (token_address(UnknownToken(place)) for place in (0, len(live.ids) - 1))
    most = live.sizes.v - 1
    pen.sheets[START].data_validation(
        first.row,
        first.column,
        last.row,
        last.column,
        {
            "validate": "integer",
            "criteria": "between",
            "minimum": 0,
            "maximum": most,
            "error_message": f"An id is a whole number from 0 to {most}; the sheet {VOCABULARY} has them all.",
        },
    )


def _words(pen: Pen) -> str:
    count = len(pen.vocabulary)
    first = Address(VOCABULARY, FIRST_ROW, 1)
    return area(first, first._replace(row=first.row + count - 1), START)


def _write_prediction(pen: Pen, position: int, cell: Address) -> None:
    values, blocks = pen.values.numbers, pen.layout.blocks
    row = _row(pen, PROBABILITIES, position)
    shares = [values[PROBABILITIES][position, word] for word in range(pen.live.sizes.v)]
    best = max(shares)
    likeliest = pen.vocabulary[shares.index(best)]
    pen.formula(cell._replace(column=3), f"INDEX({_words(pen)},MATCH(MAX({row}),{row},0))", likeliest, "word")
    pen.formula(cell._replace(column=4), f"MAX({row})", best, "share")
    if "loss" not in blocks:
        return
    below = token_address(UnknownToken(position + 1))
    target = area(below, below, START)
    next_word = below._replace(column=WORD_COLUMN)
    pen.formula(
        cell._replace(column=5), area(next_word, next_word, START), pen.word(UnknownToken(position + 1)), "word"
    )
    for column, prefix in ((6, ""), (8, f"{UPDATED}.")):
        if f"{prefix}loss" in blocks:
            share = values[prefix + PROBABILITIES][position, pen.live.ids[position + 1]]
            row, loss = _row(pen, prefix + PROBABILITIES, position), blocks[f"{prefix}losses"].address((position,))
            pen.formula(cell._replace(column=column), f"INDEX({row},{target}+1)", share, "share")
            surprise = values[f"{prefix}losses"][position,]
            pen.formula(cell._replace(column=column + 1), area(loss, loss, START), surprise, "share")


def _row(pen: Pen, name: str, position: int) -> str:
    block = pen.layout.blocks[name]
    return area(block.address((position, 0)), block.address((position, pen.live.sizes.v - 1)), START)
