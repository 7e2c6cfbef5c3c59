"""Sampled tokens as text, one by one: what each adds, and how an id without a token is shown."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol


class TextStream(Protocol):
    """The text of tokens as they come; all that it returns, joined, is the text of all of them."""

    def add(self, token: int) -> str:
        """Return what the token with this id adds to the text, which may be nothing yet."""

    def finish(self) -> str:
        """Return what is left when no more tokens come."""


def padding_text(token: int) -> str:
    """Return how an id is shown that has no token: a model's vocabulary may be padded with rows for such ids."""
    return f"<|{token}|>"


class TokenStream:
    """Tokens that are whole texts, with a separator between two of them."""

    def __init__(self, vocabulary: Sequence[str], separator: str = "") -> None:
        self._vocabulary, self._separator, self._before = vocabulary, separator, ""

    def add(self, token: int) -> str:
        """Return the text of the token."""
        text = self._vocabulary[token] if token < len(self._vocabulary) else padding_text(token)
        before, self._before = self._before, self._separator
        return before + text

    def finish(self) -> str:
        """Return nothing: every token was whole."""
        return ""


class ByteStream:
    """Tokens that are bytes of UTF-8: a character is returned with its last byte, what is no UTF-8 as U+FFFD."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens, self._decoder = tokens, codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """Return the characters that the token completes."""
        if token >= len(self._tokens):
            return self.finish() + padding_text(token)
        return self._decoder.decode(self._tokens[token])

    def finish(self) -> str:
        """Return U+FFFD if the last character is incomplete, otherwise nothing."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
