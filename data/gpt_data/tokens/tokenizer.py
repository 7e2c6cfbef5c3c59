"""What every tokenizer can do, and the one way from meta.json or a checkpoint back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer

KINDS: dict[str, type[CharacterTokenizer] | type[WordTokenizer]] = {
    "characters": CharacterTokenizer,
    "words": WordTokenizer,
}


class Tokenizer(Protocol):
    """Text to ids and back, nothing lost: ``decode(encode(text)) == text``; a token's id is its place."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token as text."""

    @property
    def vocab_size(self) -> int:
        """V, how many tokens the vocabulary has."""

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens."""

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,)."""

    def to_dict(self) -> dict[str, Any]:
        """Return what meta.json keeps of the tokenizer."""


def tokenizer_from_dict(values: object) -> Tokenizer:
    """Return the tokenizer that its ``to_dict`` wrote.

    Raises
    ------
    UserError
        If it is of no known kind or its vocabulary is not one.
    """
    if isinstance(values, Mapping) and set(values) == {"kind", "vocabulary"}:
        kind = values["kind"]
        if isinstance(kind, str) and kind in KINDS:  # a list, say, could not even be looked up
            return KINDS[kind](values["vocabulary"])
    kinds = " or ".join(map(repr, KINDS))
    raise UserError(f'a tokenizer must be {{"kind": {kinds}, "vocabulary": […]}}, not {values!r:.60}')
