"""The loss floor against a second computation, which enumerates the ways to generate a text, in fractions."""

import math
import random
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.floors.loss_floor import corpus_loss_floor, loss_floor
from gpt_data.texts.corpora import Corpus, load_corpus
from gpt_data.tokens.batches import evaluation_windows


def probability(phrases, window):
    """Return p(window) as the sum over all ways to generate it: any state first, then phrase after phrase."""

    @cache
    def rest(phrase, place, start):
        if phrases[phrase][place] != window[start]:
            return Fraction(0)
        if start + 1 == len(window):
            return Fraction(1)
        if place + 1 < len(phrases[phrase]):
            return rest(phrase, place + 1, start + 1)
        return sum((rest(other, 0, start + 1) for other in range(len(phrases))), Fraction(0)) / len(phrases)

    places = [(phrase, place) for phrase, tokens in enumerate(phrases) for place in range(len(tokens))]
    return sum((rest(phrase, place, 0) for phrase, place in places), Fraction(0)) / len(places)


def enumerated_floor(tokens, phrases, block_size):
    losses = []
    for start in range(len(tokens) - block_size):
        window = tuple(tokens[start : start + block_size + 1])
        joint = [probability(phrases, window[:length]) for length in range(1, block_size + 2)]
        losses += [-math.log(longer / shorter) for shorter, longer in pairwise(joint)]
    return sum(losses) / len(losses)


phrase_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=4)


@given(phrase_lists, st.integers(0, 2**32), st.integers(1, 5))
def test_floor_agrees_with_enumeration(phrases, seed, block_size):
    generator = random.Random(seed)
    tokens = [token for _ in range(8) for token in generator.choice(phrases)]
    if len(tokens) <= block_size:
        tokens = tokens * 8
        phrases = [tokens]
    phrases = tuple(map(tuple, phrases))
    expected = enumerated_floor(tokens, phrases, block_size)
    assert loss_floor(tokens, phrases, block_size) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_coin_toss_costs_ln_2():
    assert loss_floor([0, 1, 1, 0, 1, 0, 0], [[0], [1]], 3) == pytest.approx(math.log(2), rel=1e-15)
    assert loss_floor([0, 1, 2] * 5, [[0, 1, 2]], 4) == pytest.approx(0, abs=1e-15)
    # The first token is a 0 before a 1 or a 2, equally likely; then everything but the toss is known.
    assert loss_floor([0, 1, 0, 2], [[0, 1], [0, 2]], 1, 1) == pytest.approx(math.log(2) * 2 / 3)


def test_floor_of_the_tiny_corpus():
    corpus = load_corpus("tiny")
    assert corpus_loss_floor(corpus, "val", 8) == pytest.approx(0.4226134602, abs=5e-11)
    assert corpus_loss_floor(corpus, "train", 8) == pytest.approx(0.4443958910, abs=5e-11)


def test_floors_of_characters():
    corpus = load_corpus("tiny-characters")
    assert corpus_loss_floor(corpus, "val", 8) == pytest.approx(0.3741667509, abs=5e-11)
    assert corpus_loss_floor(corpus, "val", 32) == pytest.approx(0.1565884552, abs=5e-11)
    assert corpus_loss_floor(load_corpus("words"), "val", 32) == pytest.approx(1.1752210825, abs=5e-11)


def test_floor_of_characters_agrees_with_enumeration():
    for name, start in (("tiny-characters", 40), ("words", 0)):
        corpus = load_corpus(name)
        phrases = tuple(tuple(corpus.tokenizer.encode(f"{phrase} ").tolist()) for phrase in corpus.phrases)
        text = corpus.val[start : start + 16].tolist()
        assert loss_floor(text, phrases, 12) == pytest.approx(enumerated_floor(text, phrases, 12), rel=1e-12)


def test_after_a_blank_prefixes_are_counted():
    # From a window's first blank on, p(c | prefix) is a quotient of two counts.
    corpus = load_corpus("words")
    words = [f"{word} " for word in corpus.phrases]
    text = corpus.tokenizer.decode(corpus.val[:400])
    phrases = [corpus.tokenizer.encode(word) for word in words]
    for start in (place + 1 for place in range(380) if text[place] == " "):
        cost, prefix = 0.0, ""
        for letter in text[start : start + 16]:
            cost -= math.log(
                sum(word.startswith(prefix + letter) for word in words) / sum(word.startswith(prefix) for word in words)
            )
            prefix = "" if letter == " " else prefix + letter
        ids = corpus.tokenizer.encode(text[start - 1 : start + 16])
        assert loss_floor(ids, phrases, len(ids) - 1) * (len(ids) - 1) == pytest.approx(cost, rel=1e-12)


def test_every_target_has_the_same_weight():
    corpus = load_corpus("tiny")
    phrases = [corpus.tokenizer.encode(f"{phrase} ") for phrase in corpus.phrases]
    total = count = 0.0
    for inputs, targets in evaluation_windows(corpus.val, 8, 8):
        for window in np.column_stack([inputs, targets[:, -1]]):
            total += loss_floor(window, phrases, len(window) - 1) * (len(window) - 1)
            count += len(window) - 1
    assert count == 339
    assert corpus_loss_floor(corpus, "val", 8, 8) == pytest.approx(total / count, rel=1e-12)


def test_a_longer_context_never_costs_more():
    corpus = load_corpus("tiny")
    floors = [corpus_loss_floor(corpus, "train", block_size) for block_size in (1, 2, 4, 8, 16, 32)]
    assert floors == sorted(floors, reverse=True)


def test_an_unknown_process_has_no_floor():
    corpus = load_corpus("tiny")
    assert corpus_loss_floor(Corpus("own", corpus.tokenizer, corpus.train, corpus.val), "val", 8) is None


@pytest.mark.parametrize(
    ("tokens", "phrases", "reason"),
    [
        ([0, 1, 0, 1], [], "at least one phrase"),
        ([0, 1, 0, 1], [[0, 1], []], "at least one token"),
        ([0, 1, 0, 0], [[0, 1]], "token 0 at position 2 of the window .* is impossible"),
        ([0, 1, 0, 7], [[0, 1]], "token 7 at position 2 of the window .* is impossible"),
        ([0, 1], [[0, 1]], "needs 3 tokens and the text has 2"),
    ],
)
def test_bad_input_is_refused(tokens, phrases, reason):
    with pytest.raises(UserError, match=reason):
        loss_floor(tokens, phrases, 2)


def test_unknown_split_is_refused():
    with pytest.raises(UserError, match="'train' or 'val', not 'test'"):
        corpus_loss_floor(load_corpus("tiny"), "test", 8)
