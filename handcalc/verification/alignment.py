"""Align two sequences of lines: find which line of the one is which line of the other, in nearly linear time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

_LARGEST_GAP = 10_000

Pair = tuple[int | None, int | None]
"""The places of one line in both sequences; None where it is in one of them only."""


def align(expected: Sequence[str], found: Sequence[str], alike: Callable[[int, int], bool]) -> Iterator[Pair]:
    """Yield the places of both sequences in order, paired if the lines are equal, ``alike``, or next to such lines.

    As in a patience diff, lines that occur once in each sequence are found first. Between them, a small gap is searched
    for the longest common part, and a large one is paired line by line.
    """
    start = (0, 0)
    for anchor in [*_anchors(expected, found), (len(expected), len(found))]:
        yield from _align_gap(range(start[0], anchor[0]), range(start[1], anchor[1]), alike)
        if anchor[0] < len(expected):
            yield anchor
        start = (anchor[0] + 1, anchor[1] + 1)


def _anchors(expected: Sequence[str], found: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest rising chain of lines that occur once in each sequence."""
    once = [{line for line, count in Counter(lines).items() if count == 1} for lines in (expected, found)]
    places = {line: place for place, line in enumerate(found) if line in once[0] and line in once[1]}
    common = [(place, places[line]) for place, line in enumerate(expected) if line in places]
    lasts: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (_, other) in enumerate(common):
        length = bisect_left(lasts, other)
        lasts[length : length + 1] = [other]
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [number]
    chain: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        chain.append(common[at])
        at = before[at]
    return chain[::-1]


def _align_gap(ours: range, theirs: range, alike: Callable[[int, int], bool]) -> Iterator[Pair]:
    head = 0
    while head < min(len(ours), len(theirs)) and alike(ours[head], theirs[head]):
        yield ours[head], theirs[head]
        head += 1
    ours, theirs = ours[head:], theirs[head:]
    tail = 0
    while tail < min(len(ours), len(theirs)) and alike(ours[-1 - tail], theirs[-1 - tail]):
        tail += 1
    yield from _align_rest(ours[: len(ours) - tail], theirs[: len(theirs) - tail], alike)
    yield from zip(ours[len(ours) - tail :], theirs[len(theirs) - tail :], strict=True)


def _align_rest(ours: range, theirs: range, alike: Callable[[int, int], bool]) -> Iterator[Pair]:
    start = (0, 0)
    common = _common(ours, theirs, alike) if 0 < len(ours) * len(theirs) <= _LARGEST_GAP else []
    for one, other in [*common, (len(ours), len(theirs))]:
        changed = min(one - start[0], other - start[1])
        yield from zip(ours[start[0] : start[0] + changed], theirs[start[1] : start[1] + changed], strict=True)
        yield from ((place, None) for place in ours[start[0] + changed : one])
        yield from ((None, place) for place in theirs[start[1] + changed : other])
        if one < len(ours):
            yield ours[one], theirs[other]
        start = (one + 1, other + 1)


def _common(ours: range, theirs: range, alike: Callable[[int, int], bool]) -> list[tuple[int, int]]:
    """Return the longest common subsequence, as places in both ranges."""
    same = [[alike(one, other) for other in theirs] for one in ours]
    longest = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for one in reversed(range(len(ours))):
        for other in reversed(range(len(theirs))):
            longest[one][other] = (
                longest[one + 1][other + 1] + 1
                if same[one][other]
                else max(longest[one + 1][other], longest[one][other + 1])
            )
    chain, one, other = [], 0, 0
    while one < len(ours) and other < len(theirs):
        if same[one][other]:
            chain.append((one, other))
            one, other = one + 1, other + 1
        elif longest[one + 1][other] >= longest[one][other + 1]:
            one += 1
        else:
            other += 1
    return chain
