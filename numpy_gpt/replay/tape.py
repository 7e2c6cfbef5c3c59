"""A tape: the calls of a computation, in order, over memory that stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.calls import Call, Place, parts_in, uses_of, with_places
from numpy_gpt.replay.memory import plan
from numpy_gpt.replay.rewriting import rewritten


class Changed(Exception):
    """A question that the computation asked has another answer now, so other calls would follow."""


def require_answer(question: NDArray[Any], answer: bool) -> None:
    """Check that a question is answered as it was when the tape was written.

    Raises
    ------
    Changed
        If it is not.
    """
    if bool(question) is not answer:
        raise Changed


class Tape:
    """What ``recording.write_down`` returns; ``size`` is the number of bytes that it needs, see ``bind``.

    ``inputs`` are written before each replay; ``results`` are read after it, and are valid until the next.
    """

    def __init__(self, calls: Sequence[Call], inputs: Sequence[Place], results: Sequence[Place]) -> None:
        calls, results = rewritten(calls, inputs, results)
        self._calls, self._inputs, self._results = calls, inputs, results
        uses = uses_of(self._calls, inputs, results)
        offsets, self.size = plan(list(uses.values()))
        self._offsets = dict(zip(uses, offsets, strict=True))
        self._bound: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.buffer: NDArray[np.uint8] | None = None
        self.inputs: list[NDArray[Any]] = []
        self.results: list[NDArray[Any]] = []

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def constants(self) -> list[NDArray[Any]]:
        """The arrays from elsewhere that the calls read."""
        parts = parts_in([(*call.arguments, *call.options.values()) for call in self._calls])
        return [part for part in parts if isinstance(part, np.ndarray)]

    def bind(self, buffer: NDArray[np.uint8]) -> None:
        """Lay all arrays into a buffer of at least ``size`` bytes; tapes may share it if they run in turn."""
        self.buffer = buffer
        self.inputs, self.results = (list(map(self._array, places)) for places in (self._inputs, self._results))
        self._bound = [self._bind(call) for call in self._calls]

    def unbind(self) -> None:
        """Let the buffer go."""
        self.buffer, self.inputs, self.results, self._bound = None, [], [], []

    def replay(self) -> list[NDArray[Any]]:
        """Make all calls, and return the results.

        Raises
        ------
        Changed
            If a question is answered differently from the answer on the tape. Then nothing outside the tape has been
            written to.
        """
        for function, arguments in self._bound:
            function(*arguments)
        return self.results

    def _bind(self, call: Call) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        arguments = with_places(call.arguments, self._array)
        if isinstance(call.function, str):
            function, arguments = getattr(arguments[0], call.function), arguments[1:]
        else:
            function = call.function
        if call.options:
            options = {name: with_places(value, self._array) for name, value in call.options.items()}
            function = partial(function, **options)
        return function, arguments

    def _array(self, place: Place) -> NDArray[Any]:
        memory = place.memory
        start = place.offset
        if memory.fixed is None:
            start += self._offsets.get(memory, 0)
        buffer: Any = self.buffer if memory.fixed is None else memory.fixed
        return np.ndarray(place.shape, place.dtype, buffer, start, place.strides)
