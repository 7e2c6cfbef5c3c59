"""Planning memory: arrays that are not in use at the same time lie in the same place."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import NamedTuple

ALIGNMENT = 64  # bytes: a line of the cache, and the widest vector of a processor


class Use(NamedTuple):
    """The first and the last call that use an array, and its size in bytes."""

    first: int
    last: int
    size: int


def plan(uses: Sequence[Use]) -> tuple[list[int], int]:
    """Return where each array begins, and how many bytes they need together.

    The largest array is placed first. Each takes the lowest gap between those that are in use at the same time.
    """
    offsets, end = [0] * len(uses), 0
    placed: list[tuple[int, int, int, int]] = []  # begin, end, first and last use, in order of memory
    for number in sorted(range(len(uses)), key=lambda number: -uses[number].size):
        first, last, size = uses[number]
        size, begin = -(-size // ALIGNMENT) * ALIGNMENT, 0
        for other, other_end, other_first, other_last in placed:
            if other_last < first or last < other_first:
                continue
            if begin + size <= other:
                break
            begin = max(begin, other_end)
        insort(placed, (begin, begin + size, first, last))
        offsets[number], end = begin, max(end, begin + size)
    return offsets, end
