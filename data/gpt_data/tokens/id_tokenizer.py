"""Bare ids: the vocabulary of a model or a token file is not known, so a text is written as its ids, "15496 995"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_data.checks import ids_in_vocabulary, whole_number
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import TextStream, TokenStream
from gpt_data.tokens.tokenizer import require_text
from gpt_data.wording import quote

LARGEST_VOCABULARY = 1 << 24
"""Far more than any vocabulary has; each id has a row in the model, and a text in memory."""
_ID = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class IdTokenizer:
    """The ids 0 … V − 1, each of which is its own text; between two is a space.

    Raises
    ------
    UserError
        If V is not a whole number from 1 to 16,777,216.
    """

    vocab_size: int

    def __post_init__(self) -> None:
        if whole_number("vocab_size", self.vocab_size, 1) > LARGEST_VOCABULARY:
            raise UserError(f"vocab_size must be at most {LARGEST_VOCABULARY:,}, not {self.vocab_size:,}")

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every id as text."""
        return tuple(map(str, range(self.vocab_size)))

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) that the text lists, separated by white space.

        Raises
        ------
        UserError
            If the text is empty, or has anything other than ids in 0 … V − 1.
        """
        words = require_text(text).split()
        for place, word in enumerate(words, start=1):
            if not _ID.fullmatch(word) or int(word) >= self.vocab_size:
                raise UserError(
                    f"word {place}, {quote(word)}, must be an id in 0 … {self.vocab_size - 1}: the tokens of this "
                    "vocabulary are not known, so a text is its ids, separated by spaces"
                )
        if not words:
            raise UserError(f"a text must have at least one id in 0 … {self.vocab_size - 1}, and has only white space")
        return np.array([int(word) for word in words], dtype=np.int64)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the ids (T,) as text.

        Raises
        ------
        UserError
            If the ids are not one row of integers in 0 … V − 1.
        """
        return " ".join(map(str, ids_in_vocabulary(ids, self.vocab_size).tolist()))

    def stream(self) -> TextStream:
        """Return what turns sampled ids into text, one by one."""
        return TokenStream(self.vocabulary, " ")

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, for meta.json and checkpoints."""
        return {"kind": "ids", "vocab_size": self.vocab_size}
