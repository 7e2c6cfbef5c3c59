"""Which cell of a step is worked out when not all of them are, and how a worked cell reads."""

from __future__ import annotations

from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.number_format import format_number
from handcalc.arithmetic.writing import arithmetic
from handcalc.page.blocks import Worked
from handcalc.page.layout import worked_lines
from handcalc.page.next_word import likeliest_words
from handcalc.tracing.selection import Selection
from handcalc.tracing.steps import AGAIN, FORWARD, Step
from handcalc.tracing.working import Trace


def worked_index(trace: Trace, step: Step, selection: Selection) -> Index:
    """Return the cell that stands for its step: always the same path through the model.

    Of the chosen position, or else the last, it is the first channel, of the chosen head or else the first; attention
    looks at the first position; of the words it is the likeliest next one. Backwards, it is the word that came next;
    of what belongs to words and not to positions, it is the word that was read.
    """
    position = trace.sizes.t - 1 if selection.position is None else selection.position
    places = {"t": position, "p": position, "h": selection.head or 0}
    if "v" in step.axes:
        places["v"] = _worked_word(trace, step, position)
    return tuple(places.get(letter, 0) for letter in step.axes)


def _worked_word(trace: Trace, step: Step, position: int) -> int:
    if step.phase in (FORWARD, AGAIN):
        return likeliest_words(trace, position, 1)[0][0]
    return trace.targets[position] if "t" in step.axes else trace.tokens[position]


def cell_text(trace: Trace, name: str, index: Index) -> str:
    """Return what a table shows for a cell: its number, or that it is masked."""
    return "masked" if (name, index) in trace.masked else format_number(trace.page[name][index])


def cell_arithmetic(trace: Trace, step: Step, index: Index) -> str | None:
    """Return the arithmetic of a cell with its printed operands; None for a masked cell."""
    return arithmetic(step.cell(*index), trace.page)


def worked_block(trace: Trace, step: Step, index: Index) -> list[Worked]:
    """Return the worked line of a cell; nothing for a masked cell."""
    worked = cell_arithmetic(trace, step, index)
    return [] if worked is None else [Worked(step.name, index, worked, format_number(trace.page[step.name][index]))]


def cell_lines(trace: Trace, step: Step, index: Index) -> list[str]:
    """Return the worked line of a cell, cut to the page; nothing for a masked cell."""
    return [line for block in worked_block(trace, step, index) for line in worked_lines(*block)]
