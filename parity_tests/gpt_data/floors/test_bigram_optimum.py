"""The bigram optimum against counting by hand and against other tables, and the loss of a table on another text."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_data.errors import UserError
from gpt_data.floors import bigram_optimum as module
from gpt_data.floors.bigram_optimum import bigram_counts_loss, bigram_optimum
from gpt_data.texts.corpora import load_corpus
from parity_tests.support.shakespeare_text import shakespeare_text

texts = st.lists(st.integers(0, 4), min_size=2, max_size=40)


def optimum_by_hand(tokens):
    pairs = Counter(pairwise(tokens))
    firsts = Counter(tokens[:-1])
    return -sum(n * math.log(n / firsts[a]) for (a, _), n in pairs.items()) / (len(tokens) - 1)


def loss_of(table, tokens):
    return -sum(math.log(table[a][b]) for a, b in pairwise(tokens)) / (len(tokens) - 1)


@given(texts, st.integers(5, 7))
def test_optimum_agrees_with_counting_by_hand(tokens, vocab_size):
    assert bigram_optimum(tokens, vocab_size) == pytest.approx(optimum_by_hand(tokens), rel=1e-12, abs=1e-15)


@given(texts, st.integers(0, 2**32), st.floats(1e-3, 10))
def test_no_table_is_better(tokens, seed, spread):
    logits = np.random.default_rng(seed).normal(scale=spread, size=(5, 5))
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss_of(table, tokens) >= bigram_optimum(tokens, 5) - 1e-12


@given(texts)
def test_the_counted_table_reaches_it(tokens):
    pairs, firsts = Counter(pairwise(tokens)), Counter(tokens[:-1])
    table = [[pairs[a, b] / firsts[a] if firsts[a] else 1 / 5 for b in range(5)] for a in range(5)]
    assert loss_of(table, tokens) == pytest.approx(bigram_optimum(tokens, 5), rel=1e-12, abs=1e-15)
    assert bigram_counts_loss(tokens, tokens, 5, 0) == pytest.approx(bigram_optimum(tokens, 5), rel=1e-12, abs=1e-15)


@given(texts, texts, st.integers(5, 7), st.sampled_from([0, 0.01, 1, 2.5]))
def test_counts_loss_is_the_table_s_loss(train, val, vocab_size, smoothing):
    pairs, firsts = Counter(pairwise(train)), Counter(train[:-1])
    if smoothing == 0 and any(not pairs[pair] for pair in pairwise(val)):
        assert bigram_counts_loss(train, val, vocab_size, smoothing) == math.inf
        return
    table = [
        [
            (pairs[a, b] + smoothing) / (firsts[a] + smoothing * vocab_size) if firsts[a] + smoothing else 0
            for b in range(vocab_size)
        ]
        for a in range(vocab_size)
    ]
    expected = loss_of(table, val)
    assert bigram_counts_loss(train, val, vocab_size, smoothing) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(texts, texts)
def test_large_vocabularies_are_counted_equally(train, val):
    # Above 1,024 tokens pairs are sorted instead of counted in a table; distant ids must not collide.
    pairs, firsts = Counter(pairwise(train)), Counter(train[:-1])
    for vocab_size, step in ((2000, 499), (3_000_000_000, 749_999_999)):
        far_train, far_val = np.array(train) * step, np.array(val) * step
        expected = -sum(math.log((pairs[a, b] + 0.5) / (firsts[a] + vocab_size / 2)) for a, b in pairwise(val))
        expected /= len(val) - 1
        assert bigram_optimum(far_train, vocab_size) == pytest.approx(optimum_by_hand(train), rel=1e-12, abs=1e-15)
        assert bigram_counts_loss(far_train, far_val, vocab_size, 0.5) == pytest.approx(expected, rel=1e-12)


def test_known_texts():
    assert bigram_optimum([0, 1] * 20, 2) == 0
    assert math.copysign(1, bigram_optimum([0, 1] * 20, 2)) == 1  # 0, not −0
    assert bigram_optimum([3, 3], 4) == 0
    assert bigram_optimum([0, 0, 1, 1, 0], 2) == pytest.approx(math.log(2))  # each token follows each once
    assert bigram_counts_loss([0, 0], [1, 1], 2) == pytest.approx(math.log(2))  # an unseen row is uniform
    assert bigram_counts_loss([0, 0], [1, 1], 2, 0) == math.inf
    assert bigram_counts_loss([0, 0], [0, 0], 2, 0) == 0


def test_small_types_do_not_wrap():
    tokens = np.array([250, 251, 250, 252] * 5, dtype=np.uint8)
    assert bigram_optimum(tokens, 256) == pytest.approx(optimum_by_hand(tokens.tolist()))
    big_endian = tokens.astype(">u2")
    assert bigram_optimum(big_endian, 256) == bigram_optimum(tokens, 256)


def test_both_counting_methods_agree(monkeypatch):
    corpus = load_corpus("words")
    several = []
    for dense in (module._DENSE, 0):
        monkeypatch.setattr(module, "_DENSE", dense)
        several.append((bigram_optimum(corpus.val, 11), bigram_counts_loss(corpus.train, corpus.val, 11)))
    assert several[0] == several[1]
    assert several[0] == pytest.approx((1.8644551, 1.8760942), abs=1e-7)


def test_shakespeare():
    corpus = load_corpus("shakespeare", shakespeare_text())
    assert bigram_optimum(corpus.train, 65) == pytest.approx(2.4519134, abs=5e-8)
    assert bigram_optimum(corpus.val, 65) == pytest.approx(2.3734861, abs=5e-8)
    assert bigram_counts_loss(corpus.train, corpus.val, 65) == pytest.approx(2.4818894, abs=5e-8)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: bigram_optimum([], 5), "tokens must be at least two, to have neighbours, not 0"),
        (lambda: bigram_optimum([1], 5), "tokens must be at least two, to have neighbours, not 1"),
        (lambda: bigram_optimum([1, 5], 5), r"tokens must lie in 0 … 4 .* got id 5 at index 1"),
        (lambda: bigram_optimum([1, -1], 5), "got id -1 at index 1"),
        (lambda: bigram_optimum([1.0, 2.0], 5), "tokens must be integers"),
        (lambda: bigram_optimum([1, 2], 0), "vocab_size must be a whole number of at least 1"),
        (lambda: bigram_optimum([1, 2], 1 << 32), "vocab_size must be at most"),
        (lambda: bigram_counts_loss([1], [1, 2], 5), "train tokens must be at least two"),
        (lambda: bigram_counts_loss([1, 2], [1], 5), "val tokens must be at least two"),
        (lambda: bigram_counts_loss([1, 2], [1, 7], 5), "val tokens must lie in 0 … 4"),
        (lambda: bigram_counts_loss([1, 2], [1, 2], 5, -0.1), "smoothing must be a finite number of at least 0, not"),
        (lambda: bigram_counts_loss([1, 2], [1, 2], 5, math.nan), "smoothing"),
        (lambda: bigram_counts_loss([1, 2], [1, 2], 5, math.inf), "smoothing"),
        (lambda: bigram_counts_loss([1, 2], [1, 2], 5, "1"), "smoothing"),
        (lambda: bigram_counts_loss([1, 2], [1, 2], 5, True), "smoothing"),
    ],
)
def test_bad_arguments_are_refused(call, reason):
    with pytest.raises(UserError, match=reason):
        call()
