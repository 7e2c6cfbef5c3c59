"""The corpus ``words``: the list, the draws, and the loss floor."""

import hashlib
import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.words import DRAWS, WORDS, words_text
from gpt_data.tokens.batches import evaluation_windows


def test_the_list_of_words():
    assert all(re.fullmatch("[aceilnorst]{1,4}", word) for word in WORDS)
    assert list(WORDS) == sorted(set(WORDS), key=lambda word: (len(word), word))
    assert Counter(map(len, WORDS)) == {1: 2, 2: 11, 3: 57, 4: 112}
    assert {"a", "i", "cat", "rest"} <= set(WORDS)


def test_text_is_reproducible():
    text = words_text()
    assert len(text) == 27231
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "2a6b32156a9a170bcacb29a658527f96e2f3c072183685bf237ee087f834967f"
    )


def test_words_are_uniform_and_independent():
    words = words_text().removesuffix(" ").split(" ")
    assert len(words) == DRAWS == 6000
    counts = Counter(words)
    assert set(counts) == set(WORDS)
    expected = DRAWS / len(WORDS)
    statistic = sum((counts[word] - expected) ** 2 / expected for word in WORDS)
    freedom = len(WORDS) - 1
    assert abs(statistic - freedom) < 4 * math.sqrt(2 * freedom)  # Pearson's test, four standard deviations
    # The same test for the lengths of two consecutive words.
    share = {length: sum(len(word) == length for word in WORDS) / len(WORDS) for length in (2, 3, 4)}
    pairs = Counter((len(first), len(second)) for first, second in pairwise(words))
    for first in share:
        for second in share:
            mean = share[first] * share[second] * (DRAWS - 1)
            assert abs(pairs[first, second] - mean) < 5 * math.sqrt(mean)


def test_corpus_is_eleven_characters():
    corpus = load_corpus("words")
    assert corpus.tokenizer.vocabulary == tuple(" aceilnorst")
    assert (len(corpus.train), len(corpus.val)) == (21784, 5447)
    assert corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val])) == words_text()
    assert corpus.phrases == WORDS
    train = Counter(corpus.tokenizer.decode(corpus.train).split(" ")[:-1])
    assert min(train[word] for word in WORDS) == 12  # training contains every word many times


def test_targets_are_the_next_letters():
    inputs, targets = next(evaluation_windows(load_corpus("words").val, 4))
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert not np.array_equal(inputs, targets)


def test_an_ideal_reader_reaches_the_floor():
    corpus = load_corpus("words")
    floors = [corpus_loss_floor(corpus, "val", block_size) for block_size in (4, 16, 32)]
    assert floors == pytest.approx([1.4027049, 1.2077606, 1.1752211], abs=5e-8)
    # With unlimited context a word costs ln(words), divided among its letters and its blank.
    rate = math.log(len(WORDS)) * len(WORDS) / sum(len(word) + 1 for word in WORDS)
    assert rate == pytest.approx(1.148, abs=5e-4)
    assert rate < floors[-1]
