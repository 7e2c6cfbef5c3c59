"""Engines and threads that compute at the same time, and copies of engines: nobody writes to another's memory."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from numpy_gpt.decoding import Decoder
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.replay.replayed import Replayed, Workspace
from numpy_gpt.shared.training.presets import preset
from parity_tests.replayed_step.both_ways import UNTIL_REPLAYED, BothWays, assert_same_bits, state_of

RECIPE = preset("tiny").override({"dropout": 0.1, "ema_decay": 0.9, "batch_size": 4})
COPIES = [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


def test_two_engines_at_once():
    engines, ready = [BothWays(RECIPE, seed=seed) for seed in range(2)], Barrier(2)

    def work(both):
        for _ in range(2 * UNTIL_REPLAYED):
            ready.wait(timeout=60)
            both.step()
            both.loss(3, 8)
            both.draw([1, 2], 9)
        return both.is_replayed()

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, engines))


def test_one_engines_loss_in_four_threads():
    both, ready = BothWays(RECIPE).train(1), Barrier(4)
    batches = [(both.tokens(size, 8), both.tokens(size, 8)) for size in (1, 2, 3, 3)]
    expected = [both.plain.loss(*batch) for batch in batches]

    def work(number):
        found = []
        for turn in range(4 * UNTIL_REPLAYED):
            ready.wait(timeout=60)
            found.append((both.replaying.loss(*batches[(number + turn) % 4]), expected[(number + turn) % 4]))
        return found

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, range(4)):
            assert all(ours == theirs for ours, theirs in found)
    assert 1 <= len(both.replaying._replay.inference._all) <= 4


@pytest.mark.parametrize("duplicate", COPIES, ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_copied_engine_goes_its_own_way(duplicate, ema_decay):
    both = BothWays(RECIPE.override({"ema_decay": ema_decay})).train()
    both.draw([1], 12)
    before = [array.copy() for array in state_of(both.replaying)]
    other = duplicate(both)
    _share_no_memory(both.replaying, other.replaying)
    assert other.replaying._replay.training._all == []
    other.train()
    assert other.is_replayed()
    other.draw([1], 12)
    other.loss(2, 8)
    for array, expected in zip(state_of(both.replaying), before, strict=True):
        assert_same_bits("the original", array, expected)
    both.train(2)
    both.draw([1], 12)
    assert both.is_replayed()


def _share_no_memory(one: NumpyEngine, other: NumpyEngine) -> None:
    for ours in state_of(one):
        for theirs in state_of(other):
            assert not np.may_share_memory(ours, theirs)
    assert other._replay.training._parameters is other.parameters
    assert other._replay.inference._parameters is other.values()


@pytest.mark.parametrize("duplicate", COPIES, ids=["deepcopy", "pickle"])
def test_a_copied_part_is_whole(duplicate):
    """Parameters, and what replays them, each copied without the engine."""
    engine = BothWays(RECIPE).train().replaying
    parameters = duplicate(engine.parameters)
    assert_same_bits("parameters", parameters.flat, engine.parameters.flat)
    assert not np.may_share_memory(parameters.flat, engine.parameters.flat)
    assert all(np.may_share_memory(tensor, parameters.flat) for tensor in parameters.values())
    model, tokens = duplicate(engine._replay.inference), np.arange(8)[None]
    for _ in range(UNTIL_REPLAYED):
        ours, theirs = (each.loss(tokens, tokens, 8) for each in (model, engine._replay.inference))
        assert_same_bits("loss", ours, theirs)
    assert model.execution == engine._replay.inference.execution == "replay"
    assert model._all[0].last is not engine._replay.inference._all[0].last


@pytest.mark.parametrize("duplicate", COPIES, ids=["deepcopy", "pickle"])
def test_a_copied_decoder_continues_alone(duplicate):
    parameters = BothWays(RECIPE).replaying.parameters
    decoder, tokens = Decoder(parameters, replays=True), np.arange(8)[None]

    def read(each, first, last):
        return [each.read(tokens[:, place : place + 1]) for place in range(first, last)]

    for _ in range(4):
        decoder.length = 0
        expected = read(decoder, 0, 8)
    decoder.length = 0
    read(decoder, 0, 4)
    other = duplicate(decoder)
    tokens = tokens[:, ::-1]
    read(decoder, 4, 8)
    tokens = tokens[:, ::-1]
    for _ in range(4):
        for ours, theirs in zip(read(other, 4, 8), expected[4:], strict=True):
            assert_same_bits("logits", ours, theirs)
        other.length = 4
        decoder.length = 0
        read(decoder, 0, 8)


def test_a_copied_function_is_written_down_again():
    """The copy's memory is another, so its calls are, too."""
    state, inputs = np.zeros(3), np.arange(3.0)

    def add(x, total):
        total += x
        return (np.dot(total[None], x),)

    original = Replayed(add, Workspace(), state=[state], worth=1)
    for _ in range(4):
        original(inputs)
    assert original.was_replayed
    before, other = state.copy(), copy.deepcopy(original)
    for _ in range(4):
        (result,) = other(inputs)
    assert other.was_replayed
    assert_same_bits("the original's state", state, before)
    assert_same_bits("result", result, np.array([np.dot(8 * inputs, inputs)]))
