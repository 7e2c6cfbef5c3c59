"""What a reader calls the places of a tensor: positions and words by name, everything else by number."""

from __future__ import annotations

from collections.abc import Sequence

from gpt_data.wording import make_visible
from handcalc.tracing.working import Trace


def visible_word(trace: Trace, token: int) -> str:
    """Return a word of the vocabulary by its id, so that it can be seen."""
    return make_visible(trace.vocabulary[token])


def visible_text(trace: Trace, stop: int) -> str:
    """Return the words before position ``stop`` as a text whose last space can be seen."""
    *before, last = (trace.vocabulary[token] for token in trace.tokens[:stop])
    text = "".join(" " if word == " " else make_visible(word) for word in before)
    return f"{text} {make_visible(last)}" if last == " " and before else text + make_visible(last)


def axis_labels(trace: Trace, letter: str, places: Sequence[int]) -> list[str]:
    """Return the label of each place along the axis of this index letter: its number, and its word if it has one."""
    words = {"t": trace.tokens, "s": trace.tokens, "v": range(trace.sizes.v)}.get(letter)
    if words is None:
        return padded(places)
    numbers = zip(padded(places), places, strict=True)
    return [f"{number} {make_visible(trace.vocabulary[words[place]])}" for number, place in numbers]


def padded(places: Sequence[int]) -> list[str]:
    """Return numbers as text, their units below one another."""
    width = len(str(max(places)))
    return [f"{place:>{width}}" for place in places]
