"""The corpus of sentences: a small English grammar speaks, one sentence a line.

A sentence's words stand between single spaces and a line break ends it. So after each word comes a token that says
whether the sentence goes on, after a space a word that the grammar allows, and after a line break a new beginning: no
token is mere decoration, and a reader finds the sentences again by their lines.
"""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from random import Random

from gpt_data.texts.complete import complete_pieces, share_right
from gpt_data.texts.grammar_parser import parses
from gpt_data.texts.grammar_rules import RULES, START

SENTENCES = 20_000
SEED = 42


def grammar_text(sentences: int = SENTENCES, seed: int = SEED) -> str:
    """Return sentences drawn independently, each followed by a line break; the same on every machine."""
    generator = Random(seed)
    return "".join(f"{' '.join(_written(START, generator))}\n" for _ in range(sentences))


def complete_sentences(text: str) -> list[str]:
    """Return what stands between the text's line breaks, in order: the first and the last fragment do not count."""
    return complete_pieces(text, "\n")


def share_grammatical(text: str) -> float:
    """Return the share, 0 to 1, of the text's complete sentences that the grammar allows.

    Raises
    ------
    UserError
        If the text has no complete sentence.
    """
    return share_right(text, "\n", parses, "sentence with a line break")


def _written(symbol: str, generator: Random) -> list[str]:
    """Return the words that the symbol becomes: a word itself, a category by one of its alternatives."""
    if symbol not in RULES:
        return [symbol]
    ends = list(accumulate(weight for weight, _ in RULES[symbol]))
    # Only random() is promised to give the same numbers in every release of Python.
    _, chosen = RULES[symbol][bisect(ends, generator.random() * ends[-1])]
    return [word for part in chosen for word in _written(part, generator)]
