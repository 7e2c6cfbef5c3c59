"""What a tape consists of: calls, and the places in memory that they read and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.replay.memory import Use

Shape = tuple[int, ...]


class Memory:
    """The memory of one array and of its views: ``fixed`` is where it lies, or None if the tape is to choose a place.

    A tape writes to memory only if ``writable``. ``address`` is where it lay when the calls were written down.
    """

    __slots__ = ("address", "fixed", "size", "writable")

    def __init__(self, size: int, fixed: NDArray[Any] | None = None, *, writable: bool = True) -> None:
        self.address, self.size, self.fixed, self.writable = 0, size, fixed, writable


class Place(NamedTuple):
    """An array on the tape: a part of some memory, seen with this shape, these strides and this dtype."""

    memory: Memory
    offset: int
    shape: Shape
    strides: Shape
    dtype: np.dtype[Any]

    @property
    def entries(self) -> int:
        """The number of its entries."""
        return prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether its entries follow one another in C order."""
        size = self.dtype.itemsize
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != size:
                return False
            size *= length
        return True

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its memory, in C order."""
        return self.is_contiguous and self.entries * self.dtype.itemsize == self.memory.size


class Call(NamedTuple):
    """A call of a function, or of the first argument's method of this name.

    An argument may be a Place, or a list or tuple of them.
    """

    function: Callable[..., Any] | str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def address_of(array: NDArray[Any]) -> int:
    """Return the address of an array's first number."""
    address: int = array.__array_interface__["data"][0]
    return address


def places_in(argument: Any) -> Iterator[Place]:
    """Yield the places in a call's argument."""
    return (part for part in parts_in(argument) if isinstance(part, Place))


def parts_in(argument: Any) -> Iterator[Any]:
    """Yield the places, constants and numbers in a call's argument."""
    if isinstance(argument, list | tuple) and not isinstance(argument, Place):
        for part in argument:
            yield from parts_in(part)
    else:
        yield argument


def with_places(argument: Any, replace: Callable[[Place], Any]) -> Any:
    """Return a call's argument with its places replaced."""
    if isinstance(argument, Place):
        return replace(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(with_places(part, replace) for part in argument)
    return argument


def places_of(call: Call) -> Iterator[Place]:
    """Yield all places in a call's arguments."""
    return places_in((*call.arguments, *call.options.values()))


def uses_of(calls: Sequence[Call], inputs: Sequence[Place], results: Sequence[Place]) -> dict[Memory, Use]:
    """Return the uses of all memory without a fixed place: inputs are written before, results read after all calls."""
    uses = {place.memory: Use(-1, -1, place.memory.size) for place in inputs}
    for number, call in enumerate(calls):
        for place in places_of(call):
            memory = place.memory
            if memory.fixed is None:
                uses[memory] = Use(uses[memory].first if memory in uses else number, number, memory.size)
    for place in results:
        memory = place.memory
        if memory.fixed is None:
            uses[memory] = Use(uses[memory].first if memory in uses else -1, len(calls), memory.size)
    return uses
