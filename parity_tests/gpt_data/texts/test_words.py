"""The corpus of words: the list, how it is drawn, and what counts as a completed word."""

import hashlib
import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.words import DRAWS, WORDS, complete_words, share_in_list, words_text
from gpt_data.tokens.batches import evaluation_windows


def test_words_have_one_to_four_of_the_ten_letters_and_stand_in_order():
    assert all(re.fullmatch("[aceilnorst]{1,4}", word) for word in WORDS)
    assert list(WORDS) == sorted(set(WORDS), key=lambda word: (len(word), word))
    assert Counter(map(len, WORDS)) == {1: 2, 2: 11, 3: 57, 4: 112}
    assert {"a", "i", "cat", "rest"} <= set(WORDS)


def test_text_is_the_same_on_every_machine():
    text = words_text()
    assert len(text) == 27231
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "2a6b32156a9a170bcacb29a658527f96e2f3c072183685bf237ee087f834967f"
    )


def test_text_is_words_of_the_list_drawn_uniformly_and_independently():
    words = words_text().removesuffix(" ").split(" ")
    assert len(words) == DRAWS == 6000
    counts = Counter(words)
    assert set(counts) == set(WORDS)
    expected = DRAWS / len(WORDS)
    statistic = sum((counts[word] - expected) ** 2 / expected for word in WORDS)
    freedom = len(WORDS) - 1
    assert abs(statistic - freedom) < 4 * math.sqrt(2 * freedom)  # Pearson's test, four standard deviations
    # Neighbours: the same, for the lengths of two words in a row.
    share = {length: sum(len(word) == length for word in WORDS) / len(WORDS) for length in (2, 3, 4)}
    pairs = Counter((len(first), len(second)) for first, second in pairwise(words))
    for first in share:
        for second in share:
            mean = share[first] * share[second] * (DRAWS - 1)
            assert abs(pairs[first, second] - mean) < 5 * math.sqrt(mean)


def test_corpus_is_eleven_characters_split_without_overlap():
    corpus = load_corpus("words")
    assert corpus.tokenizer.vocabulary == tuple(" aceilnorst")
    assert (len(corpus.train), len(corpus.val)) == (21784, 5447)
    assert corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val])) == words_text()
    assert corpus.phrases == WORDS
    train = Counter(corpus.tokenizer.decode(corpus.train).split(" ")[:-1])
    assert min(train[word] for word in WORDS) == 12  # training holds every word many times


def test_targets_are_the_next_letters():
    inputs, targets = next(evaluation_windows(load_corpus("words").val, 4))
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert not np.array_equal(inputs, targets)


def test_floor_is_reached_by_whoever_knows_the_list_and_the_place():
    corpus = load_corpus("words")
    floors = [corpus_loss_floor(corpus, "val", block_size) for block_size in (4, 16, 32)]
    assert floors == pytest.approx([1.4027049, 1.2077606, 1.1752211], abs=5e-8)
    # With unlimited context the process costs ln(words) a word, spread over its letters and blank.
    rate = math.log(len(WORDS)) * len(WORDS) / sum(len(word) + 1 for word in WORDS)
    assert rate == pytest.approx(1.148, abs=5e-4)
    assert rate < floors[-1]


def test_complete_words_have_a_blank_on_both_sides():
    assert complete_words("ca cat xyz to") == ["cat", "xyz"]
    assert complete_words(" cat ") == ["cat"]
    assert complete_words(" a  b ") == ["a", "", "b"]
    assert complete_words("cat") == complete_words("cat to") == complete_words(" ") == complete_words("") == []


def test_share_counts_complete_words_only():
    assert share_in_list("zz cat xyz to zz") == pytest.approx(2 / 3)
    assert share_in_list(words_text()) == 1
    assert share_in_list(" cat  to ") == pytest.approx(2 / 3)  # two blanks in a row are a mistake
    assert share_in_list(" CAT ") == 0


@pytest.mark.parametrize("text", ["", "cat", "cat to", " "])
def test_a_share_of_no_words_is_refused(text):
    with pytest.raises(UserError, match="at least one word with a blank on both sides"):
        share_in_list(text)
