"""Whether the grammar allows a sentence, and in how many ways: from the table alone, independent of the generator.

For a category A and a position i in the words w₀ … wₙ₋₁ let N(A, i, j) be the number of ways in which A can expand to
wᵢ … wⱼ₋₁. For an alternative X₁ … X_k it is the number of ways to divide these words among its parts:

    N(A, i, j)                  = Σ over alternatives of N(X₁ … X_k, i, j)
    N(X₁ … X_k, i, j)           = Σₘ N(X₁, i, m) · N(X₂ … X_k, m, j)
    N(empty sequence, i, j)     = [i = j]
    N(word, i, j)               = [j = i + 1 and wᵢ = word]

Each (A, i) is computed once, for all j together (a top-down chart parser). This terminates for every table in which no
category begins with itself, directly or through others. The same chart gives the sentence's tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from gpt_data.texts.grammar import RULES, START

_Ends = Callable[[str, int], Counter[int]]


class Node(NamedTuple):
    """A part of a sentence: the word or category, its words ``start`` … ``end`` − 1, and the parts of a category."""

    symbol: str
    start: int
    end: int
    parts: tuple[Node, ...]


def is_grammatical(sentence: str) -> bool:
    """Return whether the grammar allows the sentence: words between single spaces, nothing before or after them."""
    return derivations(sentence) > 0


def derivations(sentence: str) -> int:
    """Return the number of ways in which the grammar can form the sentence: 0 if it cannot, 1 if it has one reading."""
    words = sentence.split(" ")
    return _chart(words)(START, 0)[len(words)]


def parse(sentence: str) -> Node | None:
    """Return the sentence's tree, or None if the grammar does not allow it; of several readings, the first."""
    words = sentence.split(" ")
    ends = _chart(words)
    return _tree(ends, START, 0, len(words)) if len(words) in ends(START, 0) else None


def _chart(words: Sequence[str]) -> _Ends:
    @cache
    def ends(symbol: str, start: int) -> Counter[int]:
        """Return the positions where the symbol can end if it begins at ``start``, each with the number of ways."""
        if symbol not in RULES:
            return Counter({start + 1: 1}) if start < len(words) and words[start] == symbol else Counter()
        found: Counter[int] = Counter()
        for _, symbols in RULES[symbol]:
            reached = Counter({start: 1})
            for part in symbols:
                further: Counter[int] = Counter()
                for position, ways in reached.items():
                    for end, more in ends(part, position).items():
                        further[end] += ways * more
                reached = further
            found.update(reached)
        return found

    return ends


def _tree(ends: _Ends, symbol: str, start: int, end: int) -> Node:
    """Return the first tree of a symbol that can end there."""
    divisions = (_divide(ends, symbols, start, end) for _, symbols in RULES.get(symbol, ()))
    parts = next((parts for parts in divisions if parts is not None), ())
    return Node(symbol, start, end, tuple(_tree(ends, *part) for part in parts))


def _divide(ends: _Ends, symbols: Sequence[str], start: int, end: int) -> list[tuple[str, int, int]] | None:
    """Return each symbol with its words, the first way to divide them among the symbols, or None if there is none."""
    if not symbols:
        return [] if start == end else None
    for middle in ends(symbols[0], start):
        rest = _divide(ends, symbols[1:], middle, end)
        if rest is not None:
            return [(symbols[0], start, middle), *rest]
    return None
