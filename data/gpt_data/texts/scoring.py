"""The share of a generated text that is right: words that are in ``words``, or sentences that ``grammar`` allows.

Only complete pieces, with a separator on both sides, count: sampling may begin and end inside a piece.
"""

from __future__ import annotations

from collections.abc import Callable

from gpt_data.errors import UserError
from gpt_data.texts.grammar_parser import is_grammatical
from gpt_data.texts.words import WORDS
from gpt_data.wording import quote


def complete_words(text: str) -> list[str]:
    """Return the text's complete words, in order, without the fragments at its two ends.

    Two consecutive blanks enclose the empty word, which is not on the list.
    """
    return _complete_pieces(text, " ")


def share_in_list(text: str) -> float:
    """Return the share, 0 to 1, of the text's complete words that are on the list.

    Raises
    ------
    UserError
        If the text has no complete word.
    """
    return _share_right(text, " ", frozenset(WORDS).__contains__, "word with a blank")


def complete_sentences(text: str) -> list[str]:
    """Return the text's complete sentences, in order, without the fragments at its two ends."""
    return _complete_pieces(text, "\n")


def share_grammatical(text: str) -> float:
    """Return the share, 0 to 1, of the text's complete sentences that the grammar allows.

    Raises
    ------
    UserError
        If the text has no complete sentence.
    """
    return _share_right(text, "\n", is_grammatical, "sentence with a line break")


def _complete_pieces(text: str, separator: str) -> list[str]:
    return text.split(separator)[1:-1]


def _share_right(text: str, separator: str, is_right: Callable[[str], bool], what: str) -> float:
    pieces = _complete_pieces(text, separator)
    if not pieces:
        raise UserError(f"text must contain at least one {what} on both sides, not {quote(text)}; sample more tokens")
    return sum(map(is_right, pieces)) / len(pieces)
