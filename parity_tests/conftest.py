"""Hypothesis profiles, the choice of the long tests, a compile cache for each run, and the report at its end."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from parity_tests.support import comparator
from parity_tests.support.browser import browser

__all__ = ["browser"]

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

_CACHE = pytest.StashKey[str]()
_LONG = pytest.StashKey[int]()


@pytest.fixture
def empty_directory(tmp_path: Any, monkeypatch: Any) -> None:
    """Make an empty directory the working directory."""
    monkeypatch.chdir(tmp_path)


def pytest_addoption(parser: Any) -> None:
    """Add ``--long``: the long tests run too."""
    parser.addoption("--long", action="store_true", help="run the long tests (marked prove) as well as the others")


def pytest_configure(config: Any) -> None:
    """Restore Ctrl-C, limit torch to one thread, and give the run its own compile cache."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it for background jobs, and every
        signal.signal(signal.SIGINT, signal.default_int_handler)  # program under test would inherit that
    config.stash[_LONG] = 0
    if not _is_worker(config):
        # torch finds compiled code by its source alone. Code that was compiled on another kind of CPU may crash or
        # round differently here. Workers inherit the variable, so they share one cache.
        config.stash[_CACHE] = os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="parity-tests-")
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)  # arrays are so small here that a second thread would only wait


def pytest_unconfigure(config: Any) -> None:
    """Remove the compile cache."""
    if _CACHE in config.stash:
        shutil.rmtree(config.stash[_CACHE], ignore_errors=True)


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out the long tests, unless ``-m``, ``--long`` or a test's own name on the command line asks for them."""
    if config.option.markexpr or config.getoption("long"):
        return
    long = [item for item in items if item.get_closest_marker("prove") and not _is_named(item, config)]
    config.stash[_LONG] = len(long)
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


def pytest_sessionfinish(session: Any) -> None:
    """Send an xdist worker's ledger to the controller."""
    if hasattr(session.config, "workeroutput"):
        ledger = {kind: tuple(ratio) for kind, ratio in comparator.ledger.items()}
        session.config.workeroutput["comparator"] = {"ledger": ledger, "reports": comparator.reports}
        session.config.workeroutput["long"] = session.config.stash[_LONG]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Merge a worker's ledger; without pytest-xdist there are no workers and no such hook."""
    output = getattr(node, "workeroutput", {})
    sent = output.get("comparator", {"ledger": {}, "reports": []})
    for value, name, dtype in sent["ledger"].values():
        comparator.note(name, value, dtype)
    comparator.reports.extend(map(tuple, sent["reports"]))
    node.config.stash[_LONG] = max(node.config.stash[_LONG], output.get("long", 0))


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Print what was proven, by this process and by all workers."""
    counts = {outcome: len(terminalreporter.getreports(outcome)) for outcome in ("passed", "failed", "error")}
    for line in comparator.summary(comparator.ledger, comparator.reports):
        terminalreporter.write_line(line)
    if long := config.stash[_LONG]:
        terminalreporter.write_line(f"not run: {long} long tests; `make prove` runs them")
    if any(counts.values()):
        terminalreporter.write_line(comparator.verdict(comparator.ledger, counts))


def _is_worker(config: Any) -> bool:
    return hasattr(config, "workerinput")


def _is_named(item: Any, config: Any) -> bool:
    own = item.nodeid.partition("::")[2]
    for argument in config.args:
        path, _, name = argument.partition("::")
        if name and own.startswith(name) and own[len(name) : len(name) + 1] in ("", "[", ":"):
            if (config.invocation_params.dir / path).resolve() == item.path:
                return True
    return False
