"""Which words of a sentence of the corpus ``grammar`` belong together, from its tree.

Each relation leads from a word to an earlier one, because a causal model can look only backwards: when it reads an
article, the noun has not come yet. The conventions where English grammar leaves a choice:

- An article or adjective belongs to the noun that it precedes, also after *is* or *are* (is a happy friend). An
  adjective after *is* or *are* without a noun belongs to no noun here, because it follows its subject.
- A verb's subject is each noun of it: in *cats and dogs are friends*, *are* leads to *cats* and to *dogs*.
- Only the verbs that need one have an object; the noun after *is* or *are* is none. If the object is two nouns joined
  by *and*, each leads to the verb.
- A second conjunct is the noun after *and*; it leads to the noun before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from gpt_data.texts.grammar import RULES
from gpt_data.texts.grammar_parser import Node, parse

RELATIONS = {
    "noun_article": "a noun's article",
    "noun_adjective": "a noun's adjective",
    "verb_subject": "a verb's subject",
    "object_verb": "an object's verb",
    "second_first": "a second conjunct's first",
}
"""Each relation's name, and what it leads to."""

Pairs = dict[str, list[tuple[int, int]]]
"""By the name of the relation, the positions of a word and of the earlier one to which it leads."""

NOUNS = ("ANIMAL", "ANIMALS", "ROLE", "ROLES")
ADJECTIVES = ("ADJECTIVE", "COLOUR")
ARTICLES = ("ARTICLE", "the", "a")
PREDICATES = ("DOES", "DO", "SHORT_DOES", "SHORT_DO")
TRANSITIVE = ("CHASES", "CHASE")
VERBS = (*TRANSITIVE, "SLEEPS", "SLEEP", "is", "are")
WORDS = frozenset(part for choices in RULES.values() for _, parts in choices for part in parts) - set(RULES)
"""All words of the table."""


def words_of(symbols: Iterable[str]) -> frozenset[str]:
    """Return the words of these categories of single words; a word stands for itself."""
    return frozenset(parts[0] for symbol in symbols for _, parts in RULES.get(symbol, ((1, (symbol,)),)))


CLASSES = {
    "noun_article": words_of(ARTICLES),
    "noun_adjective": words_of(ADJECTIVES),
    "verb_subject": words_of(NOUNS),
    "object_verb": words_of(VERBS),
    "second_first": words_of(NOUNS),
}
"""By the name of the relation, all words of the class to which it leads."""


def is_grammar_text(vocabulary: Iterable[str]) -> bool:
    """Return whether a text with this vocabulary is like the corpus: exactly its words, the space and the break."""
    return set(vocabulary) == WORDS | {" ", "\n"}


def text_relations(tokens: Sequence[str]) -> Pairs:
    """Return the relations in a text as pairs of token positions; words, spaces and line breaks are tokens.

    A line break ends a sentence. What the grammar does not allow, such as most fragments at the ends of a text, has no
    relations.
    """
    breaks = [-1, *(place for place, token in enumerate(tokens) if token == "\n"), len(tokens)]
    found: Pairs = {name: [] for name in RELATIONS}
    for before, end in pairwise(breaks):
        start = before + 1
        for name, pairs in sentence_relations("".join(tokens[start:end])).items():
            found[name] += [(start + 2 * word, start + 2 * earlier) for word, earlier in pairs]
    return found


@lru_cache(maxsize=4096)
def sentence_relations(sentence: str) -> Pairs:
    """Return the relations in a sentence as pairs of word positions; none if the grammar does not allow it."""
    tree = parse(sentence)
    found: Pairs = {name: [] for name in RELATIONS}
    if tree is None:
        return found
    _add_modifiers(found, list(_classes(tree)))
    for node in _nodes(tree):
        if node.symbol in PREDICATES and node.parts[0].symbol in TRANSITIVE:
            found["object_verb"] += [(noun, node.start) for part in node.parts[1:] for noun in _nouns(part)]
        for before, after in pairwise(node.parts):
            if after.symbol in PREDICATES:
                found["verb_subject"] += [(after.start, noun) for noun in _nouns(before)]
        for first, joint, second in zip(node.parts, node.parts[1:], node.parts[2:], strict=False):
            if joint.symbol == "and":
                found["second_first"] += [(noun, earlier) for noun in _nouns(second) for earlier in _nouns(first)]
    return found


def _add_modifiers(found: Pairs, classes: Sequence[str]) -> None:
    """Add the articles and adjectives of each noun: all that directly precede it."""
    for noun in (place for place, symbol in enumerate(classes) if symbol in NOUNS):
        for place in range(noun - 1, -1, -1):
            if classes[place] in ARTICLES:
                found["noun_article"].append((noun, place))
            elif classes[place] in ADJECTIVES:
                found["noun_adjective"].append((noun, place))
            else:
                break


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _nodes(part)


def _nouns(node: Node) -> list[int]:
    return [part.start for part in _nodes(node) if part.symbol in NOUNS]


def _classes(node: Node) -> Iterator[str]:
    """Yield the class of each word: the category that it alone makes up, or the word itself if the table names it."""
    if len(node.parts) <= 1 and not any(part.parts for part in node.parts):
        yield node.symbol
    else:
        for part in node.parts:
            yield from _classes(part)
