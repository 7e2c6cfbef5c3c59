"""The interface of a tokenizer, and the checks of text and vocabulary that all tokenizers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.tokens.token_text import TextStream
from gpt_data.wording import describe, quote


class Tokenizer(Protocol):
    """Text to ids and back: ``decode(encode(text)) == text``; a token's id is its index in the vocabulary.

    Tokens may be parts of characters: only ``decode`` and ``stream`` join them to text.
    """

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token as text by itself."""

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids (T,) of the text's T tokens."""

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of the ids (T,)."""

    def stream(self) -> TextStream:
        """Return what turns sampled ids into text, one by one; it knows ids without a token, too."""

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, for meta.json and checkpoints."""


def number_tokens(vocabulary: object, is_token: Callable[[str], object], definition: str) -> dict[str, int]:
    """Return the id of each token, its index in the vocabulary; ``definition`` describes what ``is_token`` accepts.

    Raises
    ------
    UserError
        If the vocabulary is not a list or empty, or an entry is not a string, not a token or a duplicate.
    """
    if not isinstance(vocabulary, tuple | list) or not vocabulary:
        raise UserError(f"a vocabulary must be a list of at least one token, not {describe(vocabulary)}")
    ids: dict[str, int] = {}
    for index, token in enumerate(vocabulary):
        if not isinstance(token, str):
            raise UserError(f"vocabulary entries must be strings; entry {index} is {describe(token)}")
        if not is_token(token):
            raise UserError(f"vocabulary entry {index}, {quote(token)}, is not a token: a token is {definition}")
        if token in ids:
            raise UserError(f"vocabulary entry {quote(token)} occurs twice, at {ids[token]} and {index}; keep one")
        ids[token] = index
    return ids


def match_case(tokenizer: Tokenizer, text: str) -> str:
    """Return the text in lower case if the vocabulary has lower-case letters only, otherwise unchanged.

    The corpus was then in lower case, and no text with an upper-case letter can be encoded as it is.
    """
    known = "".join(tokenizer.vocabulary)
    return text.lower() if known == known.lower() != known.upper() else text


def require_text(text: str) -> str:
    """Return the text unchanged, after checking that it is not empty.

    Raises
    ------
    UserError
        If it is empty.
    """
    if not text:
        raise UserError("text must not be empty; give at least one character")
    return text
