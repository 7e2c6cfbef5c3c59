"""What the forward pass arrived at: the likeliest next words, and how far their probabilities are from float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from gpt_data.wording import make_visible
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.number_format import format_number
from handcalc.page.blocks import Block, Columns, Panels, Paragraph
from handcalc.page.labels import axis_labels, visible_text
from handcalc.page.layout import aligned, left_aligned
from handcalc.page.next_word import (
    PROBABILITIES,
    Comparison,
    comparisons,
    largest_difference,
    likeliest_words,
    next_word,
)
from handcalc.tracing.working import Trace

_LONGEST_CONTEXT = 34
FLOAT64_DIGITS = 15
_PLACES = ("1st", "2nd", "3rd", "4th", "5th")


def next_word_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield the five likeliest words after each position, and what the model thought of the word that came."""
    last = positions[-1]
    word, probability = likeliest_words(trace, last, 1)[0]
    yield Paragraph(
        f'After "{context(trace, last)}" the likeliest next word is "{make_visible(trace.vocabulary[word])}", '
        f"with probability {format_number(probability)}. The five likeliest after each position:"
    )
    yield ranking_panels(trace, positions, PROBABILITIES)
    came = [position for position in positions if next_word(trace, position) is not None]
    if came:
        yield Paragraph("So the words of the text itself were, each after those before it, this likely:")
        yield Columns([_came(trace, position) for position in came], headed=False)


def ranking_panels(trace: Trace, positions: Sequence[int], step: str) -> Panels:
    """Return the five likeliest words after each position by the probabilities of ``step``."""
    ranked = [likeliest_words(trace, position, step=step) for position in positions]
    places = list(_PLACES[: len(ranked[0])])
    titles = [context(trace, position) for position in positions]
    words = [[make_visible(trace.vocabulary[word]) for word, _ in row] for row in ranked]
    numbers = [[format_number(probability) for _, probability in row] for row in ranked]
    panels = [
        [title, *map("  ".join, zip(left_aligned(names), aligned(row), strict=True))]
        for title, names, row in zip(titles, words, numbers, strict=True)
    ]
    plain = [
        [f"{word} {number}" for word, number in zip(*pair, strict=True)] for pair in zip(words, numbers, strict=True)
    ]
    return Panels(["after", *places], panels, [["after", *titles], *zip(places, *plain, strict=True)])


def _came(trace: Trace, position: int) -> list[str]:
    word = next_word(trace, position) or 0
    name = f"P({make_visible(trace.vocabulary[word])} | {context(trace, position)})"
    exact = rounded_float(trace, trace.float64[position][word])
    return [name, f"= {format_number(trace.page[PROBABILITIES][position, word])}", f"(in float64 {exact})"]


def rounded_float(trace: Trace, value: float) -> str:
    """Return a float64 with the trace's digits, as many as it has."""
    return format_number(Calculator(min(trace.digits, FLOAT64_DIGITS)).round(Decimal(value)))


def context(trace: Trace, position: int) -> str:
    """Return the text up to a position, its beginning left out if it is long."""
    text = visible_text(trace, position + 1)
    return text if len(text) <= _LONGEST_CONTEXT else f"…{text[1 - _LONGEST_CONTEXT :]}"


def float64_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield each probability as calculated here and as numpy_gpt computes it, and the largest difference."""
    yield Paragraph(
        f"The same probabilities computed by numpy_gpt in float64 (about 16 digits) instead of {trace.digits} digits, "
        "and how far the calculator's are above (+) or below (-):"
    )
    words = [make_visible(word) for word in trace.vocabulary]
    compared = [comparisons(trace, position) for position in positions]
    titles = [f"after {label}" for label in axis_labels(trace, "t", positions)]
    parts = [_compared(trace, column) for column in compared]
    header = ["next word", *(f"{title}: {name}" for title, part in zip(titles, parts, strict=True) for name, _ in part)]
    yield Panels(
        ["", "next word", *words],
        [_panel(title, part) for title, part in zip(titles, parts, strict=True)],
        [header, *zip(words, *(numbers for part in parts for _, numbers in part), strict=True)],
    )
    farthest = largest_difference([one for column in compared for one in column])
    yield Paragraph(
        f"The largest difference is {abs(farthest.difference):.1e}, for "
        f'"{make_visible(trace.vocabulary[farthest.word])}" after "{context(trace, farthest.position)}".'
    )


def _compared(trace: Trace, column: list[Comparison]) -> list[tuple[str, list[str]]]:
    """Return three columns with their headers: as calculated, in float64 (as many digits as it has), the difference."""
    return [
        (f"{trace.digits} digits", aligned([format_number(one.calculator) for one in column])),
        ("float64", aligned([rounded_float(trace, one.float64) for one in column])),
        ("diff", [f"{one.difference:+.0e}" if one.difference else "0" for one in column]),
    ]


def _panel(title: str, parts: list[tuple[str, list[str]]]) -> list[str]:
    """Return the columns as lines below one title."""
    columns = []
    for header, numbers in parts:
        width = max(len(header), *map(len, numbers))
        columns.append([f"{line:>{width}}" for line in (header, *numbers)])
    lines = [" ".join(row) for row in zip(*columns, strict=True)]
    return [f"{title:^{len(lines[0])}}", *lines]
