"""The last pages: the likeliest next words, and how far the calculator's probabilities are from float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from handcalc.calculator import Calculator
from handcalc.labels import axis_labels, visible, visible_text
from handcalc.layout import INDENT, aligned, left_aligned, left_columns, prose, side_by_side
from handcalc.next_word import Comparison, comparisons, largest_difference, likeliest_words
from handcalc.number_format import format_number
from handcalc.working import Trace

_LONGEST_CONTEXT = 34
_FLOAT64_DIGITS = 15
_PLACES = ("1st", "2nd", "3rd", "4th", "5th")


def next_word_lines(trace: Trace, positions: Sequence[int]) -> Iterator[str]:
    """Yield the five likeliest words after each position, and what the model thought of the word that came."""
    last = positions[-1]
    word, probability = likeliest_words(trace, last, 1)[0]
    yield from prose(
        f'After "{_context(trace, last)}" the likeliest next word is "{visible(trace.vocabulary[word])}", '
        f"with probability {format_number(probability)}. The five likeliest after each position:"
    )
    yield ""
    blocks = [_ranking(trace, position) for position in positions]
    yield from side_by_side(["after", *_PLACES[: len(blocks[0]) - 1]], blocks)
    came = [position for position in positions if position + 1 < len(trace.tokens)]
    if came:
        yield ""
        yield from prose("So the words of the text itself were, each after those before it, this likely:")
        yield ""
        yield from (INDENT + line for line in left_columns([_came(trace, position) for position in came]))


def _ranking(trace: Trace, position: int) -> list[str]:
    """Return the likeliest words and their probabilities below the text that they would follow."""
    likeliest = likeliest_words(trace, position)
    words = left_aligned([visible(trace.vocabulary[word]) for word, _ in likeliest])
    numbers = aligned([format_number(probability) for _, probability in likeliest])
    return [_context(trace, position), *(f"{word}  {number}" for word, number in zip(words, numbers, strict=True))]


def _came(trace: Trace, position: int) -> list[str]:
    word = trace.tokens[position + 1]
    probability = trace.page["probabilities"][position, word]
    name = f"P({visible(trace.vocabulary[word])} | {_context(trace, position)})"
    exact = Calculator(min(trace.digits, _FLOAT64_DIGITS)).round(Decimal(trace.float64[position][word]))
    return [name, f"= {format_number(probability)}", f"(in float64 {format_number(exact)})"]


def _context(trace: Trace, position: int) -> str:
    text = visible_text(trace, position + 1)
    return text if len(text) <= _LONGEST_CONTEXT else f"…{text[1 - _LONGEST_CONTEXT :]}"


def float64_lines(trace: Trace, positions: Sequence[int]) -> Iterator[str]:
    """Yield each probability as calculated here and as numpy_gpt computes it, and the largest difference."""
    yield from prose(
        f"The same probabilities computed by numpy_gpt in float64 (about 16 digits) instead of {trace.digits} digits, "
        "and how far the calculator's are above (+) or below (-):"
    )
    yield ""
    words = [visible(word) for word in trace.vocabulary]
    compared = [comparisons(trace, position) for position in positions]
    titles = [f"after {label}" for label in axis_labels(trace, "t", positions)]
    blocks = [_block(title, column, trace.digits) for title, column in zip(titles, compared, strict=True)]
    yield from side_by_side(["", "next word", *words], blocks)
    yield ""
    farthest = largest_difference([one for column in compared for one in column])
    yield from prose(
        f"The largest difference is {abs(farthest.difference):.1e}, for "
        f'"{visible(trace.vocabulary[farthest.word])}" after "{_context(trace, farthest.position)}".'
    )


def _block(title: str, column: list[Comparison], digits: int) -> list[str]:
    """Return three columns below one title: as calculated, in float64 (as many digits as it has), the difference."""
    shown = Calculator(min(digits, _FLOAT64_DIGITS))
    parts = (
        (f"{digits} digits", aligned([format_number(one.calculator) for one in column])),
        ("float64", aligned([format_number(shown.round(Decimal(one.float64))) for one in column])),
        ("diff", [f"{one.difference:+.0e}" if one.difference else "0" for one in column]),
    )
    columns = []
    for header, numbers in parts:
        width = max(len(header), *map(len, numbers))
        columns.append([f"{line:>{width}}" for line in (header, *numbers)])
    lines = [" ".join(row) for row in zip(*columns, strict=True)]
    return [f"{title:^{len(lines[0])}}", *lines]
