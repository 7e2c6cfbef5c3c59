"""Each kind of misuse is refused, with a message that says what to write instead; nothing from elsewhere is changed."""

from __future__ import annotations

import copy
import io
import math
import mmap
import pickle
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from numpy_gpt.replay.noting import NotRecorded
from numpy_gpt.replay.recording import write_down
from numpy_gpt.shared.model.arrays import read_only
from parity_tests.replay.same_bits import assert_replays

X = np.array([3.0, 1, 2, 5, 4, 6])
CONSTANT = read_only(np.array([1.0, 2, 3, 4, 5, 6]))
ELSEWHERE = np.array([1.0, 2, 3, 4, 5, 6])
READ_ONLY_VIEW = read_only(ELSEWHERE[:])
BYTES = bytearray(X.tobytes())


def refuse(function, message, inputs=(X,), **given):
    with pytest.raises(NotRecorded, match=message):
        write_down(lambda *arrays: (function(*arrays),), inputs, **given)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: float(x[0]),
        lambda x: int(x.sum()),
        lambda x: complex(x[0]),
        lambda x: x[0].item(),
        lambda x: x.item(0),
        lambda x: x.tolist(),
        lambda x: x.tobytes(),
        lambda x: x.dumps(),
        lambda x: x.tofile(io.BytesIO()),
        lambda x: math.sqrt(x[0]),
        lambda x: x * np.float64(x[0]),  # which catches the exception
        lambda x: math.floor(x[0]),
        lambda x: range(x[0].astype(np.int64)),
        lambda x: [1, 2][x[0].astype(np.int64)],
        lambda x: x[: x[1].astype(np.int64)],
        lambda x: ELSEWHERE[x[0].astype(np.int64) :],
        lambda x: str(x),
        lambda x: repr(x),
        lambda x: f"{x[0]:.2f}",
        lambda x: f"{x[0]}" + "%s" % x[0],  # noqa: UP031
        lambda x: x + np.array([x[0], x[1], 0, 0, 0, 0]),
    ],
)
def test_a_number_taken_out(use):
    refuse(use, "takes a number out of an array, and a replay could not see it change; compute with the array")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda x: list(x), r"__iter__ of an array cannot be replayed; use slices, ufuncs or \.any\(\)"),
        (lambda x: sum(x), "__iter__"),
        (lambda x: list(pairwise(x)), "__iter__"),
        (lambda x: 3 in x, r"__contains__ of an array cannot be replayed; use slices, ufuncs or \.any\(\)"),
        (lambda x: bool(x > 2), r"`if` needs one number, not several; use \.any\(\) or \.all\(\)"),
        (lambda x: x[[0, 1]], "an index must be of numbers and slices; use np.take, or np.copyto with where="),
        (lambda x: x[np.array([0, 1])], "an index must be"),
        (lambda x: x[x > 2], "an index must be"),
        (lambda x: x[True], "an index must be"),
        (lambda x: x.__setitem__(x > 2, 0), "an index must be"),
        (lambda x: (x * 1).__delitem__(0), "__delitem__ of an array cannot be replayed"),
        (lambda x: divmod(x, 2), "__divmod__ of an array cannot be replayed; use arithmetic or ufuncs"),
        (lambda x: np.modf(x), "np.modf.__call__ cannot be replayed; use several simple functions"),
        (lambda x: np.add.outer(x, x), "np.add.outer cannot be replayed"),
        (lambda x: np.add.reduceat(x, [0, 2]), "np.add.reduceat cannot be replayed"),
        (lambda x: np.sort(x), "numpy.sort cannot be replayed; use arithmetic or ufuncs"),
        (lambda x: np.linalg.norm(x), "numpy.linalg.norm cannot be replayed"),
        (lambda x: np.fft.fft(x), "numpy.fft.fft cannot be replayed"),
        (lambda x: np.stack([x, x]), "numpy.stack cannot be replayed; use np.concatenate"),
        (lambda x: np.ones_like(x), "numpy.ones_like cannot be replayed; use np.full_like"),
        (lambda x: np.broadcast_to(x, (2, 6)), "use arithmetic, which broadcasts by itself"),
        (lambda x: np.ravel(x), r"numpy.ravel cannot be replayed; use x\.reshape\(-1\)"),
        (lambda x: np.repeat(x, 2), r"numpy.repeat cannot be replayed; use x\.repeat"),
        (lambda x: np.array_equal(x, x), "numpy.array_equal cannot be replayed"),
        (lambda x: np.where(x > 2), "must be given two arrays to choose from, or it returns indices; name both"),
        (lambda x: np.einsum("i,i", x, x, optimize=True), 'np.einsum must be given subscripts such as "ij,jk"'),
        (lambda x: np.einsum(x, [0], x, [0]), "np.einsum must be given subscripts"),
        (lambda x: np.einsum("ii->i", x[:4].reshape(2, 2)), "returned a view of unknown memory; use slices"),
        (lambda x: x.flatten(), r"flatten of an array cannot be replayed; use x\.reshape\(-1\)"),
        (lambda x: x.cumsum(), "cumsum of an array cannot be replayed; use np.add.accumulate"),
        (lambda x: x.prod(), "prod of an array cannot be replayed; use np.multiply.reduce"),
        (lambda x: (x * 1).sort(), "sort of an array cannot be replayed"),
        (lambda x: x.argmax(), "argmax of an array cannot be replayed"),
        (lambda x: x.flat, r"flat of an array cannot be replayed; use x\.reshape\(-1\)"),
        (lambda x: x.real, "real of an array"),
        (lambda x: x.imag, "imag of an array"),
        (lambda x: x.data, "data of an array"),
        (lambda x: x.ctypes, "ctypes of an array"),
        (lambda x: x.__array__(), "__array__ of an array"),
        (lambda x: np.from_dlpack(x), "__dlpack__ of an array"),
        (lambda x: x.repeat(np.array([1, 2, 3, 1, 1, 1]), 0), "must be given a whole number and an axis"),
        (lambda x: x.repeat(2), "repeat must be given a whole number and an axis, not an array or no axis; name both"),
        (lambda x: x.reshape(2, 3).reshape(6, order="F"), r"takes no options; use a transposition and copy\(\)"),
        (lambda x: x.view(np.ndarray), "a view as another class would not be noted; use the array itself"),
        (lambda x: x.view(type=np.ndarray), "a view as another class"),
        (lambda x: x.astype(object), "holds Python objects, which a replay cannot compute with; use arrays of numbers"),
        (lambda x: np.frompyfunc(abs, 1, 1)(x), "holds Python objects"),
        (lambda x: x.astype(np.float16).mean(), "a mean of float16 cannot be replayed; use a sum, and divide it"),
        (lambda x: np.add.at(x * 1, slice(2), 1), "must be an array or a number, not a slice; use arrays"),
        (lambda x: pickle.dumps(x), "__reduce_ex__ of an array cannot be replayed"),
        (lambda x: copy.copy(x), r"__copy__ of an array cannot be replayed; use x\.copy\(\)"),
        (lambda x: copy.deepcopy(x), "__deepcopy__ of an array"),
        (lambda x: np.copy(x), r"numpy.copy cannot be replayed; use x\.copy\(\)"),
        (lambda x: np.save(io.BytesIO(), x), "numpy.save cannot be replayed"),
        (lambda x: np.vectorize(abs)(x), "made by a call that is not noted"),
    ],
)
def test_what_cannot_be_noted(use, message):
    refuse(use, message)


_ELSEWHERE = (
    "an array takes part that was not computed from the inputs, and could change; pass it in, make it with "
    r"np\.empty_like or np\.zeros_like of an array that was, or make it and what it is a view of read-only"
)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + ELSEWHERE,
        lambda x: ELSEWHERE - x,
        lambda x: ELSEWHERE.__iadd__(x),
        lambda x: x + READ_ONLY_VIEW,
        lambda x: x + read_only(READ_ONLY_VIEW[:]),
        lambda x: x[:4] + sliding_window_view(ELSEWHERE, 4),
        lambda x: x + np.broadcast_to(ELSEWHERE, (2, 6)),
        lambda x: x + read_only(np.frombuffer(BYTES)),
        lambda x: x + np.frombuffer(memoryview(BYTES).toreadonly()),
        lambda x: x + np.zeros(6),
        lambda x: x + np.asarray(x),
        lambda x: x + read_only(np.asarray(x)),
        lambda x: x + np.array(x),
        lambda x: x + np.ascontiguousarray(x),
        lambda x: x + CONSTANT.take(x.astype(np.int64), mode="clip"),
        lambda x: x + CONSTANT[x.astype(np.int64) - 1],
        lambda x: x + x.base,
        lambda x: np.where(ELSEWHERE > 2, x, 0),
        lambda x: np.concatenate([x, ELSEWHERE]),
        lambda x: np.add(x, [ELSEWHERE, ELSEWHERE]),
        lambda x: np.add(x, (ELSEWHERE, ELSEWHERE)),
        lambda x: np.add(x, x, out=x * 1, where=ELSEWHERE > 2),
        lambda x: np.take(x, ELSEWHERE.astype(np.int64) - 1),
        lambda x: np.full_like(x, ELSEWHERE),
        lambda x: np.einsum("i,i", x, ELSEWHERE),
    ],
)
def test_an_array_from_elsewhere(use):
    refuse(use, _ELSEWHERE)


def test_an_array_that_recorded_numbers_were_assigned_into():
    def assign(x):
        plain = np.zeros(6)
        plain[...] = x
        return x * plain

    refuse(assign, _ELSEWHERE)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: np.add(x, 1, out=ELSEWHERE),
        lambda x: np.copyto(ELSEWHERE, x),
        lambda x: np.dot(x, 2.0, ELSEWHERE),
        lambda x: np.take(x, [0], out=ELSEWHERE),
        lambda x: np.concatenate([x], out=ELSEWHERE),
        lambda x: x.sum(out=ELSEWHERE[:1].reshape(())),
        lambda x: CONSTANT,
        lambda x: ELSEWHERE,
        lambda x: 3.0,
        lambda x: None,
        lambda x: np.asarray(x),
    ],
)
def test_what_is_written_to_or_returned(use):
    before = ELSEWHERE.copy()
    refuse(use, "what is written to or returned is not an array that was computed from the inputs; make it with")
    assert np.array_equal(ELSEWHERE, before)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: np.array(x, subok=True) * 2,
        lambda x: CONSTANT.reshape(1, 6).dot(x) * 2,
        lambda x: CONSTANT.reshape(1, 6).dot(x),
        lambda x: CONSTANT.reshape(2, 3).dot(x.reshape(3, 2)),
    ],
)
def test_a_method_that_is_not_noted(use):
    refuse(use, r"by a call that is not noted, such as a method of an .*; write np\.dot\(x, y\), not x\.dot\(y\)")


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.__iadd__(1),
        lambda x: x.__setitem__(0, 1),
        lambda x: x[1:].__setitem__(..., 1),
        lambda x: x.fill(0),
        lambda x: x.reshape(2, 3).T.fill(0),
        lambda x: np.copyto(x, 0),
        lambda x: np.add.at(x, [0], 1),
        lambda x: np.multiply(x, 2, out=x),
        lambda x: np.matmul(x.reshape(2, 3), np.full_like(x, 1, shape=(3, 3)), out=x.reshape(2, 3)),
        lambda x: np.dot(x, 2.0, x),
        lambda x: np.take(x, [0] * 6, out=x, mode="clip"),
        lambda x: np.add.reduce(x, out=x[0:1].reshape(())),
        lambda x: np.concatenate([x * 1], out=x),
    ],
)
def test_an_input_changed_in_place(change):
    mine, shared = X.copy(), X.copy()
    message = "an input or a shared array is changed in place; write to a copy of it"
    refuse(change, message, [mine])
    refuse(change, message, [], shared=[shared])
    assert np.array_equal(mine, X)
    assert np.array_equal(shared, X)


_KEPT = "an array of another recording is used, such as one kept from an earlier call; keep no arrays between calls"


@pytest.mark.parametrize(
    "use",
    [
        lambda old, x: old,
        lambda old, x: old * 1,
        lambda old, x: x + old,
        lambda old, x: np.add(x, [old, old]),
        lambda old, x: np.add((old, old), x),
        lambda old, x: np.add(x, 1, out=x * 1, where=old),
        lambda old, x: np.add.reduce(x, where=old),
        lambda old, x: np.where(old, x, x),
        lambda old, x: np.concatenate([x, old]),
        lambda old, x: np.take(x, old),
        lambda old, x: np.add.at(x * 1, old, 1),
        lambda old, x: np.add.at(x * 1, (old,), 1),
        lambda old, x: old.copy(),
    ],
)
def test_an_array_of_another_recording(use):
    kept = []
    write_down(lambda x: (kept.append(x > 2) or x * 1,), [X])
    refuse(lambda x: use(kept[0], x), _KEPT)
    kept.clear()

    def inner(x):
        refuse(lambda y: use(x > 2, y), _KEPT)  # the other recording has not ended
        return (x * 1,)

    with suppress(NotRecorded):  # its own arrays may have been refused in the other recording
        write_down(inner, [X])


def test_a_recording_that_has_ended_answers_nothing():
    kept = []
    write_down(lambda x: (kept.append(x > 2) or x * 1,), [X])
    refuse(lambda x: x * 2 if kept[0].any() else x, _KEPT)
    refuse(lambda x: x * 2 if kept[0][0] else x, _KEPT)
    for use in (
        lambda old: old * 1,
        lambda old: old.copy(),
        lambda old: bool(old[:1]),
        lambda old: old.reshape(-1) + 1,
    ):
        with pytest.raises(NotRecorded, match=_KEPT):
            use(kept[0])


def caught(use, error, otherwise):
    def compute(x):
        try:
            return use(x)
        except error:
            return otherwise(x)

    return compute


@pytest.mark.parametrize("error", [Exception, NotRecorded])
def test_a_refusal_that_the_function_catches(error):
    refuse(caught(lambda x: x * float(x[1]), error, lambda x: x * 1), "takes a number out of an array")
    refuse(caught(lambda x: x + ELSEWHERE, error, lambda x: x * 1), _ELSEWHERE)
    refuse(caught(lambda x: np.sort(x), error, lambda x: x * 1), "numpy.sort cannot be replayed")
    refuse(caught(lambda x: x[x > 2], error, lambda x: x * 1), "an index must be")
    refuse(caught(lambda x: x * 2 if x > 2 else x, error, lambda x: x * 1), "needs one number")


def test_an_exception_that_depends_on_numbers_and_is_caught():
    message = r"\) is caught, and a replay could not see whether it is raised; test its cause with `if`"
    take = caught(lambda x: np.take(x, x.astype(np.int64)), IndexError, lambda x: x * 1)
    refuse(take, r"IndexError \(index 6 is out of bounds .*" + message)
    with np.errstate(divide="raise"):
        refuse(caught(lambda x: 1 / (x - 3), FloatingPointError, lambda x: x * 1), r"FloatingPointError \(.*" + message)


def test_a_question_after_a_change_of_the_state():
    def ask(x, state):
        state += x
        return 1 if state.any() else 2

    state = np.zeros(6)
    refuse(ask, "an `if` follows a change of the state, which could not be undone; put it before the change",
           state=[state])  # fmt: skip


@pytest.mark.parametrize("kind", ["shared", "state"])
@pytest.mark.parametrize("array", [np.zeros((2, 6)).T, np.zeros(12)[::2]])
def test_memory_in_several_pieces(kind, array):
    message = "shared arrays and state must be C-contiguous; pass the array that they are parts of"
    refuse(lambda x, y: x + 1, message, **{kind: [array]})


def test_constants_take_part():
    with mmap.mmap(-1, X.nbytes) as memory:
        refuse(lambda x: x + read_only(np.frombuffer(memory)), _ELSEWHERE)
    whole = read_only(np.array([[1.0, 2, 3], [4, 5, 6]]))
    others = [[X * 2], [-X]]
    assert_replays(lambda x: (x + CONSTANT, whole[1] * x[:3], np.dot(whole.T, x[:2])), [X], others)
    assert_replays(lambda x: (x + np.broadcast_to(whole.reshape(-1), (2, 6)),), [X], others)
    assert_replays(lambda x: (x + np.frombuffer(X.tobytes()),), [X], others)


def test_numbers_are_never_changed_in_place():
    """A sum is a number in NumPy, so ``t = s; t += 1`` leaves s; recorded, it is an array of shape ()."""

    def change(x):
        s, y = x.sum(), x * 1
        t, first = s, y[0]
        t += 1
        y[0] = 100
        first -= 1
        y[1] += s
        u = np.dot(x, x)
        v = u
        v *= 2
        return s, t, first, y, u, v

    assert_replays(change, [X], [[X + 1]])


def test_a_number_keeps_its_own_precision():
    def scale(x):
        return np.multiply(x, 0.1, dtype=np.float64), np.multiply(x, 0.1), 0.1 - x, x / 3, x.sum() * 0.1

    assert_replays(scale, [X.astype(np.float32)], [[X.astype(np.float32) + 1]])
