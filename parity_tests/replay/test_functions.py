"""Each function of NumPy that can be written down is replayed bit for bit, with every form of its arguments."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.replay.recording import write_down
from numpy_gpt.shared.model.arrays import read_only
from parity_tests.replay.same_bits import assert_replays

X = np.array([[1.0, -2, 3], [4, 5, -6]])
Y = np.array([[2.0, 0, 1], [-1, 3, 2]])
IDS = np.array([2, 0, 1, 1])
OTHERS = [[-X, Y + 1, IDS[::-1].copy()], [X * 2, X, (IDS + 1) % 3]]
CONSTANT = read_only(np.array([[1.0, 2, 3], [4, 5, 0]]))
BOOLS = read_only(CONSTANT > 2)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, y, ids: np.concatenate([x, y]),
        lambda x, y, ids: np.concatenate((x, CONSTANT, y.T[:1].T), axis=1),
        lambda x, y, ids: np.concatenate([x, y], out=np.empty_like(x, shape=(4, 3))),
        lambda x, y, ids: np.concatenate([x.astype(np.float32), y], -1),
        lambda x, y, ids: np.concatenate([x, y], dtype=np.float32),
        lambda x, y, ids: np.concatenate([x, y], dtype=np.int64, casting="unsafe"),
        lambda x, y, ids: np.concatenate([x, [[1.0, 2, 3]]]),
        lambda x, y, ids: np.where(x > 0, y, x),
        lambda x, y, ids: np.where(x > 0, 0, y),
        lambda x, y, ids: np.where(x, y, -0.5),
        lambda x, y, ids: np.where(ids, 1, ids),
        lambda x, y, ids: np.where(BOOLS, x, y) + np.where(CONSTANT, x, y) + np.where([1, 0, 1], x, y),
        lambda x, y, ids: np.where(x > 0, y[0], CONSTANT),
        lambda x, y, ids: np.where(True, x, y) + np.where(0, x, y),
        lambda x, y, ids: np.einsum("ij,kj->ik", x, y),
        lambda x, y, ids: np.einsum("ij,ij", x, CONSTANT),
        lambda x, y, ids: np.dot(x, y.T),
        lambda x, y, ids: np.dot(CONSTANT.T, x),
        lambda x, y, ids: np.dot(x[0], y[1]),
        lambda x, y, ids: np.dot(x, 2.0) + np.dot(3, y),
        lambda x, y, ids: np.dot([[1.0, 2]], x),
        lambda x, y, ids: np.dot(x, y.T, out=np.empty_like(x, shape=(2, 2))),
        lambda x, y, ids: np.take(x, ids),
        lambda x, y, ids: np.take(x, ids, axis=1, mode="clip"),
        lambda x, y, ids: np.take(x, ids * 3 - 4, mode="wrap") + np.take(x, ids * 3 - 4, mode="clip"),
        lambda x, y, ids: np.take(x, 4) + x.take([[1, 2]], 1),
        lambda x, y, ids: np.take(x, ids, 1, np.empty_like(x, shape=(2, 4)), "clip"),
        lambda x, y, ids: np.take(CONSTANT, ids, axis=1, out=np.empty_like(x, shape=(2, 4)), mode="clip"),
        lambda x, y, ids: np.empty_like(x, shape=(0, 2)),
        lambda x, y, ids: np.zeros_like(x),
        lambda x, y, ids: np.zeros_like(x, np.int32, shape=5),
        lambda x, y, ids: np.full_like(x.T, 3) + np.full_like(x.T, x[0, 0]),
        lambda x, y, ids: np.full_like(y, np.float32(0.1), shape=(2, 2)),
        lambda x, y, ids: np.full_like(x, CONSTANT),
        lambda x, y, ids: np.clip(x, -1, y) + np.clip(x, None, 2),
        lambda x, y, ids: np.sum(x) + np.mean(x, 0) + np.max(y, keepdims=True) + np.min(y) + np.any(x) + np.all(x, 0),
        lambda x, y, ids: np.reshape(x.T, (2, 3)) + np.swapaxes(x, 0, 1).reshape(2, 3),
        lambda x, y, ids: np.transpose(x, (1, 0)) + np.squeeze(np.expand_dims(y, 1)).T,
        lambda x, y, ids: np.split(x, 3, axis=1)[1] + np.split(y, [1, 2], axis=1)[-1],
        lambda x, y, ids: np.add(x, [1, 2, 3]) + np.add((1.5, 2, 3), y) + np.add(x, [y[0, 0], y[1], 2][1]),
        lambda x, y, ids: np.add.reduce([x[0], y[1]], axis=0) if type(x) is np.ndarray else x[0] + y[1],
    ],
)
def test_each_function(compute):
    assert_replays(lambda *arrays: (compute(*arrays),), [X, Y, IDS], OTHERS)


@pytest.mark.parametrize("mask", [True, "drawn", "constant"])
def test_copyto(mask):
    def compute(x, y, ids):
        where = {"drawn": y > 0, "constant": BOOLS}.get(mask, True)
        z, whole = x * 1, ids * 1
        np.copyto(z, y, where=where)
        np.copyto(z[0], -0.5, where=where if where is True else where[1])
        np.copyto(whole[:3], y[1], casting="unsafe")
        np.copyto(whole[3:], 8)
        return z, whole

    assert_replays(compute, [X, Y, IDS], OTHERS)


def test_what_numpy_refuses_is_refused_as_numpy_does():
    for wrong in (
        lambda x, ids: np.copyto(ids * 1, x[0, 0]),
        lambda x, ids: np.concatenate([x, x], axis=3),
        lambda x, ids: np.take(x, ids + 99),
        lambda x, ids: np.dot(x, x),
        lambda x, ids: x.reshape(4),
    ):
        errors = []
        for run in (lambda wrong=wrong: wrong(X, IDS), lambda wrong=wrong: write_down(wrong, [X, IDS])):
            with pytest.raises((TypeError, ValueError, IndexError)) as caught:
                run()
            errors.append((caught.type, str(caught.value)))
        assert errors[0] == errors[1]
