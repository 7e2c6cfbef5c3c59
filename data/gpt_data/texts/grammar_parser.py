"""Whether the grammar allows a sentence, and in how many ways: from the table alone, independent of the generator.

For a category A and a position i in the words w₀ … wₙ₋₁ let N(A, i, j) be the number of ways in which A can expand to
wᵢ … wⱼ₋₁. For an alternative X₁ … X_k it is the number of ways to divide these words among its parts:

    N(A, i, j)                  = Σ over alternatives of N(X₁ … X_k, i, j)
    N(X₁ … X_k, i, j)           = Σₘ N(X₁, i, m) · N(X₂ … X_k, m, j)
    N(empty sequence, i, j)     = [i = j]
    N(word, i, j)               = [j = i + 1 and wᵢ = word]

Each (A, i) is computed once, for all j together (a top-down chart parser). This terminates for every table in which no
category begins with itself, directly or through others.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from gpt_data.texts.grammar import RULES, START


def is_grammatical(sentence: str) -> bool:
    """Return whether the grammar allows the sentence: words between single spaces, nothing before or after them."""
    return derivations(sentence) > 0


def derivations(sentence: str) -> int:
    """Return the number of ways in which the grammar can form the sentence: 0 if it cannot, 1 if it has one reading."""
    words = sentence.split(" ")

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

    return ends(START, 0)[len(words)]
