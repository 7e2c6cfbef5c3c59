"""Things timed in turn, A B C A B C …, in one process, and what is said of the times: medians, and two kinds of ratio.

A machine that slows down slows all of them: a ratio of times that were taken side by side outlives what the times
themselves do not. Here belongs the timing that several measurements share, and nothing of what they time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

_WARM_UP = (
    2  # calls that are not timed: compilers compile at the first, and allocators have what they need at the second
)


def _nothing() -> None:
    pass


class Contestant(NamedTuple):
    """``call`` is what is timed, again and again; ``finish`` waits for what the calls have only set going."""

    call: Callable[[], object]
    finish: Callable[[], object] = _nothing


class Ratios(NamedTuple):
    """How much longer one takes than the other: by the medians of their times, and as the median over the rounds."""

    of_medians: float
    median: float


def warmed_up(contestant: Contestant) -> float:
    """Return a first estimate of the seconds of a call, after calls that nobody times."""
    for _ in range(_WARM_UP):
        contestant.call()
    contestant.finish()
    return seconds_per_call(contestant, 1)


def seconds_per_call(contestant: Contestant, calls: int) -> float:
    """Return the mean wall time of so many calls, their end waited for."""
    began = time.perf_counter()
    for _ in range(calls):
        contestant.call()
    contestant.finish()
    return (time.perf_counter() - began) / calls


def in_turn(contestants: Mapping[str, Contestant], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the seconds of a call of each contestant in each round.

    All are warmed up before any is timed. In a round each of them has its turn of about ``seconds``, and of one call at
    least; how many calls that are is found out once, so that all rounds of a contestant are alike.
    """
    calls = {}
    for name, contestant in contestants.items():
        estimate = warmed_up(contestant)
        few = max(1, round(seconds / 4 / max(estimate, 1e-9)))  # one call alone may be too short for the clock
        estimate = seconds_per_call(contestant, min(few, 1000))
        calls[name] = max(1, round(seconds / max(estimate, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            times[name].append(seconds_per_call(contestant, calls[name]))
    return times


def ratios(times: Sequence[float], base: Sequence[float]) -> Ratios:
    """Return how much longer ``times`` are than ``base``, both taken in the same rounds."""
    each_round = [time / other for time, other in zip(times, base, strict=True)]
    return Ratios(statistics.median(times) / statistics.median(base), statistics.median(each_round))


def at_least_one(text: str) -> int:
    """Return a number of rounds, or of anything that there must be one of, from the command line.

    Raises
    ------
    ValueError
        If it is none.
    """
    if (count := int(text)) < 1:
        raise ValueError(f"must be at least 1, not {text}")
    return count


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; every row has as many cells as the header.

    Raises
    ------
    ValueError
        If one has not.
    """
    lines = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row must have {len(header)} cells as the header has, not {len(row)}: {row!r}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    # A line break or a bar inside a cell, of an error message perhaps, would end the row there.
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "¦") for cell in cells) + " |"
