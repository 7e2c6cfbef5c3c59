"""The corpus ``grammar``: sentences of a small English grammar, one per line. The grammar is a table.

In the table a name in capitals is a category and everything else is a word. The category's alternatives follow ``=``. A
number before an alternative is its weight (1 if there is none): the generator takes each alternative with probability
weight / sum of weights. The parser (``grammar_parser``) shares the table with the generator, and nothing else.

The table describes this part of English:

- Agreement. The cat chases, the cats chase; nouns joined by *and* are plural, even if each is singular: the cat and the
  dog chase, cats and dogs are friends.
- *a* precedes a singular, *the* a singular or a plural, and a plural needs no article.
- A colour comes directly before its noun, after any other adjective: the quick brown fox.
- A verb has an object (chases the bird) or none (sleeps), or is *is* or *are* with an adjective or a noun.
- A noun phrase may be an utterance, like the caption of a picture: the quick brown fox.
- *and* joins nouns, *but* and *while* join clauses. If *and* joined clauses too, "the cat sees the dog and mice and
  birds sleep" would have two readings; this way, each sentence of the table has exactly one.

No category leads back to itself, so the number of sentences is finite. The longest have 15 words.

In the text, single spaces separate a sentence's words and a line break ends it. So the token after each word says
whether the sentence continues, the token after a space is a word that the grammar allows, and a new sentence follows a
line break: every token carries information, and each line is a sentence.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from random import Random

# The alternatives of each category, in order: a weight, and a sequence of words and categories.
Rules = Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]]

SENTENCES = 20_000
SEED = 42
START = "UTTERANCE"
TABLE = """
UTTERANCE      = 9 SENTENCE | 4 CLAUSE JOINT CLAUSE | 2 ONE | 1 MANY
SENTENCE       = 4 ONE DOES | 3 MANY DO
CLAUSE         = 3 SHORT_ONE SHORT_DOES | 2 SHORT_MANY SHORT_DO
JOINT          = 2 but | 1 while

ONE            = 6 SHORT_ONE | 1 ARTICLE ADJECTIVE COLOUR ANIMAL
SHORT_ONE      = 4 ARTICLE ANIMAL | 2 ARTICLE ADJECTIVE ANIMAL | 1 ARTICLE COLOUR ANIMAL
ARTICLE        = 2 the | 1 a

MANY           = 6 SHORT_MANY | 1 the ADJECTIVE COLOUR ANIMALS | 1 ADJECTIVE COLOUR ANIMALS | 4 SHORT and SHORT
SHORT_MANY     = 2 the SHORT_ANIMALS | 3 SHORT_ANIMALS
SHORT_ANIMALS  = 4 ANIMALS | 2 ADJECTIVE ANIMALS | 1 COLOUR ANIMALS
SHORT          = SHORT_ONE | SHORT_MANY

DOES           = 5 CHASES OBJECT | 2 SLEEPS | 1 is ADJECTIVE | 1 is COLOUR | 1 is a ROLE | 1 is a ADJECTIVE ROLE
DO             = 5 CHASE OBJECT | 2 SLEEP | 1 are ADJECTIVE | 1 are COLOUR | 1 are ROLES | 1 are ADJECTIVE ROLES
OBJECT         = 3 ONE | 2 MANY
SHORT_DOES     = 4 CHASES SHORT | 3 SLEEPS | 1 is ADJECTIVE | 1 is COLOUR
SHORT_DO       = 4 CHASE SHORT | 3 SLEEP | 1 are ADJECTIVE | 1 are COLOUR

ADJECTIVE      = quick | lazy | small | big | happy | hungry
COLOUR         = brown | black | white
ANIMAL         = cat | dog | bird | fox | mouse | horse | rabbit
ANIMALS        = cats | dogs | birds | foxes | mice | horses | rabbits
ROLE           = friend | hunter
ROLES          = friends | hunters
CHASES         = chases | sees | likes | follows | watches
CHASE          = chase | see | like | follow | watch
SLEEPS         = sleeps | runs | plays | jumps
SLEEP          = sleep | run | play | jump
"""


def _parse_table(table: str) -> Rules:
    rules = {}
    for line in filter(None, table.splitlines()):
        category, _, alternatives = line.partition("=")
        rules[category.strip()] = tuple(_parse_alternative(text.split()) for text in alternatives.split("|"))
    return rules


def _parse_alternative(parts: list[str]) -> tuple[int, tuple[str, ...]]:
    weight, symbols = (int(parts[0]), parts[1:]) if parts[0].isdigit() else (1, parts)
    return weight, tuple(symbols)


RULES = _parse_table(TABLE)


def grammar_text(sentences: int = SENTENCES, seed: int = SEED) -> str:
    """Return sentences drawn independently, each followed by a line break; the same on every machine."""
    generator = Random(seed)
    return "".join(f"{' '.join(_expand(START, generator))}\n" for _ in range(sentences))


def _expand(symbol: str, generator: Random) -> list[str]:
    """Return the words of the symbol: a word itself, or one drawn alternative of a category, expanded."""
    if symbol not in RULES:
        return [symbol]
    ends = list(accumulate(weight for weight, _ in RULES[symbol]))
    # Only random() is guaranteed to give the same numbers in every release of Python.
    _, chosen = RULES[symbol][bisect(ends, generator.random() * ends[-1])]
    return [word for part in chosen for word in _expand(part, generator)]
