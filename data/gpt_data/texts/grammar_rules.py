"""A small English grammar, as data: the table that the generator writes by and the parser reads by.

A name in capitals is a category, everything else a word. After ``=`` stand the category's alternatives; a number before
one is its weight, 1 where there is none: with probability weight / sum of weights the generator takes it.

What the table says of English:

- Agreement. The cat chases, the cats chase; things joined by *and* are many, whatever each of them is: the cat and the
  dog chase, cats and dogs are friends.
- *a* stands before one thing, *the* before one or many, and many need no article.
- A colour stands next to its noun, after any other adjective: the quick brown fox.
- A verb has an object (chases the bird), or none (sleeps), or is *is* or *are* with an adjective or a noun.
- A noun phrase may stand alone, as one does under a picture: the quick brown fox.
- *and* joins things, *but* and *while* join clauses. If *and* joined clauses too, "the cat sees the dog and mice and
  birds sleep" would have two readings; as it is, each sentence of the table has exactly one.

No category leads back to itself, so the table makes finitely many sentences. The longest have 15 words.
"""

from __future__ import annotations

from collections.abc import Mapping

# Each category's alternatives, in order: a weight, and the words and categories that follow one another.
Rules = Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]]

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

ADJECTIVE      = quick | lazy | little | big | happy | hungry
COLOUR         = brown | black | white
ANIMAL         = cat | dog | bird | fox | mouse | horse | rabbit
ANIMALS        = cats | dogs | birds | foxes | mice | horses | rabbits
ROLE           = friend | hunter
ROLES          = friends | hunters
CHASES         = chases | sees | likes | follows | watches
CHASE          = chase | see | like | follow | watch
SLEEPS         = sleeps | runs | plays | rests
SLEEP          = sleep | run | play | rest
"""


def _read(table: str) -> Rules:
    rules = {}
    for line in filter(None, table.splitlines()):
        category, _, alternatives = line.partition("=")
        rules[category.strip()] = tuple(_alternative(text.split()) for text in alternatives.split("|"))
    return rules


def _alternative(parts: list[str]) -> tuple[int, tuple[str, ...]]:
    weight, symbols = (int(parts[0]), parts[1:]) if parts[0].isdigit() else (1, parts)
    return weight, tuple(symbols)


RULES = _read(TABLE)
