"""What is written down is replayed bit for bit: random programs, and each method of an array by itself."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings

from numpy_gpt.replay import rewriting
from numpy_gpt.replay.recording import write_down
from parity_tests.replay.programs import programs
from parity_tests.replay.same_bits import assert_replays

X = np.array([[1.0, -2, 3], [4, 5, -6]])
Y = np.array([[2.0, 0, 1], [-1, 3, 2]])
OTHERS = [[-X, Y + 1], [X * 2, X]]


@pytest.mark.parametrize("large", [0, rewriting._LARGE], ids=["any size", "small"])
@settings(max_examples=3 * settings.default.max_examples)
@given(drawn=programs())
def test_random_programs(large, drawn):
    """With ``large`` 0 a result may be written over an argument of any size."""
    program, inputs, shared, state = drawn
    shared[0].flags.writeable = False  # a write to it would raise
    with np.errstate(all="ignore"), mock.patch.object(rewriting, "_LARGE", large):
        assert_replays(program, inputs[0], inputs[1:], shared, state)


def changed(x, change):
    result = x * 1
    change(result)
    return result


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, y: x + y * 2 - 1 / (y + 7),
        lambda x, y: 2**x + abs(x) ** 0.5 + x**2 + (-x) // 2 + x % 2 + abs(y) + +y,
        lambda x, y: x @ y.T,
        lambda x, y: (x < y) & (x <= 1) | ~(x > 0) ^ (x >= 2) & (x == y) | (x != y),
        lambda x, y: np.add(x, y, out=np.empty_like(x)),
        lambda x, y: np.add(x, y, out=x * 0, where=y > 0),
        lambda x, y: np.add.reduce(x, axis=1, keepdims=True) + y,
        lambda x, y: np.add.reduce(x, axis=(0, 1), dtype=np.float32),
        lambda x, y: np.maximum.reduce(x, axis=0, initial=2, where=y > 0),
        lambda x, y: np.add.reduce(x, axis=0, out=np.empty_like(x, shape=3)),
        lambda x, y: np.add.accumulate(x, axis=1),
        lambda x, y: np.maximum(x, y) + np.minimum(x, 2, out=y * 1),
        lambda x, y: np.maximum.accumulate(x.T),
        lambda x, y: changed(x, lambda z: np.add.at(z, (y > 1).astype(np.int64)[:, 0], 5)),
        lambda x, y: changed(x, lambda z: np.subtract.at(z.reshape(-1), 3, 1.5)),
        lambda x, y: changed(x, lambda z: np.add.at(z, ((y > 1).astype(np.int64)[0], 1), 2)),
        lambda x, y: changed(x, lambda z: z.__setitem__((slice(None), 1), 7)),
        lambda x, y: changed(x, lambda z: z.__setitem__(0, y[1])),
        lambda x, y: changed(x.astype(np.int64), lambda z: z.__setitem__(..., y * 1.5)),
        lambda x, y: changed(x, lambda z: z[1:].fill(y[0, 0])),
        lambda x, y: changed(x, lambda z: z.T[2].fill(4)),
        lambda x, y: x.T.reshape(-1),
        lambda x, y: x.T.reshape(2, 3, order="C"),
        lambda x, y: changed(x, lambda z: z.reshape(-1).__setitem__(2, 9)),
        lambda x, y: x[::-1, ::2] + x[..., None, 0] + x[-1, 1] + x[None, 1, np.int64(1)],
        lambda x, y: x.transpose().swapaxes(0, 1).squeeze() + x.diagonal()[0],
        lambda x, y: x.copy() + x.T.copy("F").T + x.astype(np.float32) + x.astype(float, copy=False),
        lambda x, y: x.astype(np.int32, "F") + y.astype(np.int64, casting="unsafe"),
        lambda x, y: x.repeat(2, 1) + x.repeat(2, -1),
        lambda x, y: x.repeat(0, 0),
        lambda x, y: x.view(np.int64) + (x > y).view(np.int8)[0, 0] + x.view(),
        lambda x, y: x.dot(y.T) + x[:, 0].dot(y[:, 0]) + x.dot(y[0])[:, None],
        lambda x, y: x.take([2, 0], 1) + x.take([5], mode="wrap"),
        lambda x, y: x.sum() + x.mean(0) + x.max(axis=1, keepdims=True) + x.min() + x.any() + x.all(axis=0),
        lambda x, y: x.clip(-1, 2) + x.clip(y, None),
        lambda x, y: x[0].mean(dtype=np.float32) + x.sum(where=y > 0),
        lambda x, y: len(x) * x.shape[1] + x.size + x.T + y.ndim,
    ],
)
def test_each_call(compute):
    assert_replays(lambda x, y: (compute(x, y),), [X, Y], OTHERS)


@pytest.mark.parametrize("operator", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"])
def test_operators_in_place(operator):
    def compute(x, y):
        z = x + 9
        alias = z
        alias = getattr(alias, f"__i{operator}__")(abs(y) + 1)
        return z, alias

    assert_replays(compute, [X, Y], OTHERS)


@pytest.mark.parametrize("operator", ["and", "or", "xor", "lshift", "rshift"])
def test_operators_of_whole_numbers_in_place(operator):
    def compute(x, y):
        z = abs(x).astype(np.int64)
        return z, getattr(z, f"__i{operator}__")(abs(y).astype(np.int64))

    assert_replays(compute, [X, Y], OTHERS)


def test_a_matrix_product_in_place():
    def compute(x, y):
        z = x @ y.T
        z @= z.T + 0
        return (z,)

    assert_replays(compute, [X, Y], OTHERS)


def test_results_into_views():
    def compute(x, y):
        room = np.zeros_like(x, shape=(2, 4, 4))
        np.matmul(x, y.T, out=room[0, ::2, 1:3])
        np.multiply(x, y, out=room[1, :3, :2].T)
        np.add.reduce(x, axis=1, out=room[1, 3, ::3])
        return room, room[0]

    assert_replays(compute, [X, Y], OTHERS)


def test_parts_of_numbers_share_nothing():
    """NumPy's numbers are copied by ``s[...]`` and ``s.reshape(1)``; their copies and transpositions are numbers."""

    def compute(x, y):
        s = x.sum()
        parts = [s[...], s[None], s.reshape(1), s.reshape(1, 1), np.expand_dims(s, 0)]
        for part in parts:
            part += 1
        numbers = [s.copy(), s.astype(np.float32), s.transpose(), s.squeeze(), s[()]]
        for number in numbers:
            number -= 1
        return [s, *parts, *numbers]

    assert_replays(compute, [X, Y], OTHERS)


def test_a_0d_array_is_changed_in_place():
    def compute(x, y, state):
        zero = np.zeros_like(x, shape=())
        alias = zero
        alias += x.sum()
        state[...] += zero
        state *= 2
        return zero, state * 1

    assert_replays(compute, [X, Y], OTHERS, state=[np.array(3.0)])


def test_the_plain_results_are_returned():
    _, (result,) = write_down(lambda x: (x + 1,), [X])
    assert type(result) is np.ndarray
    assert np.array_equal(result, X + 1)
