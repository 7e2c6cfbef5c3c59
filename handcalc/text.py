"""Read a trace as text: a page 100 columns wide, to be followed with a pocket calculator.

The grammar of a worked line, for whoever wants to read it by program::

    line       = "    " name "[" index "]" " = " arithmetic " = " value
    index      = integers with commas between, counted from 0
    arithmetic = Python's syntax over numbers and + - * / ( ) exp log sqrt tanh max
    value      = a number

A line that is longer than the page goes on in lines that start with eight spaces; joined by one space they are one line
again. Nothing else on the page starts with four spaces, a name, and integers in brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.closing import float64_lines, next_word_lines
from handcalc.layout import INDENT, prose, table_lines
from handcalc.opening import opening_lines
from handcalc.selection import Selection, select_steps, shown_indices, shown_places
from handcalc.steps import AXES, Step, Weights
from handcalc.tables import step_tables, weight_table
from handcalc.worked import cell_lines, worked_index
from handcalc.working import Trace

Style = Callable[[str], str]
"""What makes a heading stand out, or leaves it as it is."""

_PARTS = {
    "embedding": "Embedding: words become vectors",
    "ln_1": "norm before attention",
    "attn": "attention",
    "ln_2": "norm before the feed-forward network",
    "mlp": "feed-forward network",
    "ln_f": "Final norm",
}


def text_lines(trace: Trace, selection: Selection, *, full: bool, style: Style) -> Iterator[str]:
    """Yield the page's lines."""
    chosen = select_steps(trace.steps, selection)
    yield from _titled("The arithmetic of a GPT, by pocket calculator", "=", style)
    yield from opening_lines(trace, len(chosen))
    numbers = {step.name: number for number, step in enumerate(trace.steps, 1)}
    printed: dict[Weights, str] = {}
    part = ""
    for step in chosen:
        if part != (part := part_title(step.name)):
            yield from ("", "", *_titled(part, "-", style))
        else:
            yield ""
        yield style(f"{numbers[step.name]}. {step.name}")
        yield from _step_lines(trace, step, selection, printed, full=full)
    if not selection.narrows_steps:
        positions = shown_places("t", trace.sizes, selection)
        yield from ("", "", *_titled("The next word", "-", style), *next_word_lines(trace, positions))
        yield from ("", "", *_titled("How far from float64", "-", style), *float64_lines(trace, positions))


def part_title(name: str) -> str:
    """Return which part of the model a step belongs to: ``h.0.attn.q`` → ``Layer 0: attention``."""
    parts = name.split(".")
    if parts[0] == "h":
        return f"Layer {parts[1]}: {_PARTS[parts[2]]}"
    return _PARTS.get(parts[0], "Output: the probability of every next word")


def _titled(title: str, line: str, style: Style) -> tuple[str, str, str]:
    return style(title), style(line * len(title)), ""


def _step_lines(
    trace: Trace, step: Step, selection: Selection, printed: dict[Weights, str], *, full: bool
) -> Iterator[str]:
    yield from prose(step.meaning)
    yield ""
    letters = ", ".join(AXES[letter][0] for letter in step.axes)
    shape = ", ".join(map(str, trace.sizes.shape(step.axes)))
    yield from prose(f"{step.equation}   ({step.section})", indent=INDENT)
    yield f"{INDENT}shape ({letters}) = ({shape})"
    for weights in step.weights:
        yield from _weight_lines(trace, weights, printed, step.name)
    for title, table in step_tables(trace, step, selection):
        title = title or ("result" if step.weights else "")
        yield ""
        yield from ([INDENT + title] if title else [])
        yield from table_lines(table)
    yield ""
    indices = shown_indices(step, trace.sizes, selection) if full else [worked_index(trace, step, selection)]
    for index in indices:
        yield from cell_lines(trace, step, index)


def _weight_lines(trace: Trace, weights: Weights, printed: dict[Weights, str], name: str) -> Iterator[str]:
    yield ""
    columns = "" if weights.stop is None else f", columns {weights.start} to {weights.stop - 1}"
    if weights in printed:
        yield f"{INDENT}uses {weights.name}{columns}: printed at {printed[weights]}"
        return
    printed[weights] = name
    shape = " × ".join(map(str, trace.weight_shapes[weights.name]))
    yield f"{INDENT}uses {weights.name} ({shape}){columns}"
    yield from table_lines(weight_table(trace, weights))
