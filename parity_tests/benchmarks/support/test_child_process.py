"""Child processes: their cores and threads, their result, and their failures."""

from __future__ import annotations

import os

import pytest

from benchmarks.support.child_process import available_cores, limit_cores, peak_memory, run_json
from gpt_data.errors import UserError

ALL_CORES = available_cores()  # before a test could restrict them


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot hold a process to a core")
def test_child_processes_have_limited_cores():
    with limit_cores(1) as environment:
        assert available_cores() == ALL_CORES[-1:]
        assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    assert available_cores() == ALL_CORES


def test_failures_are_one_line():
    with pytest.raises(UserError, match=r"^timing 'tiny' failed with status 1: without a message$"):
        run_json("timing 'tiny'", ["-c", "raise SystemExit(1)"], 1)
    with pytest.raises(UserError, match=r"^timing failed with status 1: ZeroDivisionError: division by zero$"):
        run_json("timing", ["-c", "1 / 0"], 1)


def test_the_last_line_is_the_result():
    program = "import json; print('a note'); print(json.dumps({'count': 3}))"
    assert run_json("counting", ["-c", program], 1) == {"count": 3}


def test_peak_memory_never_falls():
    before = peak_memory()
    assert before > 0
    assert sum(bytearray(1 << 20)) == 0
    assert peak_memory() >= before
