"""The character tokenizer: one token per character, lossless; an unknown character is an error.

A character is a Unicode code point: an accent written as a separate mark is a separate token. Texts are mapped with
tables indexed by code point, one slice at a time, so that intermediate arrays stay in the CPU's cache.
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
from gpt_data.tokens.token_text import TextStream, TokenStream
from gpt_data.tokens.tokenizer import number_tokens, require_text
from gpt_data.wording import count_of, list_names, quote, short_repr

_SLICE = 1 << 17  # characters mapped at a time
_PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"}  # typographic characters: keyboard equivalents


@dataclass(frozen=True)
class CharacterTokenizer:
    """A vocabulary of single characters; a token's id is its index in it.

    ``decode(encode(text)) == text`` for every text whose characters are all in the vocabulary.

    Raises
    ------
    UserError
        If the vocabulary is empty, or an entry is not a single character or a duplicate.
    """

    vocabulary: tuple[str, ...]
    _points: npt.NDArray[np.uint32] = field(init=False, repr=False, compare=False)
    _ids: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        number_tokens(self.vocabulary, lambda token: len(token) == 1, "a single character")
        points = _code_points("".join(self.vocabulary))
        # The id of each code point, or −1; the last entry stands for all larger code points.
        ids = np.full(int(points.max()) + 2, -1, dtype=np.int64)
        ids[points] = np.arange(points.size)
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "_points", points)
        object.__setattr__(self, "_ids", ids)

    def __repr__(self) -> str:
        return short_repr(f"CharacterTokenizer of {count_of(self.vocab_size, 'token')}")

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""
        return len(self.vocabulary)

    @classmethod
    def from_text(cls, text: str) -> CharacterTokenizer:
        """Return the tokenizer whose vocabulary is the sorted list of the text's characters.

        Raises
        ------
        UserError
            If the text is empty.
        """
        return cls(survey_characters([require_text(text)])[0])

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T characters.

        Raises
        ------
        UserError
            If the text is empty or contains a character outside the vocabulary; the message gives the character and its
            position.
        """
        ids = np.empty(len(require_text(text)), dtype=np.int64)
        start = 0
        for points in _code_point_slices(text):
            found = ids[start : start + points.size]
            self._ids.take(points, out=found, mode="clip")
            if found.min() < 0:
                raise UserError(self._unknown_message(text, start + int(found.argmin())))
            start += points.size
        return ids

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,).

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        indices = ids_in_vocabulary(ids, self.vocab_size)
        parts = (indices[start : start + _SLICE].astype(np.intp) for start in range(0, indices.size, _SLICE))
        return "".join(self._points[part].tobytes().decode("utf-32-le", "surrogatepass") for part in parts)

    def stream(self) -> TextStream:
        """Return what turns sampled ids into text, one by one."""
        return TokenStream(self.vocabulary)

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, for meta.json and checkpoints."""
        return {"kind": "characters", "vocabulary": list(self.vocabulary)}

    def _unknown_message(self, text: str, index: int) -> str:
        near = next((letter for letter in _similar_characters(text, index) if letter in self.vocabulary), None)
        hint = f"; did you mean {quote(near)}?" if near else ";"
        return (
            f"unknown character {quote(text[index])} (character {index + 1}){hint} "
            f"the vocabulary has {self.vocab_size} tokens: {list_names(self.vocabulary)}"
        )


def survey_characters(pieces: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """Return the characters of a text in pieces, sorted by code point, and the number of its tokens."""
    seen = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    count = 0
    for piece in pieces:
        count += len(piece)
        for points in _code_point_slices(piece):
            if not seen.take(points, mode="clip").all():  # usually all are, and checking is faster than setting
                seen[points] = True
    return tuple(map(chr, np.flatnonzero(seen).tolist())), count


def _code_point_slices(text: str) -> Iterator[npt.NDArray[np.uint32]]:
    return (_code_points(text[start : start + _SLICE]) for start in range(0, len(text), _SLICE))


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    # No file contains half a surrogate pair, but a Python string can.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _similar_characters(text: str, index: int) -> Iterator[str]:
    """Yield what the author may have meant: other case, a composed accent, no accent, the keyboard's equivalent."""
    letter = text[index]
    yield from (letter.lower(), letter.upper())
    yield unicodedata.normalize("NFC", text[max(index - 1, 0) : index + 1])
    yield unicodedata.normalize("NFKD", letter)[0]
    yield _PLAIN.get(letter, letter)
