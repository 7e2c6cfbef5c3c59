"""Tapes: questions, memory that is used again, binding to a buffer, and arrays that lie outside."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.replay.memory import ALIGNMENT
from numpy_gpt.replay.noting import NotRecorded
from numpy_gpt.replay.recording import write_down
from numpy_gpt.replay.tape import Changed
from parity_tests.replay.same_bits import assert_replays, assert_same_bits, nan_buffer

X = np.arange(1.0, 7)
OTHERS = [[X[::-1].copy()], [X * X]]


@pytest.mark.parametrize("question", [lambda x: x[0] > 0, lambda x: (x > 0).all(), lambda x: x.max() > 3])
def test_a_question_is_asked_again(question):
    def compute(x, state):
        y = x * 2 if question(x) else x * 3
        z = -y if x[1] < 0 else y
        state += z
        return (z,)

    state = np.zeros(6)
    tape, (result,) = write_down(compute, [X], state=[state])
    assert np.array_equal(result, 2 * X)
    tape.bind(nan_buffer(tape.size))
    for values in (-X, X * [1, -1, 1, 1, 1, 1]):
        before = state.copy()
        tape.inputs[0][...] = values
        with pytest.raises(Changed):
            tape.replay()
        assert np.array_equal(state, before)
    tape.inputs[0][...] = X + 1
    assert np.array_equal(tape.replay()[0], 2 * X + 2)
    assert np.array_equal(state, before + 2 * X + 2)


def test_questions_answered_with_no():
    assert_replays(lambda x: (x * 2 if x.sum() < 0 else x * 3,), [X], OTHERS)


def test_memory_is_used_again():
    def compute(x):
        for _ in range(20):
            x = x[1:] + x[:-1]
            x = np.concatenate([x, x[:1]])
        return (x,)

    tape = assert_replays(compute, [X], OTHERS)
    assert len(tape) == 40
    assert tape.size == 2 * ALIGNMENT  # 48 bytes each: what a call reads, and its result


def test_an_input_is_kept_while_it_is_read_and_a_result_to_the_end():
    def compute(x):
        first = x * 2
        for _ in range(5):
            last = np.sqrt(first + x)
        return x, first, first[::2], last

    assert_replays(compute, [X], OTHERS)


def test_inputs_are_copied_before_the_first_call_and_may_be_unused():
    given = X.copy()
    tape, (result,) = write_down(lambda x, unused: (x,), [given, X])
    given += 100
    assert np.array_equal(result, X)
    tape.bind(nan_buffer(tape.size))
    for place in tape.inputs:
        place[...] = X
    assert np.array_equal(tape.replay()[0], X)


def test_an_input_keeps_its_layout():
    columns = np.arange(12.0).reshape(3, 4).T / 7
    tape = assert_replays(lambda x: (x + 1, x.reshape(-1), x.sum(0)), [columns])
    assert tape.inputs[0].strides == columns.strides


def test_every_array_lies_at_an_aligned_place():
    tape, _ = write_down(lambda x: (x + 1, x[:5] * 2, x[:3].astype(np.float32), x > 2), [X])
    buffer = np.empty(tape.size + ALIGNMENT, np.uint8)
    begin = -buffer.__array_interface__["data"][0] % ALIGNMENT
    tape.bind(buffer[begin : begin + tape.size])
    for array in (*tape.inputs, *tape.results):
        assert array.__array_interface__["data"][0] % ALIGNMENT == 0


def test_shared_arrays_and_state_are_read_where_they_lie():
    shared, state = X.copy(), np.zeros(6)

    def compute(x, shared, state):
        view = state.reshape(2, 3)[1]
        view += shared[3:] * x[:3]
        return (state[3:] + 0,)

    tape, _ = write_down(compute, [X], [shared], [state])
    tape.bind(nan_buffer(tape.size))
    shared[...], state[...] = 10, 0
    tape.inputs[0][...] = X
    assert_same_bits(tape.replay(), [10 * X[:3]])
    assert_same_bits([state], [np.array([0, 0, 0, 10.0, 20, 30])])


def test_state_that_shares_memory_is_refused():
    """A tape knows by its memory what a call changes, so one memory must not have two names."""
    whole = np.arange(12.0)
    parts = {
        "shares memory with another array; pass the array that both are parts of": ([whole[:8]], [whole[6:]]),
        "of the state is given twice; pass it once": ([whole], [whole]),
    }
    for message, (shared, state) in parts.items():
        for given in ({"shared": shared, "state": state}, {"state": [*shared, *state]}):
            with pytest.raises(NotRecorded, match=message):
                write_down(lambda *arrays: (), [], **given)
    tape, _ = write_down(lambda *arrays: (), [], [whole[:8], whole[6:], whole], [np.zeros(2)])
    assert len(tape) == 0
