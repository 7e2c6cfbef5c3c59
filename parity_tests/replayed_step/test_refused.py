"""A layer that does what cannot be replayed is caught: training continues plainly, says why, and has its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.layers import feed_forward
from numpy_gpt.shared.training.presets import preset
from parity_tests.replayed_step.both_ways import UNTIL_REPLAYED, BothWays

RECIPE = preset("tiny").override({"activation": "relu", "bias": True, "batch_size": 4})
outside = {"number": 1.0, "array": np.ones(1)}
"""What a layer must not use: it changes from step to step, and no tape knows."""


def _flips_signs(y):
    y[y < 0] *= -1
    return y


def _adds_to_zeros(y):
    total = np.zeros(y.shape, y.dtype)
    total += y
    return total


def _fills_zeros_by_index(y):
    total = np.zeros(y.shape, y.dtype)
    for row in range(len(y)):
        total[row] = y[row]
    return total


def _sorts(y):
    return np.sort(y, axis=-1)


def _wants_plain_arrays(y):
    if type(y) is not np.ndarray:
        raise TypeError("plain arrays only")
    return y


PLANTED = {
    "a number from outside": (lambda y: y * outside["number"], "a number that the tape cannot know"),
    "an array from outside": (
        lambda y: y * outside["array"],
        "an array takes part that was not computed from the inputs",
    ),
    "a boolean index": (_flips_signs, "an index must be of numbers and slices"),
    "an array as an index": (lambda y: y[np.arange(len(y))], "an index must be of numbers and slices"),
    "new zeros that are added to": (_adds_to_zeros, "an array takes part that was not computed"),
    "new zeros that are filled": (_fills_zeros_by_index, "an array that was not computed from the inputs"),
    "a number taken out": (lambda y: y / y.dtype.type(1 + float(abs(y).max())), "takes a number out of an array"),
    "an unknown function": (_sorts, "numpy.sort cannot be replayed"),
    "an unknown method": (lambda y: y.cumsum(axis=-1), "cumsum of an array cannot be replayed"),
    "an iteration": (lambda y: np.stack([row * 2 for row in y]), "__iter__ of an array cannot be replayed"),
    "an error that plain arrays do not cause": (_wants_plain_arrays, "TypeError: plain arrays only"),
}


@pytest.fixture(params=PLANTED)
def reason(request, monkeypatch):
    plant, message = PLANTED[request.param]
    _plant(monkeypatch, plant)
    return message


def _plant(monkeypatch, plant):
    forward = feed_forward.activation_forward

    def changed(*arguments):
        y, cache = forward(*arguments)
        return plant(y), cache

    monkeypatch.setattr(feed_forward, "activation_forward", changed)


def _change_outside(both):
    outside["number"] = float(both.rng.random())
    outside["array"] = both.rng.random(1).astype(np.float32)


def _train(both, steps):
    for _ in range(steps):
        _change_outside(both)
        both.step()


def test_training_continues_plainly(reason):
    both = BothWays(RECIPE)
    _train(both, UNTIL_REPLAYED + 2)
    assert not both.is_replayed()
    assert both.replaying.execution.startswith("plain: ")
    assert reason in both.replaying.execution
    assert "\n" not in both.replaying.execution


def test_evaluation_and_sampling_continue_plainly(reason):
    both = BothWays(RECIPE)
    for _ in range(UNTIL_REPLAYED + 1):
        for compute in (
            lambda: both.loss(2, 8),
            lambda: both.draw([1, 2, 3], 1),
            lambda: both.draw([1, 2] * 5, 1),
            lambda: both.draw([1, 2, 3], 1, cache=False),
        ):
            _change_outside(both)
            compute()


def test_what_depends_on_values_is_asked_each_time(monkeypatch):
    """A layer may ask ``if``: a step with another answer is plain, and the next is replayed."""
    _plant(monkeypatch, lambda y: np.minimum(y, 0.02) if (y > 0.02).any() else y * 2)
    both, seen = BothWays(RECIPE), set()
    for step in range(5 * UNTIL_REPLAYED):
        for engine in (both.replaying, both.plain):
            if step % 9 == 8:
                engine.parameters["h.0.mlp.c_fc.bias"][...] += 0.1 if step % 2 else -0.1
        both.step()
        seen.add(both.replaying.execution)
    assert seen == {"plain", "replay"}
