"""How unpredictable the text of ``grammar`` is: the exact entropy rate of the process that generates it.

Sentences are independent and each has exactly one derivation, so a sentence determines every choice that formed it. A
category's entropy H is that of its choice plus that of the parts it leads to; its expected number of words E follows
the same recursion:

    H(A) = Σ pᵢ·(−ln pᵢ + Σ over the parts X of alternative i of H(X)),     H(word) = 0
    E(A) = Σ pᵢ·Σ over the parts X of alternative i of E(X),                E(word) = 1

Each word is one token, and so is the space or line break after it. Hence the rate is H(UTTERANCE) / (2·E(UTTERANCE)).
Source: Cover and Thomas (2006), Elements of Information Theory, chapters 2 (chain rule) and 4 (rate of a process).
"""

from __future__ import annotations

import math
from functools import cache

from gpt_data.texts.grammar import RULES, START


def entropy_rate() -> float:
    """Return the process's entropy in nats per token, for a reader who sees the text from its beginning.

    It is not a floor for windows (that is ``gpt_data.floors.loss_floor``): a reader who sees only a window does not
    know how its first sentence began, and has a higher expected loss. It is also an expectation: on a finite text
    the loss of the process itself is a little higher or lower.
    """
    entropy, words = _entropy_and_words(START)
    return entropy / (2 * words)


@cache
def _entropy_and_words(symbol: str) -> tuple[float, float]:
    """Return H, in nats, and E of a word or category."""
    if symbol not in RULES:
        return 0.0, 1.0
    total = sum(weight for weight, _ in RULES[symbol])
    entropy = words = 0.0
    for weight, symbols in RULES[symbol]:
        share, parts = weight / total, [_entropy_and_words(part) for part in symbols]
        entropy += share * (sum(part[0] for part in parts) - math.log(share))
        words += share * sum(part[1] for part in parts)
    return entropy, words
