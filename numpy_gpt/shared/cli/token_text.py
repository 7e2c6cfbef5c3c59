"""How tokens are shown: in quotes, with what cannot be seen written out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import quote


def token_text(tokenizer: Tokenizer, token: int) -> str:
    """Return the token's text; a model's vocabulary may be padded with ids that stand for none."""
    return tokenizer.vocabulary[token] if token < tokenizer.vocab_size else f"<id {token}>"


def quoted(tokenizer: Tokenizer, token: int) -> str:
    """Return the token in quotes, on one line, and a very long one cut."""
    return quote(token_text(tokenizer, token), 40)


def counted(number: int, thing: str) -> str:
    """Return the number and what it counts: 1 token, 2 tokens."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def tokens_of(tokenizer: Tokenizer, text: str, flag: str) -> npt.NDArray[np.int64]:
    """Return the ids (T,) of a text that came by this flag.

    Raises
    ------
    UserError
        If it is empty or holds what is not in the vocabulary.
    """
    try:
        return tokenizer.encode(text)
    except UserError as error:
        raise UserError(f"{flag}: {error}") from error


def single_token(tokenizer: Tokenizer, text: str, flag: str) -> int:
    """Return the id of a text that is one token.

    Raises
    ------
    UserError
        If it is none, or several.
    """
    ids = tokens_of(tokenizer, text, flag)
    if len(ids) != 1:
        raise UserError(f"{flag} must be one token, but {quote(text)} is {len(ids)}; give one of the vocabulary")
    return int(ids[0])
