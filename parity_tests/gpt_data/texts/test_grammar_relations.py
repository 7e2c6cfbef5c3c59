"""The relations of a sentence: sentences that were parsed by hand, and what holds of every sentence."""

from __future__ import annotations

import re

import pytest

from gpt_data.texts.grammar import RULES, grammar_text
from gpt_data.texts.grammar_parser import Node, derivations, parse
from gpt_data.texts.grammar_relations import (
    ADJECTIVES,
    NOUNS,
    RELATIONS,
    TRANSITIVE,
    WORDS,
    is_grammar_text,
    sentence_relations,
    text_relations,
)

TOKEN = re.compile(r"\w+|\W")
BY_HAND = {  # each relation as "word>earlier word"; where a word occurs twice, it is followed by its place among all
    "the quick brown fox": {"noun_article": "fox>the", "noun_adjective": "fox>quick fox>brown"},
    "mice": {},
    "black horses": {"noun_adjective": "horses>black"},
    "cats and dogs": {"second_first": "dogs>cats"},
    "the cat sleeps": {"noun_article": "cat>the", "verb_subject": "sleeps>cat"},
    "the cat is happy": {"noun_article": "cat>the", "verb_subject": "is>cat"},
    "birds are hungry friends": {"noun_adjective": "friends>hungry", "verb_subject": "are>birds"},
    "the bird is a small hunter": {
        "noun_article": "bird>the hunter>a",
        "noun_adjective": "hunter>small",
        "verb_subject": "is>bird",
    },
    "the cat chases a dog": {
        "noun_article": "cat>the dog>a",
        "verb_subject": "chases>cat",
        "object_verb": "dog>chases",
    },
    "cats and dogs are friends": {"verb_subject": "are>cats are>dogs", "second_first": "dogs>cats"},
    "the0 white1 cat2 and3 the4 big5 dog6 watch7 mice8": {
        "noun_article": "cat2>the0 dog6>the4",
        "noun_adjective": "cat2>white1 dog6>big5",
        "verb_subject": "watch7>cat2 watch7>dog6",
        "object_verb": "mice8>watch7",
        "second_first": "dog6>cat2",
    },
    "a0 dog1 and2 quick3 foxes4 follow5 mice6 and7 the8 white9 rabbit10": {
        "noun_article": "dog1>a0 rabbit10>the8",
        "noun_adjective": "foxes4>quick3 rabbit10>white9",
        "verb_subject": "follow5>dog1 follow5>foxes4",
        "object_verb": "mice6>follow5 rabbit10>follow5",
        "second_first": "foxes4>dog1 rabbit10>mice6",
    },
    "the0 cat1 is2 hungry3 but4 dogs5 sleep6": {
        "noun_article": "cat1>the0",
        "verb_subject": "is2>cat1 sleep6>dogs5",
    },
    "a0 dog1 runs2 while3 the4 lazy5 birds6 watch7 a8 horse9": {
        "noun_article": "dog1>a0 birds6>the4 horse9>a8",
        "noun_adjective": "birds6>lazy5",
        "verb_subject": "runs2>dog1 watch7>birds6",
        "object_verb": "horse9>watch7",
    },
}


def _pairs(sentence, text):
    place = {word: place for place, word in enumerate(sentence.split(" "))}
    assert len(place) == len(sentence.split(" "))
    return sorted(tuple(map(place.get, pair.split(">"))) for pair in text.split())


@pytest.mark.parametrize("sentence", BY_HAND)
def test_sentences_parsed_by_hand(sentence):
    found = sentence_relations(re.sub(r"\d", "", sentence))
    assert {name: sorted(pairs) for name, pairs in found.items()} == {
        name: _pairs(sentence, BY_HAND[sentence].get(name, "")) for name in RELATIONS
    }


@pytest.mark.parametrize("sentence", ["", "cat", "and dogs are friends", "the cats chases", "the  cat"])
def test_what_the_grammar_does_not_allow_has_no_relations(sentence):
    assert parse(sentence) is None
    assert not any(sentence_relations(sentence).values())


def _leaves(node: Node):
    return [leaf for part in node.parts for leaf in _leaves(part)] if node.parts else [node]


def _check_tree(node: Node):
    if node.symbol in RULES:
        assert tuple(part.symbol for part in node.parts) in [symbols for _, symbols in RULES[node.symbol]]
        assert [node.start, *(part.end for part in node.parts)] == [*(part.start for part in node.parts), node.end]
    for part in node.parts:
        _check_tree(part)


def _words_of(*categories):
    return {parts[0] for category in categories for _, parts in RULES[category]}


def test_every_sentence_of_a_sample():
    nouns, adjectives, articles = _words_of(*NOUNS), _words_of(*ADJECTIVES), {"the", "a"}
    transitive = _words_of(*TRANSITIVE)
    verbs = transitive | _words_of("SLEEPS", "SLEEP") | {"is", "are"}
    classes = {
        "noun_article": (nouns, articles),
        "noun_adjective": (nouns, adjectives),
        "verb_subject": (verbs, nouns),
        "object_verb": (nouns, transitive),
        "second_first": (nouns, nouns),
    }
    for sentence in grammar_text().splitlines()[::160]:
        words, tree, found = sentence.split(" "), parse(sentence), sentence_relations(sentence)
        assert derivations(sentence) == 1
        _check_tree(tree)
        assert [leaf.symbol for leaf in _leaves(tree)] == words
        for name, pairs in found.items():
            for word, earlier in pairs:
                assert 0 <= earlier < word < len(words)
                assert words[word] in classes[name][0] and words[earlier] in classes[name][1], (sentence, name)
        # No relation is forgotten: every verb has a subject, every article a noun, and so on.
        assert {word for word, _ in found["verb_subject"]} == _places(words, verbs)
        assert {earlier for _, earlier in found["noun_article"]} == _places(words, articles)
        assert {earlier for _, earlier in found["object_verb"]} == _places(words, transitive)
        assert len(found["second_first"]) == words.count("and")
        predicative = {place for place in _places(words, adjectives) if words[place - 1] in ("is", "are")}
        attributive = {earlier for _, earlier in found["noun_adjective"]}
        assert attributive >= _places(words, adjectives) - predicative


def _places(words, wanted):
    return {place for place, word in enumerate(words) if word in wanted}


def test_a_text_has_the_relations_of_its_sentences():
    text = "cats sleep\nthe cat chases a dog\nand dogs run\nbig mice\nthe"
    tokens = TOKEN.findall(text)
    found = {
        name: [(tokens[word], tokens[earlier]) for word, earlier in pairs]
        for name, pairs in text_relations(tokens).items()
    }
    assert found == {
        "noun_article": [("cat", "the"), ("dog", "a")],
        "noun_adjective": [("mice", "big")],
        "verb_subject": [("sleep", "cats"), ("chases", "cat")],
        "object_verb": [("dog", "chases")],
        "second_first": [],
    }
    for pairs in text_relations(tokens).values():
        for word, earlier in pairs:
            assert earlier < word and "\n" not in tokens[earlier:word]


def test_the_corpus_is_recognised_by_its_vocabulary():
    assert is_grammar_text({*WORDS, " ", "\n"})
    assert not is_grammar_text(WORDS)
    assert not is_grammar_text({*WORDS, " ", "\n", "elephant"})
