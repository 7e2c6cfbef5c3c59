"""When a function is computed plainly, when it is written down, and when it is replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.calls import address_of
from numpy_gpt.replay.memory import ALIGNMENT
from numpy_gpt.replay.noting import NotRecorded
from numpy_gpt.replay.recording import write_down
from numpy_gpt.replay.tape import Changed, Tape

Arrays = Sequence[NDArray[Any]]

WORTH = 4
"""Calls before a function is written down: that costs as much as some tens of calls, which a short run never saves."""


_LARGE = 1 << 24  # bytes


class Workspace:
    """The memory of tapes that never run at the same time, such as all those of one thread: each uses all of it.

    A copy (``copy.deepcopy``, ``pickle``) is empty.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._tapes: list[Tape] = []  # those that are bound to it

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        return Workspace, ()

    def hold(self, tape: Tape) -> None:
        """Bind a tape to this memory, which grows if it has to; another tape is bound again when its turn comes."""
        if self._buffer.size < tape.size:
            self._release()
            if tape.size > _LARGE:
                _return_freed_memory()
            self._buffer = _aligned(tape.size)
        if tape.buffer is not self._buffer:
            tape.bind(self._buffer)
            self._tapes.append(tape)

    def give_way(self) -> None:
        """Free the memory if it is large, before a plain call that needs about as much."""
        if self._buffer.size > _LARGE:
            self._release()

    def _release(self) -> None:
        for tape in self._tapes:
            tape.unbind()
        self._buffer, self._tapes = np.empty(0, np.uint8), []


class Replayed:
    """A function of arrays, whose calls are written down and replayed: ``function(*inputs, *shared, *state)``.

    The inputs of all calls have the same shapes and dtypes, or a call is plain. ``shared`` and ``state`` are read where
    they lie, and the function may change only ``state`` in place. It returns a sequence of arrays, valid until the next
    call.

    The first calls are plain. Then one is written down, and the next is computed both ways: only if all bits are the
    same, those after it are replayed. ``given_up`` says why they are not. If that next call answers an ``if``
    differently, nothing was proven: after twice as many plain calls another one is written down. A copy begins again: a
    tape belongs to the memory that it was written over.
    """

    def __init__(
        self,
        function: Callable[..., Arrays],
        workspace: Workspace,
        shared: Arrays = (),
        state: Arrays = (),
        worth: int = WORTH,
    ) -> None:
        self._function, self._workspace = function, workspace
        self._shared, self._state, self._worth, self._left = shared, state, worth, worth
        self._tape: Tape | None = None
        self._constants: list[tuple[Any, ...]] = []
        self._proven = False
        self.given_up: str | None = None
        self.was_replayed = False  # in the last call, and not computed plainly as well

    def __reduce__(self) -> tuple[type[Replayed], tuple[Any, ...]]:
        return Replayed, (self._function, self._workspace, self._shared, self._state, self._worth)

    def __len__(self) -> int:
        """Return the number of calls on the tape."""
        return 0 if self._tape is None else len(self._tape)

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """Return the function's results for these inputs."""
        self.was_replayed = self._proven
        if self._proven:
            return self._replay(inputs)
        self._workspace.give_way()
        if self.given_up is not None or self._left > 0:
            self._left -= 1
            return self._plain(inputs)
        return self._write_down(inputs) if self._tape is None else self._prove(inputs)

    def _plain(self, inputs: Arrays) -> Arrays:
        return self._function(*inputs, *self._shared, *self._state)

    def _replay(self, inputs: Arrays) -> Arrays:
        tape = self._tape
        assert tape is not None
        self._workspace.hold(tape)
        for place, array in zip(tape.inputs, inputs, strict=True):
            if place.shape != array.shape or place.dtype != array.dtype:
                self.was_replayed = False
                return self._plain(inputs)
            np.copyto(place, array)
        try:
            return tape.replay()
        except Changed:  # nothing outside the tape has been written to
            self.was_replayed = False
            return self._plain(inputs)

    def _write_down(self, inputs: Arrays) -> Arrays:
        before = [array.copy() for array in self._state]
        try:
            self._tape, results = write_down(self._function, inputs, self._shared, self._state)
            self._constants = _digests(self._tape.constants)
            return results
        except Exception as error:  # NotRecorded, or what NumPy cannot do with such arrays
            reason = str(error) if isinstance(error, NotRecorded) else f"{type(error).__name__}: {error}"
        _restore(self._state, before)
        plain = self._plain(inputs)  # if it raises the same, the inputs were wrong, and the next may be right
        self.given_up = reason
        return plain

    def _prove(self, inputs: Arrays) -> Arrays:
        """Compute plainly, then replay, and compare. The plain results are not kept meanwhile: only their digests.

        A constant must still be as it was written down: one that the plain call has changed would be right by chance.
        """
        assert self._tape is not None
        before = [array.copy() for array in self._state]
        expected = _digests((*self._plain(inputs), *self._state)) + self._constants
        _restore(self._state, before)
        self.was_replayed = True
        try:
            results = self._replay(inputs)
            found = _digests((*results, *self._state, *self._tape.constants))
            same_answers, self.was_replayed = self.was_replayed, False
            self._proven = same_answers and found == expected
        except Exception as error:  # the plain call has just computed the same
            self.given_up = f"a replay failed: {type(error).__name__}: {error}"
        else:
            if self._proven:
                return results
            if not same_answers:
                self._tape, self._worth = None, max(2 * self._worth, 1)
                self._left = self._worth
                return results
            self.given_up = "a replay gave other numbers: the function uses a number that the tape cannot know"
        self._tape, self.was_replayed = None, False
        _restore(self._state, before)
        return self._plain(inputs)


def _return_freed_memory() -> None:
    """Let glibc return freed memory to the system: plain calls have left about as much as the tape will take.

    Each thread's is kept apart, and none of it would be used again. With another C library this has no effect.
    """
    import ctypes  # here, because small models never need it

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def _restore(state: Arrays, before: Arrays) -> None:
    for array, values in zip(state, before, strict=True):
        np.copyto(array, values)


def _aligned(size: int) -> NDArray[np.uint8]:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -address_of(memory) % ALIGNMENT
    return memory[start : start + size]


def _digests(arrays: Arrays) -> list[tuple[Any, ...]]:
    return [(np.shape(array), np.asarray(array).dtype, _digest(array)) for array in arrays]


def _digest(array: NDArray[Any]) -> bytes:
    return blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest()
