"""GPT-2's initialization: standard deviations, and equal values in both precisions."""

from __future__ import annotations

import numpy as np

from numpy_gpt import GPTConfig, initial_values
from numpy_gpt.shared.model.names import parameter_shapes

CONFIG = GPTConfig(vocab_size=200, block_size=64, n_layer=8, n_head=2, n_embd=64)


def test_standard_deviations():
    for name, value in initial_values(CONFIG, 0, "float64").items():
        if value.ndim == 2:
            expected = 0.02 / 4 if name.endswith("c_proj.weight") else 0.02
            spread = 5 * expected / np.sqrt(2 * value.size)  # five standard errors
            assert abs(value.std() - expected) < spread, name
            assert abs(value.mean()) < 5 * expected / np.sqrt(value.size), name
        else:
            assert (value == (0 if name.endswith("bias") else 1)).all(), name


def test_dtypes_agree():
    wide, narrow = (initial_values(CONFIG, 3, dtype) for dtype in ("float64", "float32"))
    assert {name: value.shape for name, value in wide.items()} == parameter_shapes(CONFIG)
    for name, value in wide.items():
        assert np.array_equal(value.astype(np.float32), narrow[name])


def test_seeds_and_zero_layers():
    first, second = (initial_values(CONFIG, seed)["wte.weight"] for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert "wte.weight" in initial_values(GPTConfig(vocab_size=2, block_size=1, n_layer=0, n_head=1, n_embd=1), 0)
