"""Random numbers: dropout masks, one stream for each seed, purpose, step and part, and numbers that never change."""

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


def _mask_bytes(seed: int, step: int, part: int = 0) -> bytes:
    masks = dropout_masks(CONFIG, 2, 4, seed, step, "float32", part)
    return b"".join(np.packbits(mask == 0).tobytes() for mask in masks.values())


def test_part_and_sample_default_to_zero():
    # A generator's seed is padded with zeros: [1337, 1, 7] and [1337, 1, 7, 0] are the same stream.
    expected = np.random.default_rng([1337, 1, 7]).random((2, 4, 4), np.float32) < 0.5
    mask = dropout_masks(CONFIG, 2, 4, 1337, 7, "float32", part=0)["embedding.dropout"]
    assert np.array_equal(mask == 0, expected)
    assert _mask_bytes(1337, 7) == _mask_bytes(1337, 7, 0)
    assert np.array_equal(sampling_uniforms(1337, 5), np.random.default_rng([1337, 2]).random(5))
    assert np.array_equal(sampling_uniforms(1337, 5), sampling_uniforms(1337, 5, sample=0))


def test_numbers_never_change():
    assert sampling_uniforms(1337, 2).tolist() == [0.5875911489950983, 0.5714180650241778]
    assert sampling_uniforms(1337, 1, sample=1).tolist() == [0.7143696637521875]


def test_masks_differ_by_seed_step_part():
    # 1 is dropout's purpose: the upper word of a large seed, in second place, could be mistaken for it.
    seeds = (0, 1, 2, WORD - 1, WORD, WORD + 1, 2 * WORD + 1, WORD**2, WORD**2 + 1)
    drawn = {_mask_bytes(*which) for which in product(seeds, (0, 1, 2), (0, 1, 2))}
    assert len(drawn) == len(seeds) * 9


def test_uniforms_differ_by_seed_and_sample():
    seeds = (0, 1, 2, WORD - 1, WORD, WORD + 1, 2 * WORD + 1, WORD**2 + 1)
    drawn = {sampling_uniforms(seed, 1, sample).item() for seed, sample in product(seeds, range(5))}
    assert len(drawn) == len(seeds) * 5


@given(st.integers(0, 2**70), st.integers(0, 10**6))
def test_masks_and_uniforms_are_different_streams(seed, number):
    masks = dropout_masks(CONFIG, 2, 4, seed, number, "float32")
    # The generator produces 64-bit words: one for each uniform number, and one for every two entries of a mask, the
    # second from its upper half. In the same stream both would be below one half at the same positions.
    seconds = np.concatenate([mask.ravel() for mask in masks.values()])[1:64:2]
    assert not np.array_equal(seconds == 0, sampling_uniforms(seed, 32, number) < 0.5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_draw_the_same_masks(threads, monkeypatch):
    on_threads(monkeypatch, threads)
    monkeypatch.setattr(randomness, "_RUN", 20_000)
    monkeypatch.setattr(randomness, "_AT_ONCE", 8_001)
    masks = dropout_masks(replace(CONFIG, block_size=64, dropout=0.3), 13, 63, 5, 7, "float64")
    count = sum(mask.size for mask in masks.values())
    assert count > 60_000
    drawn = np.random.default_rng([5, 1, 7, 0]).random(count, np.float32)
    together = np.concatenate([mask.reshape(-1) for mask in masks.values()])
    assert np.array_equal(together, np.where(drawn >= 0.3, 1 / (1 - 0.3), 0))


def test_bigram_has_no_masks():
    assert dropout_masks(BigramConfig(vocab_size=5, block_size=4), 2, 4, 0, 0, "float32") == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mask_values_and_dropout_rate(dtype):
    config = GPTConfig(vocab_size=5, block_size=16, n_layer=2, n_head=2, n_embd=32, dropout=0.2)
    masks = dropout_masks(config, 16, 16, seed=1, step=7, dtype=dtype)
    for name, mask in masks.items():
        assert mask.dtype == dtype
        assert set(np.unique(mask)) == {np.dtype(dtype).type(0), np.dtype(dtype).type(1 / 0.8)}, name
        assert abs((mask == 0).mean() - 0.2) < 5 * 0.4 / np.sqrt(mask.size), name


def test_masks_depend_on_seed_and_step():
    config = GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4, dropout=0.5)

    def dropped(seed, step, dtype="float64"):
        masks = dropout_masks(config, 2, 4, seed, step, dtype)
        return np.concatenate([mask.ravel() == 0 for mask in masks.values()])

    assert np.array_equal(dropped(1, 2), dropped(1, 2))
    assert np.array_equal(dropped(1, 2), dropped(1, 2, "float32"))
    assert not np.array_equal(dropped(1, 2), dropped(1, 3))
    assert not np.array_equal(dropped(1, 2), dropped(2, 2))
    assert dropout_masks(GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4), 2, 4, 1, 2, "f4") == {}


def test_more_uniforms_keep_the_first():
    assert np.array_equal(sampling_uniforms(1, 3), sampling_uniforms(1, 10)[:3])
