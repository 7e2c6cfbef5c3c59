"""The grammar: generator and parser against each other and against an enumeration of all sentences of the table."""

import hashlib
import math
from collections import Counter
from functools import cache
from itertools import product
from random import Random

import numpy as np
import pytest

from gpt_data.floors.grammar_entropy import entropy_rate
from gpt_data.texts import grammar_parser
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.grammar import RULES, SENTENCES, START, grammar_text
from gpt_data.texts.grammar_parser import derivations, is_grammatical

_USES = Counter(part for alternatives in RULES.values() for _, parts in alternatives for part in parts)
# A class is a category of single words that occur nowhere else in the table. The enumeration does not expand it: one
# row of classes represents thousands of sentences.
CLASSES = {
    category: {parts[0]: weight for weight, parts in alternatives}
    for category, alternatives in RULES.items()
    if all(len(parts) == 1 and parts[0] not in RULES and _USES[parts[0]] == 1 for _, parts in alternatives)
}
CLASS_OF = {word: category for category, words in CLASSES.items() for word in words}


@cache
def expansions(symbol):
    """Return every row of words and classes that the symbol can expand to, with its probability, one per derivation."""
    if symbol in CLASSES or symbol not in RULES:
        return [(1.0, (symbol,))]
    total = sum(weight for weight, _ in RULES[symbol])
    return [
        (weight / total * math.prod(share for share, _ in ways), sum((row for _, row in ways), ()))
        for weight, parts in RULES[symbol]
        for ways in product(*map(expansions, parts))
    ]


@cache
def language():
    """Return the probability of every row of the grammar."""
    return {row: share for share, row in expansions(START)}


def row_of(sentence):
    return tuple(CLASS_OF.get(word, word) for word in sentence.split(" "))


def probability(sentence):
    shares = [
        CLASSES[CLASS_OF[word]][word] / sum(CLASSES[CLASS_OF[word]].values())
        for word in sentence.split(" ")
        if word in CLASS_OF
    ]
    return language()[row_of(sentence)] * math.prod(shares)


ENGLISH = (
    "the cat chases the bird / the quick brown fox / cats and dogs are friends / the cats chase the bird / a mouse / "
    "mice / the happy horse sleeps / the cat and the dog are friends / the black cats are big / "
    "the bird is a small hunter / a dog and quick foxes follow mice and the white rabbit / "
    "the quick brown fox jumps / small foxes jump while the lazy dog sleeps / "
    "the cat is hungry but dogs sleep / a dog runs while the lazy birds watch a horse"
).split(" / ")
NOT_ENGLISH = [
    *("", " ", "the cat sleeps ", " the cat sleeps", "the  cat sleeps", "the cat sleeps\n", "the cat sleeps."),
    *("The cat sleeps", "the cat unicorn", "UTTERANCE", "the ANIMAL"),
    *(
        "cat / cat the / cat sleeps / the the cat / the cats chases the bird / the cat chase the bird / a cats sleep / "
        "cats sleeps / cats and dogs is friends / cats and dogs are a friend / the cat and the dog is hungry / "
        "the cat are hungry / the cat is friends / the cat is friend / the brown quick fox / the fox quick / "
        "the cat sleeps the bird / the cat chases / the cat chases the bird sleeps / cats and / and cats / "
        "the cat sleeps and the dog runs / the cat sleeps but / but the cat sleeps / cats and dogs and birds"
    ).split(" / "),
]


@pytest.mark.parametrize("sentence", ENGLISH)
def test_english_sentences_are_grammatical(sentence):
    assert is_grammatical(sentence)
    assert derivations(sentence) == 1


@pytest.mark.parametrize("sentence", NOT_ENGLISH)
def test_other_sentences_are_ungrammatical(sentence):
    assert not is_grammatical(sentence)
    assert derivations(sentence) == 0


def test_no_sentence_has_two_readings():
    assert set(CLASSES) == set("JOINT ADJECTIVE COLOUR ANIMAL ANIMALS ROLE ROLES CHASES CHASE SLEEPS SLEEP".split())
    assert sum(map(len, CLASSES.values())) == len(CLASS_OF)  # no word is in two classes
    assert len(expansions(START)) == len(language()) == 58960
    assert math.fsum(language().values()) == pytest.approx(1, rel=1e-12)
    assert max(map(len, language())) == 15


def test_several_readings_are_counted(monkeypatch):
    # Three parts of one or two x each: there are as many ways to divide n x's as to choose n − 3 of the parts.
    table = {"UTTERANCE": ((1, ("PART", "PART", "PART")),), "PART": ((1, ("x",)), (1, ("x", "x")))}
    monkeypatch.setattr(grammar_parser, "RULES", table)
    assert [derivations(" ".join("x" * length)) for length in range(8)] == [0, 0, 0, 1, 3, 3, 1, 0]
    monkeypatch.setattr(grammar_parser, "RULES", {"UTTERANCE": ((1, ("x",)), (1, ("PART",))), "PART": ((1, ("x",)),)})
    assert derivations("x") == 2


def test_corpus_sentences_parse_in_one_way():
    sentences = grammar_text().splitlines()
    assert len(sentences) == SENTENCES == 20_000
    assert all(row_of(sentence) in language() for sentence in sentences)
    assert {derivations(sentence) for sentence in sentences[::20]} == {1}


def test_the_parser_allows_every_sentence():
    generator = Random(1)
    for row in generator.sample(sorted(language()), 800):
        sentence = " ".join(generator.choice(list(CLASSES[part])) if part in CLASSES else part for part in row)
        assert derivations(sentence) == 1, sentence


def test_the_parser_allows_nothing_else():
    words = sorted(set(_USES) - set(RULES) - set(CLASS_OF)) + [next(iter(members)) for members in CLASSES.values()]
    assert len(words) == 16
    for length in (1, 2, 3):
        for sentence in map(" ".join, product(words, repeat=length)):
            assert is_grammatical(sentence) == (row_of(sentence) in language()), sentence


def test_the_parser_on_sentences_with_mistakes():
    generator = Random(2)
    words = sorted(set(_USES) - set(RULES))
    verdicts = Counter()
    for sentence in generator.sample(grammar_text().splitlines(), 1500):
        changed = sentence.split(" ")
        place = generator.randrange(len(changed))
        match generator.randrange(4):
            case 0:
                changed[place] = generator.choice(words)
            case 1:
                changed.insert(place, generator.choice(words))
            case 2:
                del changed[place]
            case 3:
                changed[place - 1], changed[place] = changed[place], changed[place - 1]
        sentence = " ".join(changed)
        expected = row_of(sentence) in language()
        assert is_grammatical(sentence) == expected, sentence
        verdicts[expected] += 1
    assert min(verdicts[True], verdicts[False]) >= 100


def test_text_is_reproducible():
    text = grammar_text()
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "b7bc8311e5b5a02c4dc84c0dfeac4bdf9c0ce7d2092695216d4b579aae39a3db"
    )
    assert text.startswith(grammar_text(5))
    assert grammar_text(5) != grammar_text(5, seed=1)


def test_alternatives_follow_their_weights():
    sentences = grammar_text().splitlines()
    expected = Counter()
    for row, share in language().items():
        expected[len(row)] += share * SENTENCES
    counts = Counter(len(sentence.split(" ")) for sentence in sentences)
    common = [length for length, mean in expected.items() if mean >= 5]
    assert len(common) >= 12
    statistic = sum((counts[length] - expected[length]) ** 2 / expected[length] for length in common)
    assert statistic < len(common) + 4 * math.sqrt(2 * len(common))  # Pearson's test, four standard deviations
    joints = Counter(word for sentence in sentences for word in sentence.split(" ") if word in CLASSES["JOINT"])
    assert joints["but"] / joints.total() == pytest.approx(2 / 3, abs=0.05)


def test_entropy_rate_agrees_with_enumeration():
    class_entropy = {}
    for name, words in CLASSES.items():
        shares = [weight / sum(words.values()) for weight in words.values()]
        class_entropy[name] = -sum(share * math.log(share) for share in shares)
    entropy = math.fsum(
        share * (sum(class_entropy.get(part, 0) for part in row) - math.log(share)) for row, share in language().items()
    )
    tokens = 2 * math.fsum(share * len(row) for row, share in language().items())
    assert entropy_rate() == pytest.approx(entropy / tokens, rel=1e-12)
    # This process generated the corpus: the mean cost of a sentence is the entropy, up to chance.
    costs = np.array([-math.log(probability(sentence)) for sentence in grammar_text().splitlines()])
    assert abs(costs.mean() - entropy) < 4 * costs.std() / math.sqrt(len(costs))
    assert costs.std() / math.sqrt(len(costs)) < 0.01 * entropy


def test_tokens_of_the_corpus():
    corpus = load_corpus("grammar")
    assert corpus.tokenizer.vocabulary == tuple(sorted({"\n", " "} | set(_USES) - set(RULES)))
    assert corpus.tokenizer.vocab_size == 54
    assert (len(corpus.train), len(corpus.val)) == (225_000, 25_000)
    tokens = np.concatenate([corpus.train, corpus.val])
    assert corpus.tokenizer.decode(tokens) == grammar_text()
    separators = corpus.tokenizer.encode("\n ")
    np.testing.assert_array_equal(np.isin(tokens, separators), np.arange(len(tokens)) % 2 == 1)
    assert corpus.phrases is None  # the process does not draw phrases, so loss_floor does not apply


def test_no_vowel_follows_a():
    assert not any(word[0] in "aeiou" for word in CLASS_OF)
