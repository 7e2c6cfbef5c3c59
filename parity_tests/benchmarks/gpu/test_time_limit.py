"""Time limits of measurements: no exception handler keeps one from ending on time."""

from __future__ import annotations

import time

import pytest

from benchmarks.gpu.time_limit import OutOfTime, at_most, attempt


def test_no_handler_prevents_the_end():
    def stubborn():
        try:
            time.sleep(30)
        except Exception:
            return "went on"

    began = time.perf_counter()
    assert attempt(stubborn, began + 0.05) == "not measured: it would exceed the time budget"
    assert time.perf_counter() - began < 5
    with pytest.raises(OutOfTime), at_most(-1):
        pass
    assert attempt(lambda: 3, time.perf_counter() + 60) == 3
