"""Hypothesis's profiles, one thread for torch, and the largest ratio of difference to tolerance after every run."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from parity_tests.support import comparator

_COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("dev", max_examples=10, **_COMMON)
_SAME: dict[str, Any] = {"max_examples": 30, "derandomize": True, "database": None, **_COMMON}
settings.register_profile("ci", **_SAME)
settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False, **_SAME)
settings.register_profile("thorough", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: Any) -> None:
    """Hear Ctrl-C, and give torch one thread: at these sizes a second one only waits."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a script's shell starts what it ends with &, and we
        signal.signal(signal.SIGINT, signal.default_int_handler)  # would hand it on to every program that is tested
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


def pytest_sessionfinish(session: Any) -> None:
    """Send an xdist worker's ledger to the controller."""
    if hasattr(session.config, "workeroutput"):
        ledger = {kind: tuple(ratio) for kind, ratio in comparator.ledger.items()}
        session.config.workeroutput["comparator"] = {"ledger": ledger, "reports": comparator.reports}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Take in a worker's ledger; without pytest-xdist there are no workers and no such hook."""
    sent = getattr(node, "workeroutput", {}).get("comparator", {"ledger": {}, "reports": []})
    for value, name, dtype in sent["ledger"].values():
        comparator.note(name, value, dtype)
    comparator.reports.extend(sent["reports"])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the largest ratio and the reports, of this process and of all workers."""
    for line in [*comparator.summary(comparator.ledger), *comparator.reports]:
        terminalreporter.write_line(line)
