"""Noting calls: what a recording array is, and what may take part in a call that is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.calls import Call, Memory, Place, address_of, places_in
from numpy_gpt.shared.model.arrays import read_only

_KEPT = "an array of another recording is used, such as one kept from an earlier call; keep no arrays between calls"
NUMBERS = (bool, int, float, np.generic)
_ARITHMETIC = {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum}


class NotRecorded(Exception):
    """The computation does what cannot be replayed; the message says what to write instead."""


class Recorder:
    """The calls so far, and the ``kind`` of its arrays.

    ``changed`` says whether a call has written to memory outside the tape, and ``failed`` why a call has raised.
    """

    def __init__(self, kind: type[NotedArray]) -> None:
        self.kind = kind
        self.calls: list[Call] = []
        self.memories: set[Memory] = set()
        self.open, self.changed = True, False
        self.failed: str | None = None

    def note(
        self,
        function: Callable[..., Any] | str,
        arguments: Iterable[Any],
        options: Mapping[str, Any] | None = None,
        out: Place | None = None,
    ) -> None:
        """Write down a call whose arguments are places, numbers and constants; ``out`` is the place it writes to."""
        arguments, options = tuple(arguments), dict(options or {})
        for place in places_in((*arguments, *options.values())):
            self.check(place)
        self.changed = self.changed or (out is not None and out.memory.fixed is not None)
        self.calls.append(Call(function, arguments, options))

    def check(self, place: Place) -> None:
        """Check that a place belongs to this recording.

        Raises
        ------
        NotRecorded
            If it does not.
        """
        if place.memory not in self.memories:
            raise NotRecorded(_KEPT)


class NotedArray(np.ndarray[Any, np.dtype[Any]]):
    """An array of a recording: it knows the recorder, and which memory it is a view of."""

    __array_priority__ = 1.0  # what a constant's method makes of such an array is one too, so place_of can refuse it
    _recorder: Recorder | None = None
    _memory: Memory | None = None
    # Whether the plain computation has a number here, such as a sum, which is never changed in place:
    _is_number = False

    def __array_finalize__(self, parent: Any) -> None:
        """Let a view share its parent's memory."""
        self._recorder = getattr(parent, "_recorder", None)
        self._memory = getattr(parent, "_memory", None)
        self._is_number = self.shape == () and getattr(parent, "_is_number", False)


def noting_array(recorder: Recorder, array: NDArray[Any], memory: Memory) -> NotedArray:
    """Return an array as one whose calls are noted, with this memory.

    Raises
    ------
    NotRecorded
        If it holds Python objects, whose addresses a tape must not copy.
    """
    if array.dtype.hasobject:
        raise NotRecorded("an array holds Python objects, which a replay cannot compute with; use arrays of numbers")
    recorder.memories.add(memory)
    memory.address = address_of(array)
    recording = array.view(recorder.kind)
    recording._recorder, recording._memory = recorder, memory
    return recording


def made(recorder: Recorder, result: Any) -> NotedArray:
    """Return a result as an array with memory of its own."""
    array = np.asarray(result)
    if array.base is not None:
        raise NotRecorded("a function returned a view of unknown memory; use slices, swapaxes and reshape")
    recording = noting_array(recorder, array, Memory(array.nbytes))
    recording._is_number = not isinstance(result, np.ndarray)
    return recording


def computed(recorder: Recorder, out: Any, compute: Callable[[Any], Any]) -> NotedArray:
    """Return what ``compute(out)`` gives: in ``out``, which must be writable, or in new memory if that is None."""
    if out is None:
        return made(recorder, compute(None))
    writable(out)
    compute(plain(out))
    result: NotedArray = out
    return result


def recorder_of(arrays: Iterable[Any]) -> Recorder:
    """Return the recorder that all recording arrays among these share.

    Raises
    ------
    NotRecorded
        If they have several, or the recording has ended.
    """
    recorders = {array._recorder for array in arrays if isinstance(array, NotedArray)}
    recorder = recorders.pop() if len(recorders) == 1 else None
    if recorder is None or not recorder.open:
        raise NotRecorded(_KEPT)
    return recorder


def plain(value: Any) -> Any:
    """Return what NumPy computes with: plain arrays, and everything else as it is."""
    if isinstance(value, NotedArray):
        return np.ndarray.view(value, np.ndarray)
    if isinstance(value, list):
        return list(map(plain, value))
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def place_of(value: Any) -> Place:
    """Return the place of an array that is written to or returned.

    Raises
    ------
    NotRecorded
        If the array is not one that is being recorded.
    """
    memory = getattr(value, "_memory", None)
    if memory is None:
        raise NotRecorded(
            "what is written to or returned is not an array that was computed from the inputs; make it with "
            "np.empty_like or np.zeros_like of one that was"
        )
    offset = address_of(value) - memory.address
    if not 0 <= offset <= memory.size or (value.size and offset == memory.size):
        raise NotRecorded(
            "an array was made by a call that is not noted, such as a method of an array that was not computed from "
            "the inputs; write np.dot(x, y), not x.dot(y)"
        )
    return Place(memory, offset, value.shape, value.strides, value.dtype)


def writable(value: Any) -> Place:
    """Return the place of an array that is about to be written to.

    Raises
    ------
    NotRecorded
        If it is an input, a shared array, or not an array that is being recorded.
    """
    place = place_of(value)
    if not place.memory.writable:
        raise NotRecorded("an input or a shared array is changed in place; write to a copy of it")
    return place


def noted(value: Any) -> Any:
    """Return an argument as a call notes it: a place, a constant, a number, or what is no array.

    Raises
    ------
    NotRecorded
        If it is an array that could change without the tape knowing, or something else.
    """
    if isinstance(value, NotedArray):
        return place_of(value)
    if isinstance(value, np.ndarray):
        if not _is_constant(value):
            raise NotRecorded(
                "an array takes part that was not computed from the inputs, and could change; pass it in, make it with "
                "np.empty_like or np.zeros_like of an array that was, or make it and what it is a view of read-only"
            )
        return value
    if isinstance(value, list):
        return list(map(noted, value))
    if isinstance(value, tuple):
        return tuple(map(noted, value))
    if value is None or isinstance(value, (*NUMBERS, str, np.dtype, type)):
        return value
    raise NotRecorded(f"an argument must be an array or a number, not a {type(value).__name__}; use arrays")


def _is_constant(array: Any) -> bool:
    """Return whether an array and all that it is a view of are read-only."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable or isinstance(array, NotedArray):
            return False
        array = array.base
    return array is None or isinstance(array, bytes)


def with_typed_numbers(ufunc: np.ufunc, inputs: Sequence[Any]) -> Sequence[Any]:
    """Return numbers as arrays of the other operand's dtype: NumPy would convert them again in every call."""
    dtypes = {value.dtype for value in inputs if isinstance(value, np.ndarray)}
    if ufunc not in _ARITHMETIC or len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
        return inputs
    if any(isinstance(value, list | tuple) for value in inputs):
        return inputs
    if np.result_type(*map(plain, inputs)) != dtype:  # before NumPy 2, a float may count as a float64
        return inputs
    return [read_only(np.array(value, dtype)) if type(value) in (int, float) else value for value in inputs]
