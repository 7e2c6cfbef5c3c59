"""Where a sample ends: before a text of any length, which may begin and end inside a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import describe
from numpy_gpt.shared.cli.tokens import encode_flag, read_text
from numpy_gpt.shared.model.sampling_choice import Draw


class Written(NamedTuple):
    """A drawn token, and what is written after it: its text, but only the part before the stop if that begins in it.

    Bytes that are not yet a character are written with the token that completes it; those that are left at the end come
    last, without a token.
    """

    draw: Draw | None
    text: str


def written_before(
    stop: str | None, tokenizer: Tokenizer, prompt: Sequence[int], draws: Iterable[Draw]
) -> Iterator[Written]:
    """Yield the draws that follow a prompt, and their texts, until ``stop`` occurs in the text that they form.

    The stop is not written: a token is held back while the text so far could be its beginning.
    """
    stream = tokenizer.stream()
    for token in prompt:
        stream.add(token)
    held: list[Written] = []
    text = ""  # that of the tokens held back
    for draw in chain[Draw | None](draws, [None]):
        piece = stream.finish() if draw is None else stream.add(draw.token)
        if draw is not None or piece:
            held.append(Written(draw, piece))
            text += piece
        if stop is not None and (end := text.find(stop)) >= 0:
            yield from _cut(held, end)
            return
        open_end = _longest_beginning(stop, text)
        while held and len(text) - len(held[0].text) >= open_end:
            text = text[len(held[0].text) :]
            yield held.pop(0)
    yield from held


def read_stop(tokenizer: Tokenizer, text: Any, name: str) -> str:
    """Return the text that ends a sample, in the vocabulary's case; errors call it ``name``.

    Raises
    ------
    UserError
        If it is not a text, is empty, or cannot occur, because no tokens of the vocabulary can form it.
    """
    if not isinstance(text, str):
        raise UserError(f"{name} must be a text, not {describe(text)}")
    stop = read_text(tokenizer, text, name)
    if not stop or not _can_occur(stop, tokenizer.vocabulary):
        encode_flag(tokenizer, stop, name)  # says what is wrong with it
    return stop


def _longest_beginning(stop: str | None, text: str) -> int:
    """Return the length of the longest end of the text that is a beginning of ``stop``."""
    most = 0 if stop is None else min(len(stop) - 1, len(text))
    return next((length for length in range(most, 0, -1) if stop and text.endswith(stop[:length])), 0)


def _cut(held: Sequence[Written], length: int) -> Iterator[Written]:
    """Yield the tokens in which the first ``length`` characters are, and no other character."""
    for draw, text in held:
        if length <= 0:
            return
        yield Written(draw, text[:length])
        length -= len(text)


def _can_occur(text: str, vocabulary: Sequence[str]) -> bool:
    """Return whether the text is part of some sequence of tokens."""
    ends = {0}  # of a token: an end of one, then whole ones
    for token in vocabulary:
        if text in token:
            return True
        ends.update(size for size in range(1, min(len(token), len(text)) + 1) if token.endswith(text[:size]))
    longest = max(map(len, vocabulary))
    known = set(vocabulary)
    for start in range(len(text)):
        if start in ends:
            stops = range(start + 1, min(start + longest, len(text)) + 1)
            ends.update(stop for stop in stops if text[start:stop] in known)
    return any(token.startswith(text[start:]) for start in ends for token in vocabulary)
