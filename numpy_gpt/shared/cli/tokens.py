"""Tokens in output and in flags: their text, quoted with invisible characters escaped, and their ids."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from gpt_data.tokens.token_text import token_text
from gpt_data.tokens.tokenizer import Tokenizer, match_case
from gpt_data.wording import quote
from numpy_gpt.shared.model.arrays import Array

_NARROWEST, _WIDEST = 7, 16  # columns for a token: "sampled" fits, and longer tokens push the rest aside


def quote_token(tokenizer: Tokenizer, token: int) -> str:
    """Return the token in quotes, on one line; a very long token is truncated."""
    return quote(token_text(tokenizer, token), 40)


def token_width(tokenizer: Tokenizer, vocab_size: int) -> int:
    """Return the width of a table's token column; ``vocab_size`` is the model's, which may be padded."""
    longest = max(len(quote_token(tokenizer, token)) for token in range(vocab_size))
    return min(max(longest, _NARROWEST), _WIDEST)


def likeliest(probabilities: Array, count: int | None) -> list[int]:
    """Return the ids of the ``count`` likeliest tokens of (V,), or of all; equally likely ones in order of id.

    The first is the argmax.
    """
    return [int(token) for token in np.argsort(-probabilities, kind="stable")[:count]]


def read_text(tokenizer: Tokenizer, text: str, what: str) -> str:
    """Return a text for the model: in lower case, with a note on stderr, if its vocabulary has only lower case."""
    matched = match_case(tokenizer, text)
    if matched != text:
        print_prose(f"note: the model knows only lower case, and reads {what} as {quote(matched)}", sys.stderr)
    return matched


def encode_flag(tokenizer: Tokenizer, text: str, flag: str) -> npt.NDArray[np.int64]:
    """Return the ids (T,) of a text that was given with this flag.

    Raises
    ------
    UserError
        If it is empty or contains a token outside the vocabulary.
    """
    try:
        return tokenizer.encode(text)
    except UserError as error:
        hint = "; a shell passes \\n as two characters: for a line break, type $'\\n'" if "\\n" in text else ""
        raise UserError(f"{flag}: {error}{hint}") from error


def single_token(tokenizer: Tokenizer, text: str, flag: str) -> int:
    """Return the id of a text that is one token.

    Raises
    ------
    UserError
        If it is not exactly one token.
    """
    text = read_text(tokenizer, text, flag)
    ids = encode_flag(tokenizer, text, flag)
    if len(ids) != 1:
        raise UserError(f"{flag} must be one token, but {quote(text)} is {len(ids)}; give one of the vocabulary")
    return int(ids[0])
