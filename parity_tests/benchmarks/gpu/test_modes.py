"""The time to a loss is that of the first evaluation that reaches it."""

from __future__ import annotations

import math
import time

from benchmarks.gpu.modes import time_to_loss, training_modes
from parity_tests.benchmarks.gpu.settings import tiny_setting

MODES = training_modes("cpu")


def test_time_to_a_loss():
    setting = tiny_setting(max_iters=90, eval_interval=30, learning_rate=1e-2, eval_iters=5)
    found = time_to_loss(setting, MODES["eager"], 3.0, math.inf)
    assert found["steps"] == 90
    assert list(found["measures"]) == ["whole split", "nanoGPT's estimate"]
    for measured in found["measures"].values():
        assert measured["reached_step"] in (30, 60)
        assert 0 < found["first_seconds"] < measured["reached_seconds"] < found["seconds"]
        assert measured["best_step"] in (30, 60, 90)
        assert measured["best_loss"] <= min(measured["loss"], 3.0)
    whole, estimated = (measured["loss"] for measured in found["measures"].values())
    assert 0 < abs(whole - estimated) < 0.2  # two measures of one model
    early = time_to_loss(setting, MODES["eager"], 0.0, time.perf_counter())
    assert early["measures"]["whole split"]["reached_step"] is None
    alone = time_to_loss(tiny_setting(max_iters=2, eval_interval=1), MODES["eager"], 9.0, math.inf)
    assert list(alone["measures"]) == ["whole split"]
    assert early["notes"] == ["stopped after 1 of 90 steps: the time budget"]
