"""Gradient accumulation: several small batches take the step of one large batch, in both twins."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.batches import BatchSampler
from numpy_gpt import initial_values, loss_and_gradients, parameters_from
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.randomness import dropout_masks
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT
from torch_gpt.engine import TorchEngine

CORPUS = load_corpus("tiny")


def _recipe(**changes):
    return preset("tiny").override({"dtype": "float64", "grad_clip": 0.0, "batch_size": 4, **changes})


def _values(recipe):
    return {name: 5 * value for name, value in initial_values(recipe.model, 3, "float64").items()}


def _engine(kind, recipe):
    if kind == "numpy":
        return NumpyEngine(recipe, _values(recipe))
    return TorchEngine(recipe, _values(recipe), None, "cpu", fused=kind == "torch fused")


def _clipped(engine, inputs, targets):
    kept = {}

    def record(name, array):
        if name.startswith("clipped."):
            kept[name] = np.array(array.tolist())

    result = engine.training_step(inputs, targets, 7, 0.0, record)
    return result, kept


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_small_batches_add_up(kind, parts):
    small, large = _recipe(gradient_accumulation_steps=parts), _recipe(batch_size=4 * parts)
    batch = BatchSampler(CORPUS.train, 8, 4 * parts, 1).batch(0)
    accumulated, ours = _clipped(_engine(kind, small), *batch)
    at_once, theirs = _clipped(_engine(kind, large), *batch)
    assert_close("loss", accumulated.loss, at_once.loss, 64 * UNIT["float64"] * at_once.loss)
    assert len(ours) == len(theirs) == len(list(_values(large)))
    for name, value in theirs.items():
        # Sums of the same terms in another order: off by rounding of the largest of them, over a few hundred terms.
        assert_close(name, ours[name], value, 1000 * UNIT["float64"] * np.abs(value).max())


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
def test_targets_that_do_not_count(kind):
    small, large = _recipe(gradient_accumulation_steps=3), _recipe(batch_size=12)
    inputs, targets = BatchSampler(CORPUS.train, 8, 12, 1).batch(0)
    targets[:3, 2:], targets[4:8] = -100, -1  # 14, 0 and 32 count: a mean of means would be another number
    accumulated, ours = _clipped(_engine(kind, small), inputs, targets)
    at_once, theirs = _clipped(_engine(kind, large), inputs, targets)
    assert_close("loss", accumulated.loss, at_once.loss, 64 * UNIT["float64"] * at_once.loss)
    for name, value in theirs.items():
        assert_close(name, ours[name], value, 1000 * UNIT["float64"] * np.abs(value).max())
    counted = targets >= 0
    losses = {}
    loss_and_gradients(parameters_from(large.model, _values(large)), inputs, targets, record=keep_in(losses))
    mean = losses["losses"][counted].mean()
    assert_close("mean of the losses that count", at_once.loss, mean, 64 * UNIT["float64"] * mean)
    with pytest.raises(UserError, match="at least one target must count"):
        _clipped(_engine(kind, small), inputs, np.full_like(targets, -1))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_each_batch_has_its_own_masks(kind):
    recipe = _recipe(gradient_accumulation_steps=2, dropout=0.3)
    batch = BatchSampler(CORPUS.train, 8, 8, 1).batch(0)
    seed = recipe.training.seed
    parameters = parameters_from(recipe.model, _values(recipe))
    masks = [dropout_masks(recipe.model, 4, 8, seed, 7, "float64", part) for part in range(2)]
    assert any(not np.array_equal(masks[0][name], masks[1][name]) for name in masks[0])
    halves = [
        loss_and_gradients(parameters, batch[0][rows], batch[1][rows], masks[part])
        for part, rows in enumerate((slice(4), slice(4, 8)))
    ]
    result, gradients = _clipped(_engine(kind, recipe), *batch)
    mean = (float(halves[0][0]) + float(halves[1][0])) / 2
    assert_close("loss", result.loss, mean, 64 * UNIT["float64"] * mean)
    for name in parameters:
        value = (halves[0][1][name] + halves[1][1][name]) / 2
        assert_close(name, gradients[f"clipped.{name}"], value, 1000 * UNIT["float64"] * np.abs(value).max())
