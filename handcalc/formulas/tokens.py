"""Formulas that depend on which word a token is: of a known token one cell, of an unknown one a choice."""

from __future__ import annotations

from collections.abc import Callable

from handcalc.arithmetic.expression import Expression
from handcalc.arithmetic.unknown import Choice, UnknownToken, Where

Token = int | UnknownToken
"""The id of a known token, or a token that is an input of a workbook."""


def cell_of_token(token: Token, words: int, cell: Callable[[int], Expression]) -> Expression:
    """Return ``cell(word)`` of the word that the token is, out of so many ``words``."""
    return cell(token) if isinstance(token, int) else Choice(tuple(map(cell, range(words))), token)


def terms_where(token: Token, word: int, term: Expression) -> tuple[Expression, ...]:
    """Return the term if the token is the word, and nothing if it is not; of an unknown token a term that decides."""
    if isinstance(token, int):
        return (term,) if token == word else ()
    return (Where(term, token, word),)
