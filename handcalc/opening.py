"""The first screen: what the reader is about to see, how to read a worked line, and the tokens."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.labels import visible, visible_text
from handcalc.layout import INDENT, left_columns, prose
from handcalc.selection import Selection
from handcalc.steps import AXES
from handcalc.worked import cell_lines, worked_index
from handcalc.working import Trace
from numpy_gpt.shared.names import parameter_count


def opening_lines(trace: Trace, shown_steps: int) -> Iterator[str]:
    """Yield the first screen's lines."""
    yield from _about_lines(trace, shown_steps)
    yield ""
    yield from _reading_lines(trace)
    yield ""
    yield from _token_lines(trace)


def _about_lines(trace: Trace, shown_steps: int) -> Iterator[str]:
    config, sizes, steps = trace.config, trace.sizes, len(trace.steps)
    cells = sum(len(trace.page[step.name]) for step in trace.steps)
    yield from prose(
        f'A trained GPT reads "{visible_text(trace, len(trace.tokens))}" and says, after each of its words, which word '
        f"is likely to come next. Here is everything it computes to get there: {cells:,} numbers in {steps} steps. "
        "Each step has a name, a sentence on what it is, its equation, all its numbers, and one of them worked out "
        "(with --full, each of them)."
        + (f" You asked for {shown_steps} of the {steps} steps." if shown_steps < steps else "")
    )
    yield ""
    yield from prose(
        f"The model: {trace.model}. It has {parameter_count(config):,} weights: {_counted(config.n_layer, 'layer')} of "
        f"{_counted(config.n_head, 'attention head')}, width {sizes.c}, {_counted(sizes.d, 'channel')} for each head, "
        f"{_counted(sizes.f, 'hidden unit')}, a vocabulary of {_counted(sizes.v, 'word')} (the space is one), and a "
        f"view of {_counted(config.block_size, 'token')}. Its weights are printed where they are first used, rounded "
        "like every other number."
    )


def _reading_lines(trace: Trace) -> Iterator[str]:
    example = next((step for step in trace.steps if step.name.endswith("attn.scaled")), trace.steps[-1])
    index = worked_index(trace, example, Selection())
    places = ", ".join(f"{letter} = {place}" for letter, place in zip(example.axes, index, strict=True))
    yield "How to read a worked line"
    yield ""
    yield from cell_lines(trace, example, index)
    yield ""
    yield from prose(
        "name[index] = arithmetic = result. The name says where in the model we are; h.0 is the first layer, as all "
        "counting starts at 0. The index tells which of the step's numbers it is, in the order of the letters in its "
        f"equation: here {places}. In the arithmetic stand only constants and numbers that were printed before. The "
        f"result is exact but for one rounding to {_counted(trace.digits, 'significant digit')} (half to even), and "
        "what is printed is what the next step goes on with. So every line can be checked with a pocket calculator: "
        "+ - * / exp log sqrt tanh max. A line too long for the page goes on below, further in."
    )
    yield ""
    yield "The index letters"
    yield ""
    rows = [[letter, f"{big} = {getattr(trace.sizes, letter)}", what] for letter, (big, what) in AXES.items()]
    yield from (INDENT + line for line in left_columns(rows))
    yield ""
    yield from prose("A number such as (8.2) beside an equation is its number in docs/derivations.md.")


def _token_lines(trace: Trace) -> Iterator[str]:
    yield "The tokens: the text cut into words and spaces (␠); a token's id is its place in the vocabulary"
    yield ""
    width = len(str(max(trace.tokens)))
    rows = [[str(t), visible(trace.vocabulary[token]), f"{token:>{width}}"] for t, token in enumerate(trace.tokens)]
    yield from (INDENT + line for line in left_columns([["t", "word", "id"], *rows]))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
