"""A function that is replayed: when it is, what is given up, what a failure leaves behind, and whose memory is used."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from numpy_gpt.replay import replayed as replayed_module
from numpy_gpt.replay.calls import Call
from numpy_gpt.replay.memory import ALIGNMENT
from numpy_gpt.replay.replayed import WORTH, Replayed, Workspace
from parity_tests.replay.as_plain import X, assert_as_plain, inputs
from parity_tests.replay.same_bits import assert_same_bits


def counted(function):
    """Return a function and the list of its own calls, which grows only if it is really called."""
    calls = []

    def compute(*arrays):
        calls.append(len(calls))
        return function(*arrays)

    return compute, calls


@pytest.mark.parametrize("worth", [0, 1, 3, WORTH])
def test_calls_before_it_is_replayed(worth):
    function, calls = counted(lambda x: (np.sqrt(x) + 1,))
    replayed = Replayed(function, Workspace(), worth=worth)
    for number, x in enumerate(inputs()):
        assert_same_bits(replayed(x), [np.sqrt(x) + 1])
        assert replayed.was_replayed == (number > worth + 1)
        assert len(calls) == min(number + 1, worth + 2)  # plain calls, one written down, one that proves the tape
        assert len(replayed) == (2 if number >= worth else 0)
    assert replayed.given_up is None


def test_it_is_worth_some_calls_by_default():
    function, calls = counted(lambda x: (x + 1,))
    replayed = Replayed(function, Workspace())
    for x in inputs():
        replayed(x)
    assert len(calls) == WORTH + 2


def test_state_and_shared_arrays():
    def compute(x, shared, state, total):
        state *= 0.5
        state += x * shared
        total += state.sum()
        return state * 1, total + 0

    replayed = assert_as_plain(compute, state=[X.copy(), np.zeros(())], shared=[X - 2])
    assert replayed.was_replayed


def test_what_cannot_be_written_down_is_computed_plainly():
    def compute(x, state):
        state += x
        return (x * float(state[0]),)

    replayed = assert_as_plain(compute, state=[X.copy()])
    assert "takes a number out of an array" in replayed.given_up
    replayed = assert_as_plain(lambda x: (np.sort(-x),))
    assert replayed.given_up == "numpy.sort cannot be replayed; use arithmetic or ufuncs"
    replayed = assert_as_plain(lambda x: (x + (1 if type(x) is np.ndarray else [1, 2]),))
    assert replayed.given_up.startswith("ValueError: operands could not be broadcast")


def test_a_replay_that_fails_where_the_plain_call_does_not_is_given_up():
    def compute(x, state):
        state += x
        return (x * state,)

    state, other = np.zeros(6), np.zeros(6)
    replayed = Replayed(compute, Workspace(), state=[state], worth=0)
    replayed(X)
    compute(X, other)
    replayed._tape._calls = [*replayed._tape._calls, Call(lambda: 1 / 0, (), {})]
    for _ in range(2):
        assert_same_bits([*replayed(X), state], [*compute(X, other), other])
        assert replayed.given_up == "a replay failed: ZeroDivisionError: division by zero"
        assert not replayed.was_replayed


def test_another_answer_is_computed_plainly_and_later_calls_are_replayed():
    def compute(x, state):
        y = x * 2 if (x > 0).all() else x * 3
        state += y
        return (y,)

    function, calls = counted(compute)
    state, other = np.zeros(6), np.zeros(6)
    replayed = Replayed(function, Workspace(), state=[state], worth=1)
    for number, x in enumerate([X, X, X, X, -X, X, -X, X]):
        before = len(calls)
        expected = compute(x, other)
        assert_same_bits([*replayed(x), state], [*expected, other])
        if number > 3:
            assert replayed.was_replayed == (x[0] > 0)
            assert len(calls) - before == (x[0] < 0)
    assert replayed.given_up is None


def test_a_function_whose_answers_alternate_is_written_down_less_and_less_often():
    recordings = []
    function, calls = counted(lambda x: (x * 2,) if (x > 0).all() else (x * 3,))
    replayed = Replayed(function, Workspace(), worth=1)
    for number in range(200):
        x = X * (-1) ** number
        had = len(replayed)
        assert_same_bits(replayed(x), [x * 2 if number % 2 == 0 else x * 3])
        recordings += [number] * (len(replayed) > had)
    assert replayed.given_up is None
    assert recordings == [1, 5, 11, 21, 39, 73, 139]
    assert len(calls) == 200 + 7


def test_other_shapes_and_dtypes_are_computed_plainly():
    replayed = Replayed(lambda x: (x + np.float32(1),), Workspace(), worth=0)
    for _ in range(3):
        replayed(X)
    for x in (X[:1], X.astype(np.float32), X.astype(np.int64), X.reshape(2, 3)):
        assert_same_bits(replayed(x), [x + np.float32(1)])
        assert not replayed.was_replayed
        assert_same_bits(replayed(X), [X + 1])
        assert replayed.was_replayed


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_the_function_raises_is_raised_as_in_a_plain_call(at, error):
    """While it is plain, written down or proven; then calls continue as if nothing had happened."""
    fails = False

    def compute(x, state):
        state += x
        if fails:
            raise error("planted")
        state *= 2
        return (state + 1,)

    state, other = np.zeros(6), np.zeros(6)
    replayed = Replayed(compute, Workspace(), state=[state], worth=2)
    for number in range(10):
        fails = number == at
        if not fails:
            assert_same_bits([*replayed(X), state], [*compute(X, other), other])
            continue
        for function, arrays in ((compute, (X, other)), (replayed, (X,))):
            with pytest.raises(error, match="planted") as caught:
                function(*arrays)
            assert caught.value.__context__ is None
        assert_same_bits([state], [other])
    assert replayed.given_up is None
    assert replayed.was_replayed


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_a_replay_raises_is_raised(error):
    def take(x):
        return (np.take(x, x.astype(np.int64)),)

    replayed = Replayed(take, Workspace(), worth=0)
    for _ in range(3):
        replayed(X % 6)
    assert replayed.was_replayed
    with pytest.raises(IndexError, match="index 6 is out of bounds"):
        replayed(X)
    assert_same_bits(replayed(X % 6), take(X % 6))

    def interrupt(*arguments):
        raise error

    bound, replayed._tape._bound = replayed._tape._bound, [(interrupt, ())]
    with pytest.raises(error):
        replayed(X % 6)
    replayed._tape._bound = bound
    assert_same_bits(replayed(X % 6), take(X % 6))


def test_tapes_share_memory_that_grows():
    workspace = Workspace()
    small = Replayed(lambda x: (x + 1, x * x), workspace, worth=0)
    large = Replayed(lambda x: (np.concatenate([x, x * 2, x * 3, x * 4] * 9),), workspace, worth=0)
    other = Replayed(lambda x: (x - 1,), Workspace(), worth=0)
    for x in inputs(3):
        small(x)
    kept = small(X)
    for x in inputs(5):
        assert_same_bits(large(x), [np.concatenate([x, x * 2, x * 3, x * 4] * 9)])
        assert_same_bits(other(x), [x - 1])
    assert_same_bits(kept, [X + 1, X * X])  # its memory is no longer shared, and was not overwritten
    for x in inputs(5):
        assert_same_bits(small(x), [x + 1, x * x])
        assert_same_bits(large(x), [np.concatenate([x, x * 2, x * 3, x * 4] * 9)])
    assert small.was_replayed and large.was_replayed
    assert small._tape.buffer is large._tape.buffer is not other._tape.buffer
    assert small._tape.buffer.size == large._tape.size > small._tape.size


@pytest.mark.parametrize("large", [True, False])
def test_large_memory_gives_way_to_plain_calls(monkeypatch, large):
    monkeypatch.setattr(replayed_module, "_LARGE", 0 if large else 1 << 24)
    workspace = Workspace()
    first, second = (Replayed(function, workspace, worth=1) for function in (lambda x: (x + 1,), lambda x: (x * x,)))
    for x in inputs(4):
        first(x)
    assert first._tape.buffer.size > 0
    for number, x in enumerate(inputs(5)):
        assert_same_bits(second(x), [x * x])  # plain, plain, written down, proven, replayed
        assert (first._tape.buffer is None) == large
        assert (workspace._buffer.size == 0) == (large and number < 2)
    for x in inputs(3):
        assert_same_bits(first(x), [x + 1])
        assert_same_bits(second(x), [x * x])
    assert first.was_replayed and second.was_replayed


def _long(x, state):
    state += 1
    return (np.concatenate([x] * 1000) + state,)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_begins_again_with_memory_of_its_own(copied):
    state, workspace = np.zeros(()), Workspace()
    pair = [Replayed(_long, workspace, state=[state], worth=1) for _ in range(2)]
    for _ in range(4):
        for each in pair:
            each(X)
    assert len(pickle.dumps(pair)) < 1000  # a replay needs 48,000 bytes and more
    first, second = copied(pair)
    assert not len(first)
    for number in range(4):
        assert_same_bits(first(X), [np.concatenate([X] * 1000) + 9 + 2 * number])
        assert first.was_replayed == (number > 2)
        second(X)
    assert first._tape.buffer is second._tape.buffer is not pair[0]._tape.buffer
    assert state == 8


def test_all_arrays_are_aligned():
    replayed = Replayed(lambda x: (x + 1, x[:3] * 2, x > 2), Workspace(), worth=0)
    for _ in range(3):
        results = replayed(X)
    for array in results:
        assert array.__array_interface__["data"][0] % ALIGNMENT == 0


def test_inputs_are_not_kept():
    """What the caller does with an input afterwards changes no result."""
    replayed = Replayed(lambda x: (x, x + 1), Workspace(), worth=0)
    for _ in range(4):
        x = X.copy()
        results = replayed(x)
        if replayed.was_replayed:
            x[...] = 0
            assert_same_bits(results, [X, X + 1])


def test_results_of_any_shape_are_compared():
    def compute(x):
        return x.reshape(1, 2, 3) + 1, x[:0], x.sum(), x > 2, x[::2]

    assert assert_as_plain(compute).was_replayed
