"""What both tokenizers ask of a vocabulary: a list of tokens, each one once."""

from __future__ import annotations

from collections.abc import Callable

from gpt_data.errors import UserError
from gpt_data.wording import quote


def numbered(vocabulary: object, is_token: Callable[[str], object], definition: str) -> dict[str, int]:
    """Return each token's place in the vocabulary, which is its id; ``definition`` says what ``is_token`` accepts.

    Raises
    ------
    UserError
        If the vocabulary is no list or empty, or an entry is no string, no token or comes twice.
    """
    if not isinstance(vocabulary, tuple | list) or not vocabulary:
        raise UserError(f"a vocabulary must be a list of at least one token, not {vocabulary!r:.60}")
    ids: dict[str, int] = {}
    for place, token in enumerate(vocabulary):
        if not isinstance(token, str):
            raise UserError(f"vocabulary entries must be strings; entry {place} is {token!r:.60}")
        if not is_token(token):
            raise UserError(f"vocabulary entry {place}, {quote(token)}, is no token: a token is {definition}")
        if token in ids:
            raise UserError(f"vocabulary entry {quote(token)} comes twice, at {ids[token]} and {place}; keep one")
        ids[token] = place
    return ids


def some_text(text: str) -> str:
    """Return the text.

    Raises
    ------
    UserError
        If it is empty.
    """
    if not text:
        raise UserError("text must hold at least one token; an empty one came; give at least a character")
    return text
