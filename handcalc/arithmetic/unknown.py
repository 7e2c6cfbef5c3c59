"""Nodes for what a page knows and a workbook does not: its reader may still change the tokens and the step's number.

A page is about one text, so its trees refer to one cell for each token. In a workbook a tree must hold for any text.
Pages have none of these nodes, and cannot write them.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from handcalc.arithmetic.expression import Expression, Operation


class UnknownToken(NamedTuple):
    """The token at ``position`` of a text whose ids are inputs."""

    position: int


class Choice(Operation):
    """Of the parts, one for each word of the vocabulary, the one of ``token``."""

    __slots__ = ("token",)

    def __init__(self, parts: tuple[Expression, ...], token: UnknownToken) -> None:
        super().__init__(parts)
        self.token = token

    def _with(self, parts: tuple[Expression, ...]) -> Self:
        return type(self)(parts, self.token)


class Where(Operation):
    """Its one part where ``token`` is ``word``, else 0."""

    __slots__ = ("token", "word")

    def __init__(self, part: Expression, token: UnknownToken, word: int) -> None:
        super().__init__((part,))
        self.token = token
        self.word = word

    def _with(self, parts: tuple[Expression, ...]) -> Self:
        (part,) = parts
        return type(self)(part, self.token, self.word)


class Power(Operation):
    """The first part to the power of the second, a whole number."""

    __slots__ = ()
