"""The formula of a step's memory agrees with the caches and with NumPy's allocations."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.growth import recipe_of, traced_peak
from benchmarks.support.memory_model import bytes_kept, kept_per_token, masks_per_token, replayed_memory, step_memory
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.layers.cross_entropy import cross_entropy_forward
from numpy_gpt.model import model_forward
from numpy_gpt.parameters import parameters_from
from numpy_gpt.replay.replayed import WORTH
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.parallel import slices_of
from numpy_gpt.shared.training.randomness import dropout_masks
from parity_tests.support.some_threads import on_threads


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


STEPS = [
    *SHAPES,
    {"batch_size": 8},
    {"batch_size": 8, "dtype": "float64"},
    {"n_embd": 256, "batch_size": 1},
    {"dtype": "float64"},
    {"batch_size": 64},
    {"block_size": 256},
]


@pytest.mark.parametrize("changes", STEPS, ids=str)
def test_peak_memory_agrees_with_the_formula(changes, one_thread):
    recipe = recipe_of(changes)
    memory = step_memory(recipe.model, recipe.training.batch_size, recipe.model.block_size, recipe.training.dtype)
    traced_peak(recipe, replay=False)  # the first step also builds tables that later ones share, such as erf's
    assert traced_peak(recipe, replay=False) == pytest.approx(memory.peak, rel=0.05)


REPLAYED = [
    *STEPS,
    {"batch_size": 64, "dropout": 0.1},
    {"dropout": 0.2, "activation": "gelu_tanh", "n_layer": 4},
    {"vocab_size": 2000},
    {"vocab_size": 2000, "tie_weights": False},
]
_CALL = 1700  # bytes of the Python objects of a call
_CHUNK = 1 << 16  # numbers: AdamW's largest temporary array, and the part of the masks that is drawn at once
_DRAWN = 4 + 1  # bytes of a number while it is drawn: itself, and whether it is kept


@pytest.mark.parametrize("changes", REPLAYED, ids=str)
def test_peak_memory_of_a_replayed_step(changes, one_thread):
    """The tapes' memory is of the size that the formula says, and so is the peak in each phase."""
    recipe = recipe_of(changes)
    size, sizes = np.dtype(recipe.training.dtype).itemsize, (recipe.model, recipe.training.batch_size)
    time = recipe.model.block_size
    plain, replayed = (model(*sizes, time, recipe.training.dtype) for model in (step_memory, replayed_memory))
    peaks, engine = _peaks(recipe)
    assert engine.execution == "replay"
    (tapes,) = engine._replay.training._all
    workspace = tapes._workspace._buffer.size
    assert (0.5 if recipe.model.vocab_size > 1000 else 0.74) * replayed.workspace < workspace <= replayed.workspace
    calls = sum(map(len, tapes._kinds.values()))
    rest = calls * _CALL + _CHUNK * max(size, _DRAWN if recipe.model.dropout else 0) + 150_000
    assert peaks[-1] <= replayed.flat + replayed.batch + workspace + rest
    more = replayed.flat // 4 + replayed.batch  # another gradient, or at most copies of what the batch needs
    several = len({part.stop - part.start for part in slices_of(*sizes, time, size)}) > 1
    more = more + min(workspace, 1 << 24) if several else max(more, replayed.peak - plain.peak)
    assert max(peaks) <= 1.02 * plain.peak + more + rest


def _peaks(recipe):
    """Return the peak of each step until all is replayed, and the engine."""
    traced_peak(recipe)
    tokens = np.random.default_rng(0).integers(recipe.model.vocab_size, size=20_000)
    peaks = []
    tracemalloc.start()
    try:
        engine = NumpyEngine(recipe, initial_values(recipe.model, 1, recipe.training.dtype), replay=True)
        engine.begin(tokens.astype(np.uint16))
        for step in range(WORTH + 4):
            gc.collect()  # what other tests left behind, or the peak would hang on when Python collects it
            tracemalloc.reset_peak()
            engine.take_step(step, 1e-4)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    return peaks, engine


def test_each_thread_has_one_workspace(monkeypatch):
    on_threads(monkeypatch, 2)
    recipe = recipe_of({"batch_size": 64})
    engine = NumpyEngine(recipe, initial_values(recipe.model, 1, "float32"), replay=True)
    engine.begin(np.random.default_rng(0).integers(recipe.model.vocab_size, size=20_000))
    for step in range(3 * WORTH):
        engine.take_step(step, 1e-4)
    bound = replayed_memory(recipe.model, 64, 32).workspace
    sizes = [tapes._workspace._buffer.size for tapes in engine._replay.training._all]
    assert len(sizes) <= 2
    assert max(sizes) < 1.02 * bound


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
