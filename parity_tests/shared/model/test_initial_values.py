"""GPT-2's initialisation: the right spreads, the same numbers in both precisions."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.training.randomness import dropout_masks, sampling_uniforms

CONFIG = GPTConfig(vocab_size=200, block_size=64, n_layer=8, n_head=2, n_embd=64)


def test_standard_deviations_are_gpt2s():
    for name, value in initial_values(CONFIG, 0, "float64").items():
        if value.ndim == 2:
            expected = 0.02 / 4 if name.endswith("c_proj.weight") else 0.02
            spread = 5 * expected / np.sqrt(2 * value.size)  # five standard errors
            assert abs(value.std() - expected) < spread, name
            assert abs(value.mean()) < 5 * expected / np.sqrt(value.size), name
        else:
            assert (value == (0 if name.endswith("bias") else 1)).all(), name


def test_the_dtype_changes_no_value():
    wide, narrow = (initial_values(CONFIG, 3, dtype) for dtype in ("float64", "float32"))
    assert {name: value.shape for name, value in wide.items()} == parameter_shapes(CONFIG)
    for name, value in wide.items():
        assert np.array_equal(value.astype(np.float32), narrow[name])


def test_another_seed_gives_other_values():
    first, second = (initial_values(CONFIG, seed)["wte.weight"] for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert "wte.weight" in initial_values(GPTConfig(vocab_size=2, block_size=1, n_layer=0, n_head=1, n_embd=1), 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_drop_at_the_rate(dtype):
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


def test_sampling_numbers_are_a_stream():
    assert np.array_equal(sampling_uniforms(1, 3), sampling_uniforms(1, 10)[:3])
