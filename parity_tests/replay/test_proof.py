"""A number from elsewhere cannot always be refused; the first replay is compared with a plain call, and finds it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_gpt.replay.replayed import Replayed, Workspace
from numpy_gpt.shared.model.arrays import read_only
from parity_tests.replay.as_plain import X, assert_as_plain, inputs
from parity_tests.replay.programs import programs
from parity_tests.replay.same_bits import assert_same_bits

CONSTANT = read_only(np.arange(6.0))


_OTHER = "a replay gave other numbers: the function uses a number that the tape cannot know"


@given(st.lists(programs(), min_size=1, max_size=3))
def test_random_programs_are_proven(drawn):
    """Several in the same memory, each called with two batches in turn."""
    workspace, pairs = Workspace(), []
    for program, batches, shared, state in drawn:
        other = [array.copy() for array in state]
        pairs.append((Replayed(program, workspace, shared, state, worth=0), program, batches, shared, state, other))
    with np.errstate(all="ignore"):
        for number in range(5):
            for replayed, program, batches, shared, state, other in pairs:
                expected = [np.array(result) for result in program(*batches[number % 2], *shared, *other)]
                assert_same_bits([*replayed(*batches[number % 2]), *state], [*expected, *other])
    for replayed, *_ in pairs:
        assert replayed.given_up is None
        assert replayed.was_replayed


def from_a_counter():
    count = iter(range(10**6))
    return lambda x: (x * next(count),)


def from_a_generator():
    random = np.random.default_rng(3)
    return lambda x: (x * random.random(),)


def from_a_clock():
    return lambda x: (x + time.perf_counter_ns(),)


def from_an_item():
    return lambda x: (x * np.asarray(x).item(1),)


def from_a_constant_method():
    return lambda x: (x * CONSTANT.dot(x),)


def from_a_conversion():
    return lambda x: (x * np.float32(x[1]),)


def from_the_buffer():
    return lambda x: (x * memoryview(np.asarray(x))[1],)


def from_the_base():
    return lambda x: (x * (x if x.base is None else np.asarray(x.base)).item(1),)


def from_a_broadcast():
    return lambda x: (x * next(iter(np.broadcast(x, x)))[0],)


def from_a_write_past_the_recorder():
    def compute(x):
        y = x * 1
        np.asarray(y)[0] = np.asarray(x)[1]
        return (y + 1,)

    return compute


def from_a_changed_constant():
    constant = np.zeros(6)

    def compute(x):
        constant.flags.writeable = True
        constant[...] = x
        constant.flags.writeable = False
        return (x * constant,)

    return compute


def from_a_plain_copy():
    return lambda x: (x + read_only(np.array(x)),)


def from_a_shape():
    count = iter(range(10**6))
    return lambda x: ((x * 0).reshape((2, 3) if next(count) % 2 else (3, 2)),)


def in_the_second_result_only():
    return lambda x: (x + 1, x * np.asarray(x).item(1))


HOLES = [
    *(from_a_counter, from_a_generator, from_a_clock, from_an_item, from_a_constant_method, from_a_conversion),
    *(from_the_buffer, from_the_base, from_a_broadcast, from_a_write_past_the_recorder),
    *(from_a_changed_constant, from_a_plain_copy, from_a_shape, in_the_second_result_only),
]


@pytest.mark.parametrize("make", HOLES, ids=lambda make: make.__name__)
def test_what_cannot_be_refused_is_found_by_the_proof(make):
    replayed = Replayed(make(), Workspace(), worth=1)
    for x in inputs(6):
        replayed(x)
    assert replayed.given_up == _OTHER
    assert not replayed.was_replayed
    assert len(replayed) == 0


@pytest.mark.parametrize("make", [from_an_item, from_a_constant_method, from_a_conversion, from_a_plain_copy])
def test_after_a_failed_proof_the_numbers_are_the_plain_ones(make):
    assert assert_as_plain(make()).given_up == _OTHER


def test_a_failed_proof_leaves_the_state_of_one_plain_call():
    def compute(x, state, other):
        state += np.asarray(x).item(1)
        other *= 2
        return (x + 1,)

    assert assert_as_plain(compute, state=[X.copy(), X.copy()]).given_up == _OTHER


def test_a_difference_in_the_state_alone_is_found():
    def compute(x, state, other):
        state += x
        other += np.asarray(x).item(1)
        return ()

    assert assert_as_plain(compute, state=[X.copy(), X.copy()]).given_up == _OTHER


def test_a_tape_is_proven_only_by_a_replay():
    """The call that is to prove the tape answers otherwise, so it would compare the plain function with itself."""

    def compute(x):
        return (x * 2,) if (x < 0).any() else (x * np.asarray(x).item(1),)

    replayed = Replayed(compute, Workspace(), worth=1)
    for x in (X, X, -X, X + 1, X + 2, X + 3, X + 4, X + 5, X + 6):
        assert_same_bits(replayed(x), compute(x))
        assert not replayed.was_replayed
    assert replayed.given_up == _OTHER
