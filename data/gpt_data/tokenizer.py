"""The word tokenizer: words and single spaces, nothing lost, nothing unknown passed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary
from gpt_data.errors import UserError
from gpt_data.wording import listed, shown, suggestion

KIND = "words"
# Only the space separates: a tab or a line break belongs to its word, so that nothing is lost in joining.
_TOKEN = re.compile("[^ ]+| ")


@dataclass(frozen=True)
class WordTokenizer:
    """A vocabulary of words and the single space; a token's id is its place in it.

    ``decode(encode(text)) == text`` for every text whose tokens are all in the vocabulary.

    Raises
    ------
    UserError
        If the vocabulary is empty, or an entry is no string, no token (``"a b"``, ``""``) or comes twice.
    """

    vocabulary: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.vocabulary, tuple | list) or not self.vocabulary:
            raise UserError(f"a vocabulary must be a list of at least one token, not {self.vocabulary!r:.60}")
        ids: dict[str, int] = {}
        for place, token in enumerate(self.vocabulary):
            if not isinstance(token, str):
                raise UserError(f"vocabulary entries must be strings; entry {place} is {token!r:.60}")
            if not _TOKEN.fullmatch(token):
                raise UserError(
                    f"vocabulary entry {place}, {shown(token)}, is no token: "
                    "a token is one space, or a word of at least one character without spaces"
                )
            if token in ids:
                raise UserError(f"vocabulary entry {shown(token)} comes twice, at {ids[token]} and {place}; keep one")
            ids[token] = place
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "_ids", ids)

    @property
    def vocab_size(self) -> int:
        """V, how many tokens the vocabulary has."""
        return len(self.vocabulary)

    @classmethod
    def from_text(cls, text: str) -> WordTokenizer:
        """Return the tokenizer whose vocabulary is the sorted list of the text's tokens.

        Raises
        ------
        UserError
            If the text is empty.
        """
        return cls(tuple(sorted(set(_split(text)))))

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens.

        Raises
        ------
        UserError
            If the text is empty or holds a token outside the vocabulary; the message names it and its place.
        """
        tokens = _split(text)
        try:
            return np.fromiter(map(self._ids.__getitem__, tokens), dtype=np.int64, count=len(tokens))
        except KeyError:
            raise UserError(self._unknown(tokens)) from None

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,).

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        return "".join(self.vocabulary[place] for place in ids_in_vocabulary(ids, self.vocab_size).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return what meta.json keeps of the tokenizer."""
        return {"kind": KIND, "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_dict(cls, values: object) -> WordTokenizer:
        """Return the tokenizer that ``to_dict`` wrote.

        Raises
        ------
        UserError
            If it is of another kind or its vocabulary is not one.
        """
        if not isinstance(values, Mapping) or set(values) != {"kind", "vocabulary"} or values["kind"] != KIND:
            raise UserError(f'a tokenizer must be {{"kind": "{KIND}", "vocabulary": […]}}, not {values!r:.60}')
        return cls(values["vocabulary"])

    def _unknown(self, tokens: list[str]) -> str:
        place = next(place for place, token in enumerate(tokens) if token not in self._ids)
        token, before = tokens[place], tokens[:place]
        words = sum(other != " " for other in before)
        character = sum(map(len, before)) + 1
        where = (
            f"after word {words}, character {character}" if token == " " else f"word {words + 1}, character {character}"
        )
        what = "space" if token == " " else f"word {shown(token)}"
        return (
            f"unknown {what} ({where}){suggestion(token, self.vocabulary) or ';'} "
            f"the vocabulary has {self.vocab_size} tokens: {listed(self.vocabulary)}"
        )


def _split(text: str) -> list[str]:
    if not text:
        raise UserError("text must hold at least one token; an empty one came; give at least a word")
    return _TOKEN.findall(text)
