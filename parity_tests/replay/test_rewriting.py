"""Shorter tapes give the same numbers, and are not shortened where they would not."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.replay import rewriting
from numpy_gpt.shared.model.arrays import read_only
from parity_tests.replay.same_bits import assert_replays

X = np.arange(1.0, 7)
OTHERS = [[X[::-1].copy()], [X * X]]
CONSTANT = read_only(np.array([7.0, 8]))


@pytest.fixture(autouse=True)
def _no_array_is_too_small(monkeypatch):
    monkeypatch.setattr(rewriting, "_LARGE", 0)


def names(tape):
    return [call if isinstance(call, str) else call.__name__ for call, *_ in tape._calls]


def joined(function, inplace, inputs=(X,), others=OTHERS, **given):
    """Check a function that joins arrays, and whether the joining is left out."""
    tape = assert_replays(lambda *arrays: tuple(function(*arrays)), inputs, others, **given)
    assert ("concatenate" not in names(tape)) == inplace
    return names(tape).count("copyto")


def test_parts_are_made_where_they_are_copied_to():
    assert joined(lambda x: [np.concatenate([x * 2, (x + 1).reshape(2, 3), x[:1] - 1], axis=None)], True) == 0


def test_a_nested_part_is_made_in_the_longest():
    def nested(x):
        inner = np.concatenate([x * 2, x, x * 3], axis=None)
        return [np.concatenate([x - 1, inner, np.concatenate([x * 5, x * 7], axis=None)], axis=None), x * 1]

    assert joined(nested, True) == 1


def test_a_part_that_is_changed_before():
    def change(x):
        part = x * 2
        part[1:] += x[:-1]
        return [np.concatenate([part, x * 3], axis=None)]

    assert joined(change, True) == 0


def read_later(x):
    part = x * 2
    long = np.concatenate([part, x * 3], axis=None)
    long += 1
    return [long, part * 1]


def changed_later(x):
    part = x * 2
    long = np.concatenate([part, x * 3], axis=None)
    part += 1
    return [long, part - 1]


def a_view(x):
    part = x * 2
    return [np.concatenate([part[:3], x * 3], axis=None)]


def a_transposition(x):
    return [np.concatenate([(x * 2).reshape(2, 3).T, x * 3], axis=None)]


def another_dtype(x):
    return [np.concatenate([(x * 2).astype(np.float32), x * 3, x > 2], axis=None)]


def a_result(x):
    part = x * 2
    return [part, np.concatenate([part, x * 3], axis=None)]


def given_twice(x):
    part = x * 2
    return [np.concatenate([part, part], axis=None)]


def given_to_two(x):
    part = x * 2
    return [np.concatenate([part, x + 1], axis=None), np.concatenate([x + 2, part], axis=None)]


def an_input(x):
    return [np.concatenate([np.sqrt(x), x * 2, x], axis=None)]


@pytest.mark.parametrize(
    ("function", "copies"),
    [
        (read_later, 1),
        (changed_later, 1),
        (a_view, 1),
        (a_transposition, 1),
        (another_dtype, 3),
        (a_result, 1),
        (given_twice, 1),
        (given_to_two, 1),
        (an_input, 1),
    ],
)
def test_a_part_that_stays_where_it_is(function, copies):
    assert joined(function, True) == copies


def test_a_shared_array_or_a_state_stays_where_it_is():
    def join(x, shared, state):
        state += 1
        return [np.concatenate([x * 2, shared, state], axis=None)]

    assert joined(join, True, shared=[X + 10], state=[X - 10]) == 2


def into_what_was_touched(x):
    long = np.full_like(x, 1, shape=(12,))
    first = long * 2
    np.concatenate([x * 2, x * 3], axis=None, out=long)
    return [first, long]


def into_a_view(x):
    long = np.zeros_like(x, shape=(13,))
    np.concatenate([x * 2, x * 3], axis=None, out=long[1:])
    return [long]


@pytest.mark.parametrize(
    "function",
    [
        into_what_was_touched,
        into_a_view,
        lambda x: [np.concatenate([x * 2, x * 3])],
        lambda x: [np.concatenate([CONSTANT, x * 3], axis=None)],
    ],
)
def test_a_joining_that_stays(function):
    assert not joined(function, False)


def test_a_joining_into_the_state_stays():
    def join(x, state):
        np.concatenate([x * 2, x * 3], axis=None, out=state)
        return []

    assert joined(join, False, state=[np.zeros(12)]) == 0


def test_casting_of_joined_arrays():
    def join(x):
        return [np.concatenate([x * 2, x + 0.5], axis=None, dtype=np.int64, casting="unsafe")]

    assert joined(join, True) == 2


def replayed(function, inputs=(X,), others=OTHERS, **given):
    """Check a function, and return the names of its tape's calls."""
    return names(assert_replays(lambda *arrays: tuple(function(*arrays)), inputs, others, **given))


def test_a_result_is_written_over_what_is_used_last():
    def compute(x):
        for _ in range(10):
            x = np.sqrt(x + 1)
        return [x]

    assert assert_replays(compute, [X], OTHERS).size == 64


def test_small_results_are_written_elsewhere(monkeypatch):
    monkeypatch.undo()
    for count, arrays in ((100, 2), (rewriting._LARGE // 8, 1)):
        x = np.arange(float(count))
        tape = assert_replays(lambda x: (np.sqrt(np.sqrt(x + 1) + 2),), [x])
        assert tape.size == arrays * (-(-x.nbytes // 64) * 64)


def test_an_input_may_be_written_over_but_not_a_shared_array_or_a_state():
    def compute(x, shared, state):
        return [x * 2, shared * 2, state * 2]

    shared, state = X + 1, X + 2
    assert_replays(compute, [X], OTHERS, [shared], [state])
    assert np.array_equal(shared, X + 1)
    assert np.array_equal(state, X + 2)


def used_twice_in_other_layouts(x):
    y = (x[:4] * 1).reshape(2, 2)
    return [y + y.T]


def used_by_a_view(x):
    y = x * 1
    view = y[::-1]
    z = y * 2
    return [z + view]


def used_later(x):
    y = x * 1
    z = y * 2
    return [z, y + z]


def a_result_used_last(x):
    y = x * 1
    return [y, y[::2], np.sqrt(y)]


def an_input_returned(x):
    return [x, x + 1, -x]


def of_another_dtype(x):
    y = x * 1
    return [(y > 3) * 1, np.add(y, 1, dtype=np.float32, casting="same_kind"), y.view(np.int64) + 1]


def of_another_shape(x):
    column, row = (x * 1).reshape(6, 1), (x * 2).reshape(1, 6)
    return [column + row, x.reshape(1, 6) + x[:1], x + (x[:1] * 2)]


def of_a_part(x):
    before, y, after = x * 2, (x * 1).reshape(2, 3), [x * 3, x * 4]
    return [y[1] + x.reshape(2, 3), before, *after]


def into_an_array_that_was_touched(x):
    y, z = x * 1, x * 3
    w = z + 1
    np.add(y, 1, out=z)
    return [w, z]


def into_a_part(x):
    y, room = x * 1, np.zeros_like(x, shape=(2, 6))
    np.add(y, 1, out=room[1])
    return [room]


def one_after_the_other(x):
    y = x * 1
    a, b = np.sqrt(y), np.square(y)
    c = a + b
    d = c * a
    e = d - b
    return [e, d]


def numbers(x):
    total = x.sum()
    return [x * total / (total + 1), (total * 2).reshape(1) + x, x[:1] * x[1:2] + total]


@pytest.mark.parametrize(
    "compute",
    [
        *(used_twice_in_other_layouts, used_by_a_view, used_later, a_result_used_last, an_input_returned),
        *(
            of_another_dtype,
            of_another_shape,
            of_a_part,
            into_an_array_that_was_touched,
            into_a_part,
            one_after_the_other,
            numbers,
        ),
    ],
)
def test_what_is_not_written_over(compute):
    replayed(compute)


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 1, 6), (2, 3)])
def test_arguments_of_the_results_entries_in_other_shapes(shape):
    def compute(x):
        y = (x * 3).reshape(shape)
        return [y + x.reshape(shape), x.reshape(shape) * (y[:1, :1] + 0), x.reshape(1, 1, *shape) - y]

    replayed(compute)


@pytest.mark.parametrize("part", [np.s_[:, :3], np.s_[:, ::2], np.s_[::-1, 3:], np.s_[:, 5:2:-1]])
def test_arguments_with_gaps_keep_their_shape(part):
    def compute(x, wide):
        return [x.reshape(1, 2, 3) + wide[part], np.sqrt(wide[part]) - x.reshape(1, 2, 3), wide[part][:1, :1] * x]

    wide = np.arange(12.0).reshape(2, 6)
    replayed(compute, [X, wide], [[X * 2, wide + 1]])


def test_a_single_number_of_wider_dtype():
    """A number without axes must not choose another precision than an array of one entry."""

    def compute(x, narrow):
        return [narrow + x[:1], narrow * (x[:1] + 1)[None], narrow + x.sum()]

    replayed(compute, [X / 7, X.astype(np.float32)], [[X / 3, X.astype(np.float32)]])
