"""The formula of a step's memory agrees with the caches and with NumPy's allocations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.growth import recipe_of, traced_peak
from benchmarks.support.memory_model import bytes_kept, kept_per_token, masks_per_token, step_memory
from numpy_gpt.layers.cross_entropy import cross_entropy_forward
from numpy_gpt.model import model_forward
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.randomness import dropout_masks


@pytest.fixture
def one_thread():
    """Limit NumPy to one thread, so that slices are computed one after the other."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # without it numpy_gpt uses one thread anyway
        yield
        return
    with threadpool_limits(1):
        yield


SHAPES = [
    {},
    {"activation": "relu", "n_head": 1},
    {"activation": "gelu_tanh", "bias": True, "tie_weights": False},
    {"dropout": 0.2, "block_size": 96, "n_head": 8},
    {"n_layer": 1, "n_embd": 128, "batch_size": 16},
    {"norm": "rms_norm", "activation": "relu", "tie_weights": False},
]


@pytest.mark.parametrize("changes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_caches_agree_with_the_formula(changes, dtype):
    recipe = recipe_of({**changes, "dtype": dtype})
    config, batch = recipe.model, recipe.training.batch_size
    tokens = np.random.default_rng(0).integers(config.vocab_size, size=(batch, config.block_size))
    parameters = parameters_from(config, initial_values(config, 1, dtype))
    masks = dropout_masks(config, *tokens.shape, 1, 0, dtype)
    logits, cache = model_forward(parameters, tokens, masks)
    _, loss_cache = cross_entropy_forward(logits, tokens)
    arrays = bytes_kept(cache, parameters.flat) + bytes_kept(loss_cache, parameters.flat)
    numbers = (arrays - 2 * tokens.nbytes) / np.dtype(dtype).itemsize  # without the ids, which both caches keep
    per_token = kept_per_token(config, config.block_size) + masks_per_token(config, config.block_size)
    assert numbers == pytest.approx(tokens.size * per_token, rel=0.01)


@pytest.mark.parametrize(
    "changes",
    [
        *SHAPES,
        {"batch_size": 8},
        {"batch_size": 8, "dtype": "float64"},
        {"n_embd": 256, "batch_size": 1},
        {"dtype": "float64"},
        {"batch_size": 64},
        {"block_size": 256},
    ],
    ids=str,
)
def test_peak_memory_agrees_with_the_formula(changes, one_thread):
    recipe = recipe_of(changes)
    memory = step_memory(recipe.model, recipe.training.batch_size, recipe.model.block_size, recipe.training.dtype)
    traced_peak(recipe)  # the first step also builds tables that later ones share, such as erf's
    assert traced_peak(recipe) == pytest.approx(memory.peak, rel=0.05)


def test_growth_of_every_part():
    config = recipe_of({}).model
    one, two = (step_memory(config, batch, 32) for batch in (4, 8))
    assert (two.flat, two.kept) == (one.flat, 2 * one.kept)  # both are one slice
    many, more = (step_memory(config, batch, 32) for batch in (256, 512))
    assert more.kept < 1.2 * many.kept  # both are many slices of about the same size
    assert step_memory(config, 4, 32, "float64").flat == 2 * one.flat
    deep = step_memory(replace(config, n_layer=2 * config.n_layer), 4, 32)
    assert one.kept < deep.kept < 2 * one.kept  # the rest of the model does not grow
    assert deep.temporary - one.temporary == (deep.flat - one.flat) / 4  # one gradient of one slice
    assert kept_per_token(config, 64) - kept_per_token(config, 32) == config.n_layer * config.n_head * 32


def test_bytes_of_a_cache():
    whole, other = np.zeros(100), np.zeros(10)
    cache = (whole[:3], [whole[5:].reshape(5, 19), other.T], None, "name", (other[:1],))
    assert bytes_kept(cache, np.zeros(1)) == whole.nbytes + other.nbytes
    assert bytes_kept(cache, whole) == other.nbytes
