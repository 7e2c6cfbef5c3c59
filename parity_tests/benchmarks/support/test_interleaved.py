"""Interleaved timing: the order of calls, the time of a round, and the ratios."""

from __future__ import annotations

import pytest

from benchmarks.support.interleaved import Workload, ratios, time_interleaved


def test_rounds_are_interleaved():
    log = []
    workloads = {
        name: Workload(lambda n=name: log.append(n), lambda n=name: log.append(f"end of {n}")) for name in "AB"
    }
    times = time_interleaved(workloads, rounds=3, seconds=0.0)
    assert {name: len(each) for name, each in times.items()} == {"A": 3, "B": 3}
    assert log[-12:] == ["A", "end of A", "B", "end of B"] * 3
    assert log.index("B") < len(log) - 12
    assert all(time > 0 for each in times.values() for time in each)


def test_a_round_lasts_the_requested_time(monkeypatch):
    from benchmarks.support import interleaved

    clock = [0.0]
    monkeypatch.setattr(interleaved.time, "perf_counter", lambda: clock[0])

    def work():
        clock[0] += 0.01

    calls = []
    times = time_interleaved({"A": Workload(work, lambda: calls.append(clock[0]))}, rounds=2, seconds=0.5)
    assert times["A"] == pytest.approx([0.01, 0.01])
    assert calls[-1] - calls[-2] == pytest.approx(0.5)


def test_both_ratios():
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == (4 / 3, 2.0)  # medians 4 and 3; rounds 2, 3 and 1
