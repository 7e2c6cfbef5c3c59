"""Interleaved timing, A B C A B C …, in one process, and the ratios of the times.

When a machine slows down, it slows all workloads: ratios of interleaved times are stable where the times themselves are
not. This module times any workload and contains none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_WARM_UP = 2  # untimed calls: compilers compile in the first, and allocators have enough memory from the second


def _nothing() -> None:
    pass


class Workload(NamedTuple):
    """``call`` is timed repeatedly; ``finish`` waits for the work that the calls have only started."""

    call: Callable[[], object]
    finish: Callable[[], object] = _nothing


class Ratios(NamedTuple):
    """How much longer one workload takes than another: ratio of the medians, and median of the rounds' ratios."""

    of_medians: float
    median: float


def seconds_per_call(workload: Workload, calls: int) -> float:
    """Return the mean wall time of this number of calls, including the wait for their end."""
    start = time.perf_counter()
    for _ in range(calls):
        workload.call()
    workload.finish()
    return (time.perf_counter() - start) / calls


def time_interleaved(workloads: Mapping[str, Workload], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the seconds per call of each workload in each round.

    All are warmed up before any is timed. In each round every workload runs for about ``seconds``, but at least one
    call; the number of calls is determined once, so that all rounds of a workload are alike.
    """
    calls = {name: _calls_per_round(workload, seconds) for name, workload in workloads.items()}
    times: dict[str, list[float]] = {name: [] for name in workloads}
    for _ in range(rounds):
        for name, workload in workloads.items():
            times[name].append(seconds_per_call(workload, calls[name]))
    return times


def ratios(times: Sequence[float], base: Sequence[float]) -> Ratios:
    """Return how much longer ``times`` are than ``base``, both measured in the same rounds."""
    each_round = [time / other for time, other in zip(times, base, strict=True)]
    return Ratios(statistics.median(times) / statistics.median(base), statistics.median(each_round))


def _calls_per_round(workload: Workload, seconds: float) -> int:
    for _ in range(_WARM_UP):
        workload.call()
    workload.finish()
    estimate = seconds_per_call(workload, 1)
    few = max(1, round(seconds / 4 / max(estimate, 1e-9)))  # a single call may be too short for the clock
    estimate = seconds_per_call(workload, min(few, 1000))
    return max(1, round(seconds / max(estimate, 1e-9)))
