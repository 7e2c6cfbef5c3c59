"""Random numbers: a stream for every seed, purpose, step and part, and the same numbers in every release."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt.shared.model.config import BigramConfig, GPTConfig
from numpy_gpt.shared.training import randomness
from numpy_gpt.shared.training.randomness import dropout_masks, sampling_uniforms
from parity_tests.support.some_threads import on_threads

CONFIG = GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4, dropout=0.5)
WORD = 2**32


def _dropped(seed: int, step: int, part: int = 0) -> bytes:
    masks = dropout_masks(CONFIG, 2, 4, seed, step, "float32", part)
    return b"".join(np.packbits(mask == 0).tobytes() for mask in masks.values())


def test_part_zero_is_the_default():
    # What a generator is seeded with is filled up with zeros: [1337, 1, 7] and [1337, 1, 7, 0] are one stream.
    expected = np.random.default_rng([1337, 1, 7]).random((2, 4, 4), np.float32) < 0.5
    mask = dropout_masks(CONFIG, 2, 4, 1337, 7, "float32", part=0)["embedding.dropout"]
    assert np.array_equal(mask == 0, expected)
    assert _dropped(1337, 7) == _dropped(1337, 7, 0)
    assert np.array_equal(sampling_uniforms(1337, 5), np.random.default_rng([1337, 2]).random(5))
    assert np.array_equal(sampling_uniforms(1337, 5), sampling_uniforms(1337, 5, sample=0))


def test_the_numbers_stay_between_releases():
    assert sampling_uniforms(1337, 2).tolist() == [0.5875911489950983, 0.5714180650241778]
    assert sampling_uniforms(1337, 1, sample=1).tolist() == [0.7143696637521875]


def test_no_two_keys_share_masks():
    # 1 is dropout's own number: in second place the upper word of a large seed would be taken for it.
    seeds = (0, 1, 2, WORD - 1, WORD, WORD + 1, 2 * WORD + 1, WORD**2, WORD**2 + 1)
    drawn = {_dropped(*which) for which in product(seeds, (0, 1, 2), (0, 1, 2))}
    assert len(drawn) == len(seeds) * 9


def test_no_two_samples_share_numbers():
    seeds = (0, 1, 2, WORD - 1, WORD, WORD + 1, 2 * WORD + 1, WORD**2 + 1)
    drawn = {sampling_uniforms(seed, 1, sample).item() for seed, sample in product(seeds, range(5))}
    assert len(drawn) == len(seeds) * 5


@given(st.integers(0, 2**70), st.integers(0, 10**6))
def test_masks_and_samples_use_different_streams(seed, number):
    masks = dropout_masks(CONFIG, 2, 4, seed, number, "float32")
    # The generator makes words of 64 bits: one for each number of a sample, and one for every two entries of a mask, of
    # which the second is its upper half. Of one stream both would be below one half in the same places.
    seconds = np.concatenate([mask.ravel() for mask in masks.values()])[1:64:2]
    assert not np.array_equal(seconds == 0, sampling_uniforms(seed, 32, number) < 0.5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_masks(threads, monkeypatch):
    on_threads(monkeypatch, threads)
    monkeypatch.setattr(randomness, "_RUN", 20_000)
    monkeypatch.setattr(randomness, "_AT_ONCE", 8_001)
    masks = dropout_masks(replace(CONFIG, block_size=64, dropout=0.3), 13, 63, 5, 7, "float64")
    count = sum(mask.size for mask in masks.values())
    assert count > 60_000
    drawn = np.random.default_rng([5, 1, 7, 0]).random(count, np.float32)
    together = np.concatenate([mask.reshape(-1) for mask in masks.values()])
    assert np.array_equal(together, np.where(drawn >= 0.3, 1 / (1 - 0.3), 0))


def test_a_bigram_model_has_no_masks():
    assert dropout_masks(BigramConfig(vocab_size=5, block_size=4), 2, 4, 0, 0, "float32") == {}
