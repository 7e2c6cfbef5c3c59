"""A replayed training step has every bit of the plain one: losses, norms, weights, moments and averages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt import model
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe
from parity_tests.replayed_step.both_ways import UNTIL_REPLAYED, BothWays
from parity_tests.support.some_threads import on_threads
from parity_tests.support.strategies import bigram_cases, cases

CASES = st.one_of(cases(), cases(), bigram_cases())
DTYPES = st.sampled_from(("float32", "float64"))


def recipe_for(case, **training) -> Recipe:
    """Return the recipe of a case."""
    start = preset("tiny")
    training = {"batch_size": case.batch, "seed": case.seed, **training}
    return replace(start, model=case.config, training=replace(start.training, **training))


@given(CASES, DTYPES, st.sampled_from((0.0, 0.9)), st.sampled_from((0.0, 0.1)))
def test_every_model(case, dtype, ema_decay, grad_clip):
    recipe = recipe_for(case, dtype=dtype, ema_decay=ema_decay, grad_clip=grad_clip)
    both = BothWays(recipe, case.parameters(dtype), case.seed)
    assert both.train(UNTIL_REPLAYED + 1, time=case.time).is_replayed()


@given(CASES, DTYPES)
def test_shapes_that_change_and_targets_that_do_not_count(case, dtype):
    """Each shape has its own tape; with targets that do not count, the step is another one, and may be plain."""
    both = BothWays(recipe_for(case, dtype=dtype), case.parameters(dtype), case.seed)
    block_size = case.config.block_size
    for number in range(2 * UNTIL_REPLAYED):
        both.step(time=block_size if number % 2 else case.time)
        if number % 3 == 0:
            both.step(time=block_size, ignored=0.5)
    both.train(1, time=block_size)
    assert both.is_replayed()
    both.train(2 * UNTIL_REPLAYED, time=block_size, ignored=0.1)
    both.train(1, time=case.time)
    assert both.is_replayed()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_accumulated_steps(dropout):
    recipe = preset("tiny").override({"gradient_accumulation_steps": 3, "batch_size": 2, "dropout": dropout})
    both = BothWays(recipe).train(4)
    assert both.is_replayed()
    both.train(2, ignored=0.3)
    assert both.train(1).is_replayed()


def test_a_tape_of_ignored_targets_is_not_used_without_them():
    """Two steps with as many targets that count: one has a position that does not, the other is shorter by one."""
    both = BothWays(preset("tiny").override({"batch_size": 1})).train()
    targets = both.tokens(1, 8)
    targets[0, 3] = -1
    for step in range(UNTIL_REPLAYED + 1):
        inputs = both.tokens(1, 8)
        results = [each.training_step(inputs, targets, step, 1e-2) for each in (both.replaying, both.plain)]
        assert results[0] == results[1]
    assert both.is_replayed()
    both.compare_state()


LARGE = {"shakespeare", "shakespeare-best"}  # these would take seconds, and differ from shakespeare-cpu in their sizes
NAMES = [pytest.param(name, marks=pytest.mark.prove) if name in LARGE else name for name in PRESETS]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset(name):
    batch = 1 if name in LARGE else min(4, PRESETS[name].training.batch_size)
    assert BothWays(preset(name).override({"batch_size": batch})).train().is_replayed()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_every_preset_in_slices(monkeypatch, name, threads):
    """The slices are of several sizes, and enough that the order in which they are added matters."""
    monkeypatch.setattr(model, "slices_of", lambda *sizes: (slice(0, 1), slice(1, 2), slice(2, 4)))
    on_threads(monkeypatch, threads)
    both = BothWays(preset(name).override({"batch_size": 4}))
    # With several threads, each has tapes of its own, and which of them computes a slice is left to chance.
    both.train(time=min(32, both.recipe.model.block_size))
    assert threads > 1 or both.is_replayed()


def test_a_step_that_overflows_stays_as_it_is():
    both = BothWays(preset("tiny")).train()
    before = both.plain.parameters.flat.copy()
    for engine in (both.replaying, both.plain):
        engine.parameters.flat[:] *= 1e30
    assert not np.isfinite(both.step().gradient_norm)
    both.loss(2, 8)
    for engine in (both.replaying, both.plain):
        engine.parameters.flat[:] = before
    assert both.train(1).is_replayed()


def test_a_recorded_step_is_plain():
    both, seen = BothWays(preset("tiny")).train(), []
    inputs, targets = both.tokens(2, 8), both.tokens(2, 8)
    for engine in (both.replaying, both.plain):
        engine.training_step(inputs, targets, both.steps, 1e-3, lambda name, array: seen.append(name) or array)
    assert both.replaying.execution == "plain"
    assert "h.0.attn.weights" in seen
    both.compare_state()
    assert both.train(1).is_replayed()
