"""Random programs of the calls that can be written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]
Step = Callable[[list[Any]], Any]
"""Computes an array from those so far; None if the step only changes one of them."""

_DTYPES = ("float32", "float64", "int64", "bool")
_UNARY = (np.negative, np.abs, np.square, np.sqrt, np.tanh, np.exp, np.isnan, np.sign, np.logical_not, np.reciprocal)
_BINARY = (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.less, np.equal, np.arctan2, np.fmod)
_REDUCE = (np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.logical_or)
_METHODS = ("sum", "mean", "max", "min", "any", "all")
_OPERATORS = ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__iand__", "__ior__")
CONSTANT = np.array([[0, 1, 2], [3, 4, 5.0]])
CONSTANT.flags.writeable = False


class Program:
    """A function of arrays: its steps, and which of the arrays that they compute it returns."""

    def __init__(self, steps: Sequence[Step], returned: Sequence[int]) -> None:
        self._steps, self._returned = steps, returned

    def __call__(self, *arrays: NDArray[Any]) -> list[Any]:
        """Return the chosen arrays."""
        values = list(arrays)
        with np.errstate(all="ignore"):
            for step in self._steps:
                values.append(step(values))
        return [values[number] for number in self._returned]


@st.composite
def programs(draw: st.DrawFn, length: int = 14) -> tuple[Program, list[Arrays], Arrays, Arrays]:
    """Draw a program, two sets of inputs, a shared array and a state.

    Each step is tried as it is drawn, on plain arrays, and left out if NumPy refuses it.
    """
    random = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    kinds = [(_shape(draw), draw(st.sampled_from(_DTYPES))) for _ in range(3)]
    inputs = [[_array(random, *kind) for kind in kinds] for _ in range(2)]
    shared, state = [_array(random, (2, 3), "float64")], [_array(random, (2, 3), "float64")]
    fixed = [array.copy() for array in (*inputs[0], *shared)]
    values: list[Any] = [*fixed, state[0].copy()]
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, length))):
        step = _STEPS[draw(st.integers(0, len(_STEPS) - 1))](draw, values, fixed)
        try:
            with np.errstate(all="ignore"):
                result = None if step is None else step(values)
        except (TypeError, ValueError, IndexError, Warning):
            continue
        half = getattr(result, "dtype", None) == np.float16  # the root of a bool; its mean is refused
        if step is not None and not half and np.size(result) < 200:
            steps.append(step)
            values.append(result)
    computed = [number for number, value in enumerate(values) if value is not None]
    returned = draw(st.lists(st.sampled_from(computed[-6:] + computed), max_size=4))
    return Program(steps, returned), inputs, shared, state


def _shape(draw: st.DrawFn) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.sampled_from([2, 3, 3, 1, 2, 0]), max_size=3)))


def _array(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    return random.integers(-3, 4, shape).astype(dtype)  # whole numbers, so products are exact on every machine


def _pick(draw: st.DrawFn, values: list[Any], allowed: Callable[[Any], Any] = lambda value: True) -> int | None:
    found = [number for number, value in enumerate(values) if value is not None and allowed(value)]
    return draw(st.sampled_from(found)) if found else None


def _target(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> int | None:
    """Draw an array that may be written to: no number, nothing read-only, no view of an input."""

    def allowed(value: Any) -> Any:
        mine = isinstance(value, np.ndarray) and value.flags.writeable and value.size
        return mine and not any(np.may_share_memory(value, array) for array in fixed)

    return _pick(draw, values, allowed)


def _unary(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    ufunc, x = draw(st.sampled_from(_UNARY)), _pick(draw, values)
    return lambda values: ufunc(values[x])


def _binary(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    ufunc, x, y = draw(st.sampled_from(_BINARY)), _pick(draw, values), _pick(draw, values)
    return lambda values: ufunc(values[x], values[y])


def _with_number(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    ufunc, x = draw(st.sampled_from(_BINARY)), _pick(draw, values)
    number = draw(st.sampled_from([2, 0.3, True, np.float32(0.1), CONSTANT, [1, 2, 3], (0.5, 1.5)]))
    dtype = draw(st.sampled_from([None, None, np.float64]))
    options = {} if dtype is None else {"dtype": dtype}
    if draw(st.booleans()):
        return lambda values: ufunc(values[x], number, **options)
    return lambda values: ufunc(number, values[x], **options)


def _into(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step | None:
    ufunc, x, y = draw(st.sampled_from(_BINARY)), _pick(draw, values), _pick(draw, values)
    out, mask = _target(draw, values, fixed), _pick(draw, values, lambda value: value.dtype == np.bool_)
    if out is None:
        return None
    if mask is None or draw(st.booleans()):
        return lambda values: ufunc(values[x], values[y], out=values[out], casting="same_kind")
    return lambda values: ufunc(values[x], values[y], out=values[out], where=values[mask])


def _reduce(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    ufunc, x = draw(st.sampled_from(_REDUCE)), _pick(draw, values)
    axis, keep = draw(st.sampled_from([None, 0, -1, (0, 1)])), draw(st.booleans())
    if draw(st.integers(0, 3)) == 0 and isinstance(axis, int):
        return lambda values: ufunc.accumulate(values[x], axis)
    return lambda values: ufunc.reduce(values[x], axis=axis, keepdims=keep)


def _method(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    name, x = draw(st.sampled_from(_METHODS)), _pick(draw, values)
    axis, keep = draw(st.sampled_from([None, 0, -1, (0, 1)])), draw(st.booleans())
    if draw(st.booleans()):
        return lambda values: getattr(np, name)(values[x], axis=axis, keepdims=keep)
    return lambda values: getattr(values[x], name)(axis=axis, keepdims=keep)


def _at(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step | None:
    out, ids = _target(draw, values, fixed), _pick(draw, values, lambda value: value.dtype == np.int64)
    if out is None or ids is None or values[out].ndim == 0 or 0 in values[out].shape:
        return None
    last, kind = len(values[out]) - 1, draw(st.sampled_from(["array", "tuple", "number"]))
    number = draw(st.sampled_from([1, 2]))

    def step(values: list[Any]) -> None:
        places = np.clip(values[ids], 0, last)
        index = {"array": places, "tuple": (places,), "number": last}[kind]
        np.add.at(values[out], index, number)

    return step


def _products(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    x, y, kind = _pick(draw, values), _pick(draw, values), draw(st.integers(0, 4))
    if kind == 0:
        return lambda values: values[x] @ np.swapaxes(values[x], -1, -2)
    if kind == 1:
        return lambda values: np.dot(values[x], values[y])
    if kind == 2:
        return lambda values: np.einsum("...j,...j->...", values[x], values[y])
    if kind == 3:
        return lambda values: np.dot(CONSTANT, values[x])

    def into_view(values: list[Any]) -> Any:
        square = values[x] @ np.swapaxes(values[x], -1, -2)
        room = np.zeros_like(square, shape=(2, *square.shape[::-1]))
        np.matmul(values[x], np.swapaxes(values[x], -1, -2), out=room[1].transpose())
        return room

    return into_view


def _take(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step | None:
    x, ids = _pick(draw, values), _pick(draw, values, lambda value: value.dtype == np.int64)
    axis, mode = draw(st.sampled_from([None, 0, -1])), draw(st.sampled_from(["raise", "wrap", "clip"]))
    if ids is None:
        return lambda values: values[x].take([0, 0], axis)
    if mode == "raise":
        return lambda values: np.take(values[x], np.maximum(np.minimum(values[ids], 0), 0), axis)
    if draw(st.booleans()):
        return lambda values: np.take(CONSTANT, values[ids], 1, np.empty_like(values[ids] * 0.5, shape=(2, 3)), mode)
    return lambda values: values[x].take(values[ids], axis=axis, mode=mode)


def _join(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    parts = [_pick(draw, values) for _ in range(draw(st.integers(1, 3)))]
    axis, constant = draw(st.sampled_from([None, None, 0, -1])), draw(st.booleans())
    if draw(st.booleans()):
        return lambda values: np.concatenate([values[part] * 2 for part in parts], axis=None)
    if constant and axis is None:
        return lambda values: np.concatenate([CONSTANT, *(values[part] for part in parts)], axis=None)
    return lambda values: np.concatenate([values[part] for part in parts], axis, dtype=np.float64, casting="unsafe")


def _choose(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    c, x, y, kind = _pick(draw, values), _pick(draw, values), _pick(draw, values), draw(st.integers(0, 2))
    if kind == 0:
        return lambda values: np.where(values[c], values[x], values[y])
    if kind == 1:
        return lambda values: np.where(values[c], values[x], -0.5)
    return lambda values: np.clip(values[x], -1, 1)


def _make(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    x, kind, shape = _pick(draw, values), draw(st.integers(0, 4)), _shape(draw)
    dtype = draw(st.sampled_from(["float32", "float64", "int64"]))
    if kind == 0:
        return lambda values: np.zeros_like(values[x], shape=shape)
    if kind == 1:
        return lambda values: np.full_like(values[x], 3, dtype=dtype)
    if kind == 2:
        return lambda values: np.copy(values[x], "K") if isinstance(values[x], float) else values[x].copy()
    if kind == 3:
        return lambda values: values[x].astype(dtype)

    def filled(values: list[Any]) -> Any:
        room = np.empty_like(values[x], dtype, shape=(2, *values[x].shape))
        room[0] = values[x]
        room[1:].fill(2)
        return room

    return filled


def _view(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    x, kind, shape = _pick(draw, values), draw(st.integers(0, 9)), _shape(draw)
    start, step = draw(st.sampled_from([None, 0, 1])), draw(st.sampled_from([1, 2, -1, -2]))
    views: list[Step] = [
        lambda values: values[x].reshape(-1),
        lambda values: np.reshape(values[x], (*shape, -1)),
        lambda values: values[x][..., start::step],
        lambda values: values[x][start::step],
        lambda values: values[x][0],
        lambda values: values[x][..., None, 0],
        lambda values: np.transpose(values[x]),
        lambda values: np.expand_dims(np.squeeze(values[x]), 0),
        lambda values: values[x].diagonal(),
        lambda values: np.split(values[x], [1], axis=-1)[start or 0],
    ]
    return views[kind]


def _change(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step | None:
    out, x = _target(draw, values, fixed), _pick(draw, values)
    mask = _pick(draw, values, lambda value: value.dtype == np.bool_)
    kind, operator = draw(st.integers(0, 4)), draw(st.sampled_from(_OPERATORS))
    number = _pick(draw, values, lambda value: not isinstance(value, np.ndarray))
    if number is not None and draw(st.booleans()):  # s += 1 makes a new number of a number

        def rebind(values: list[Any]) -> Any:
            value = values[number]
            value += 1
            return value

        return rebind
    if out is None:
        return None

    def step(values: list[Any]) -> None:
        if kind == 0:
            values[out][...] = values[x]
        elif kind == 1:
            values[out][:1] = 2
        elif kind == 2:
            values[out][0] += values[x]
        elif kind == 3 and mask is not None:
            np.copyto(values[out], values[x], where=values[mask])
        else:
            getattr(values[out], operator)(values[x])

    return step


def _repeat(draw: st.DrawFn, values: list[Any], fixed: Arrays) -> Step:
    x, count, axis = _pick(draw, values), draw(st.integers(0, 3)), draw(st.sampled_from([0, -1]))
    return lambda values: values[x].repeat(count, axis)


_STEPS = (
    *(_unary, _binary, _with_number, _into, _reduce, _method, _at, _products, _take, _join, _choose, _make, _view),
    *(_view, _change, _change, _repeat),
)
