"""What a model has written in full: pieces with a separator on both sides, and the share of them that is right."""

from __future__ import annotations

from collections.abc import Callable

from gpt_data.errors import UserError
from gpt_data.wording import quote


def complete_pieces(text: str, separator: str) -> list[str]:
    """Return what stands between the text's separators, in order: the first and the last fragment do not count."""
    return text.split(separator)[1:-1]


def share_right(text: str, separator: str, is_right: Callable[[str], bool], what: str) -> float:
    """Return the share, 0 to 1, of the text's complete pieces that are right; ``what`` says what one is.

    Raises
    ------
    UserError
        If the text has no complete piece.
    """
    pieces = complete_pieces(text, separator)
    if not pieces:
        raise UserError(f"text must hold at least one {what} on both sides; {quote(text)} came; sample more tokens")
    return sum(map(is_right, pieces)) / len(pieces)
