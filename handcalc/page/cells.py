"""How the cells of a trace are written: their labels, their numbers, and their arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from gpt_data.errors import UserError
from gpt_data.wording import make_visible
from handcalc.arithmetic.expression import Index
from handcalc.arithmetic.writing import arithmetic, cell_label, format_number
from handcalc.formulas.attribution import ATTRIBUTED, is_attribution
from handcalc.formulas.step import AGAIN, FORWARD, Step
from handcalc.page.blocks import Block, Calculation, Note
from handcalc.page.layout import align_right
from handcalc.page.results import likeliest_words
from handcalc.page.stated_facts import write_masked
from handcalc.tracing.selection import Selection, indices_to_show
from handcalc.tracing.trace import Trace

MASKED = "masked"
"""What a table shows in a masked cell."""


def visible_word(trace: Trace, token: int) -> str:
    """Return a word of the vocabulary by its id, with its white space visible."""
    return make_visible(trace.vocabulary[token])


def visible_text(trace: Trace, stop: int) -> str:
    """Return the words before position ``stop`` as a text whose last space is visible.

    If no word is a space by itself, all spaces are visible: they belong to words, and the page does not explain ␣.
    Words that are only ids are separated by spaces.
    """
    tokens = trace.plan.tokens[:stop]
    text = "".join(trace.vocabulary[token] for token in tokens)
    if " " not in trace.vocabulary:
        if all(trace.vocabulary[token] == str(token) for token in trace.plan.tokens):
            return " ".join(map(str, tokens))
        return make_visible(text)
    words = " ".join(map(make_visible, text.removesuffix(" ").split(" ")))
    if not text.endswith(" "):
        return words
    return f"{words} {make_visible(' ')}" if words else make_visible(text)


def axis_labels(trace: Trace, letter: str, places: Sequence[int]) -> list[str]:
    """Return the label of each place along the axis of an index letter: its number, and its word if it has one."""
    tokens = trace.plan.tokens
    vocabulary = range(trace.plan.sizes.v)
    words = {"t": tokens, "s": tokens, "u": vocabulary, "v": vocabulary}.get(letter)
    numbers = number_labels(places)
    if words is None:
        return numbers
    return [f"{number} {visible_word(trace, words[place])}" for number, place in zip(numbers, places, strict=True)]


def number_labels(places: Sequence[int]) -> list[str]:
    """Return the places as text of one width, aligned at their units."""
    return align_right([str(place) for place in places])


def selection_of(trace: Trace, step: Step, selection: Selection) -> Selection:
    """Return what is shown of a step: of the attribution, only what has been worked out."""
    why = is_attribution(step) and trace.why
    return why.selection(selection.head)._replace(only=selection.only, cells=selection.cells) if why else selection


def keep_worked_out(trace: Trace, selection: Selection) -> Selection:
    """Return the selection without cells of the attribution that were not worked out.

    Raises
    ------
    UserError
        If none is left.
    """
    cells = tuple((name, index) for name, index in selection.cells if index in trace.numbers[name])
    if trace.why is not None and selection.cells and not cells and not selection.only:
        words = " and ".join(f"{word} ({visible_word(trace, word)})" for word in trace.why.words)
        raise UserError(
            f"{cell_label(*selection.cells[0])} is not worked out: logits are split only after position "
            f"{trace.why.position} (--position chooses another), for the words {words}"
        )
    return selection._replace(cells=cells)


def example_index(trace: Trace, step: Step, selection: Selection) -> Index:
    """Return the cell that is worked out for its step: always the same path through the model.

    It is the first channel of the chosen position, by default the last, and of the chosen head, by default the first;
    attention looks at the first position. Among the words it is the likeliest next one, in the backward pass the one
    that came next, and among the words that are read, or in tensors that have no next words, the one that was read.
    """
    if is_attribution(step):
        return next(iter(indices_to_show(step, trace.plan.sizes, selection_of(trace, step, selection))))
    position = trace.plan.sizes.t - 1 if selection.position is None else selection.position
    places = {"t": position, "p": position, "h": selection.head or 0, "u": trace.plan.tokens[position]}
    if "v" in step.axes:
        places["v"] = _example_word(trace, step, position)
    return tuple(places.get(letter, 0) for letter in step.axes)


def indices_to_work_out(trace: Trace, step: Step, selection: Selection, *, full: bool) -> list[Index]:
    """Return the cells whose arithmetic is shown: all if ``full``, or if they say what a part adds to a logit.

    Cells that were asked for are shown instead of the one that is worked out for every step.
    """
    if not full and (chosen := selection.cells_of(step.name)):
        return chosen
    if full or step.section in ATTRIBUTED:
        return list(indices_to_show(step, trace.plan.sizes, selection_of(trace, step, selection)))
    return [example_index(trace, step, selection)]


def count_chosen(trace: Trace, step: Step, selection: Selection) -> int:
    """Return how many single cells of a step are shown because they were asked for; 0 if the page is as without."""
    chosen = selection.cells_of(step.name)
    whole = selection.shows_whole(step.name)
    return 0 if chosen and whole and chosen == [example_index(trace, step, selection)] else len(chosen)


def _example_word(trace: Trace, step: Step, position: int) -> int:
    if step.phase in (FORWARD, AGAIN):
        return likeliest_words(trace, position, 1)[0][0]
    words = trace.plan.targets if {"t", "u"} & set(step.axes) else trace.plan.tokens
    return words[position]


def cell_text(trace: Trace, name: str, index: Index) -> str:
    """Return what a table shows for a cell: its number, or that it is masked."""
    return MASKED if (name, index) in trace.masked else format_number(trace.numbers[name][index])


def cell_arithmetic(trace: Trace, step: Step, index: Index) -> str | None:
    """Return the arithmetic of a cell with its printed operands; None for a masked cell."""
    return arithmetic(step.cell(*index), trace.numbers)


def calculation(trace: Trace, step: Step, index: Index) -> list[Calculation]:
    """Return the worked line of a cell; nothing for a masked cell."""
    written = cell_arithmetic(trace, step, index)
    value = format_number(trace.numbers[step.name][index])
    return [] if written is None else [Calculation(step.name, index, written, value)]


def worked_blocks(trace: Trace, steps: Sequence[Step], selection: Selection, *, full: bool) -> Iterator[Block]:
    """Yield the worked lines of steps that show the same cells, cell by cell; of a chosen masked cell, that it is."""
    chosen = selection.cells_of(steps[0].name)
    indices = indices_to_work_out(trace, steps[0], selection, full=full)
    for index, step in product(indices, steps):
        yield from calculation(trace, step, index)
        if index in chosen and (step.name, index) in trace.masked:
            place = dict(zip(step.axes, index, strict=True))
            yield Note(write_masked(cell_label(step.name, index), place["t"], place["s"]))
