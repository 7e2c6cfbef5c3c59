"""Comparing replays with the plain function, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.recording import write_down
from numpy_gpt.replay.tape import Tape

Arrays = Sequence[NDArray[Any]]


def nan_buffer(size: int) -> NDArray[np.uint8]:
    """Return memory in which every float is NaN, so what is read before it is written shows."""
    return np.full(size, 255, np.uint8)


def assert_same_bits(found: Arrays, expected: Arrays) -> None:
    """Check dtypes, shapes and bits; a NaN may be any NaN, because its payload has no meaning."""
    assert len(found) == len(expected)
    for one, other in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert _bits(one) == _bits(other)


def assert_replays(
    function: Callable[..., Arrays],
    inputs: Arrays,
    others: Sequence[Arrays] = (),
    shared: Arrays = (),
    state: Arrays = (),
) -> Tape:
    """Write a function down, check its results for these and for other inputs, and return its tape, still bound."""
    kept, tape = [array.copy() for array in state], None
    expected = _plainly(function, inputs, shared, state)
    tape, results = write_down(function, inputs, shared, state)
    assert_same_bits([*results, *state], expected)
    for _ in range(2):  # the second buffer lies elsewhere
        tape.bind(nan_buffer(tape.size))
        for each in (*others, inputs):
            for array, values in zip(state, kept, strict=True):
                array[...] = values
            expected = _plainly(function, each, shared, state)
            tape.buffer[...] = 255
            for place, values in zip(tape.inputs, each, strict=True):
                place[...] = values
            assert_same_bits([*tape.replay(), *state], expected)
    return tape


def _plainly(function: Callable[..., Arrays], inputs: Arrays, shared: Arrays, state: Arrays) -> Arrays:
    changed = [array.copy() for array in state]
    results = function(*(array.copy() for array in inputs), *shared, *changed)
    return [np.array(array) for array in (*results, *changed)]


def _bits(array: NDArray[Any]) -> bytes:
    return (np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array).tobytes()
