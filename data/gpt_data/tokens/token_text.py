"""Tokens as text: one by one, as a vocabulary, and as they are sampled; also ids that have no token."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gpt_data.tokens.tokenizer import Tokenizer


class TextStream(Protocol):
    """The text of tokens as they come; all that it returns, joined, is the text of all of them."""

    def add(self, token: int) -> str:
        """Return what the token with this id adds to the text, which may be nothing yet."""

    def finish(self) -> str:
        """Return what is left when no more tokens come."""


def token_text(tokenizer: Tokenizer, token: int) -> str:
    """Return the text of a token by itself; a model's vocabulary may be padded with ids that have none."""
    return tokenizer.vocabulary[token] if token < tokenizer.vocab_size else _padding_text(token)


def padded_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> tuple[str, ...]:
    """Return the text of every id of a model with ``vocab_size`` ids."""
    padding = range(tokenizer.vocab_size, vocab_size)
    return (*tokenizer.vocabulary[:vocab_size], *map(_padding_text, padding))


def stream_text(tokenizer: Tokenizer, tokens: Iterable[int]) -> str:
    """Return the text of a prompt and what was sampled after it, as its stream writes it."""
    stream = tokenizer.stream()
    return "".join([*map(stream.add, tokens), stream.finish()])


def _padding_text(token: int) -> str:
    return f"<|{token}|>"


class TokenStream:
    """Tokens that are whole texts, with a separator between two of them."""

    def __init__(self, vocabulary: Sequence[str], separator: str = "") -> None:
        self._vocabulary, self._separator, self._before = vocabulary, separator, ""

    def add(self, token: int) -> str:
        """Return the text of the token."""
        text = self._vocabulary[token] if token < len(self._vocabulary) else _padding_text(token)
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
            return self.finish() + _padding_text(token)
        return self._decoder.decode(self._tokens[token])

    def finish(self) -> str:
        """Return U+FFFD if the last character is incomplete, otherwise nothing."""
        return self._decoder.decode(b"", final=True)
