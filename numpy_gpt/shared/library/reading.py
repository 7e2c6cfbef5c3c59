"""What a model is asked about: a text, or one row of token ids."""

from __future__ import annotations

from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import describe
from numpy_gpt.shared.cli.tokens import read_text
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.token_checks import check_sequence

_WHAT = "a text or a row of ids"


class Reading(NamedTuple):
    """A text and its ids (T,)."""

    text: str
    tokens: Tokens


def read(tokenizer: Tokenizer, given: Any) -> Reading:
    """Return the text and the ids of either of them.

    Raises
    ------
    UserError
        If it is neither, is empty, or contains anything outside the vocabulary.
    """
    if isinstance(given, str):
        text = read_text(tokenizer, given, "the text")
        return Reading(text, tokenizer.encode(text))
    if isinstance(given, list | tuple) and any(isinstance(word, str) for word in given):
        raise UserError(f"give one text, without brackets, not a {type(given).__name__} of texts: {describe(given)}")
    tokens = check_sequence(given, tokenizer.vocab_size, _WHAT)
    return Reading(tokenizer.decode(tokens), tokens)
