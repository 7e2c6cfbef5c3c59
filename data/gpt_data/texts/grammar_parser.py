"""Whether a sentence follows the grammar, and in how many ways: by the table alone, without the generator.

For a category A and a place i in the words w₀ … wₙ₋₁ let N(A, i, j) be the number of ways in which A can become
wᵢ … wⱼ₋₁. An alternative X₁ … X_k can do it in as many ways as its parts can share the words out among themselves:

    N(A, i, j)                  = Σ over alternatives of N(X₁ … X_k, i, j)
    N(X₁ … X_k, i, j)           = Σₘ N(X₁, i, m) · N(X₂ … X_k, m, j)
    N(empty sequence, i, j)     = [i = j]
    N(word, i, j)               = [j = i + 1 and wᵢ = word]

Each (A, i) is worked out once, for all j together (a chart parser, top down). This ends for every table in which no
category begins with itself, directly or by way of others.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from gpt_data.texts.grammar_rules import RULES, START


def parses(sentence: str) -> bool:
    """Return whether the grammar allows the sentence: words between single spaces, nothing before or after them."""
    return derivations(sentence) > 0


def derivations(sentence: str) -> int:
    """Return in how many ways the grammar can make the sentence: 0 if it cannot, 1 if it has one reading."""
    words = sentence.split(" ")

    @cache
    def ends(symbol: str, start: int) -> Counter[int]:
        """Return for each place where the symbol, begun at ``start``, can end: in how many ways."""
        if symbol not in RULES:
            return Counter({start + 1: 1}) if start < len(words) and words[start] == symbol else Counter()
        found: Counter[int] = Counter()
        for _, symbols in RULES[symbol]:
            reached = Counter({start: 1})
            for part in symbols:
                further: Counter[int] = Counter()
                for place, ways in reached.items():
                    for end, more in ends(part, place).items():
                        further[end] += ways * more
                reached = further
            found.update(reached)
        return found

    return ends(START, 0)[len(words)]
