"""The character tokenizer: one token a character, nothing lost, nothing unknown passed over.

A character is a Unicode code point: an accent that is written as a mark of its own is a token of its own. Texts are
read through tables over code points, a slice at a time, so that the arrays in between stay in the processor's cache.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.tokens.vocabulary import numbered, some_text
from gpt_data.wording import list_names, quote

_SLICE = 1 << 17  # characters looked up at a time
_PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"}  # signs that typesetting puts for a keyboard's


@dataclass(frozen=True)
class CharacterTokenizer:
    """A vocabulary of single characters; a token's id is its place in it.

    ``decode(encode(text)) == text`` for every text whose characters are all in the vocabulary.

    Raises
    ------
    UserError
        If the vocabulary is empty, or an entry is no single character or comes twice.
    """

    vocabulary: tuple[str, ...]
    _points: npt.NDArray[np.uint32] = field(init=False, repr=False, compare=False)
    _numbers: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbered(self.vocabulary, lambda token: len(token) == 1, "a single character")
        points = _code_points("".join(self.vocabulary))
        # The number of each code point, −1 where there is none; the entry after the last stands for all beyond.
        numbers = np.full(int(points.max()) + 2, -1, dtype=np.int64)
        numbers[points] = np.arange(points.size)
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "_points", points)
        object.__setattr__(self, "_numbers", numbers)

    @property
    def vocab_size(self) -> int:
        """V, how many tokens the vocabulary has."""
        return len(self.vocabulary)

    @classmethod
    def from_text(cls, text: str) -> CharacterTokenizer:
        """Return the tokenizer whose vocabulary is the sorted list of the text's characters.

        Raises
        ------
        UserError
            If the text is empty.
        """
        return cls(survey_characters([some_text(text)])[0])

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T characters.

        Raises
        ------
        UserError
            If the text is empty or holds a character outside the vocabulary; the message names it and its place.
        """
        ids = np.empty(len(some_text(text)), dtype=np.int64)
        start = 0
        for points in _slices(text):
            found = ids[start : start + points.size]
            self._numbers.take(points, out=found, mode="clip")
            if found.min() < 0:
                raise UserError(self._unknown(text, start + int(found.argmin())))
            start += points.size
        return ids

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,).

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        places = ids_in_vocabulary(ids, self.vocab_size)
        parts = (places[start : start + _SLICE].astype(np.intp) for start in range(0, places.size, _SLICE))
        return "".join(self._points[part].tobytes().decode("utf-32-le", "surrogatepass") for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """Return what meta.json keeps of the tokenizer."""
        return {"kind": "characters", "vocabulary": list(self.vocabulary)}

    def _unknown(self, text: str, place: int) -> str:
        near = next((letter for letter in _relatives(text, place) if letter in self.vocabulary), None)
        hint = f"; did you mean {quote(near)}?" if near else ";"
        return (
            f"unknown character {quote(text[place])} (character {place + 1}){hint} "
            f"the vocabulary has {self.vocab_size} tokens: {list_names(self.vocabulary)}"
        )


def survey_characters(pieces: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """Return the characters of a text that comes in pieces, sorted by code point, and how many tokens it has."""
    seen = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    count = 0
    for piece in pieces:
        count += len(piece)
        for points in _slices(piece):
            if not seen.take(points, mode="clip").all():  # nearly always all are: looking is faster than marking
                seen[points] = True
    return tuple(map(chr, np.flatnonzero(seen).tolist())), count


def _slices(text: str) -> Iterator[npt.NDArray[np.uint32]]:
    return (_code_points(text[start : start + _SLICE]) for start in range(0, len(text), _SLICE))


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    # Half a surrogate pair is no character of any file, but a Python string can hold one.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _relatives(text: str, place: int) -> Iterator[str]:
    """Yield what the writer may have meant: other case, one accented character, no accent, a keyboard's sign."""
    letter = text[place]
    yield from (letter.lower(), letter.upper())
    yield unicodedata.normalize("NFC", text[max(place - 1, 0) : place + 1])
    yield unicodedata.normalize("NFKD", letter)[0]
    yield _PLAIN.get(letter, letter)
