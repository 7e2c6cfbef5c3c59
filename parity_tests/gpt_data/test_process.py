"""A signal ends a program at any moment with one line and its status; a bug never looks like a verdict."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from gpt_data.process import Signalled, raise_on_signals

# Runs a program that sends itself a signal when it is about to import a module.
_RUN = """
import os, runpy, sys
moment, number, *sys.argv = sys.argv[1:]
class Finder:
    def find_spec(name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Finder)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_PROGRAM = "import sys, types; sys.modules['program'] = types.SimpleNamespace(main=main); "
_PROGRAM += "from gpt_data.process import run_program; run_program('program')"


def _python(program, *words):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("moment", "number", "words"),
    [
        ("numpy_gpt.cli", signal.SIGINT, ["numpy_gpt", "sample"]),
        ("numpy.linalg", signal.SIGTERM, ["numpy_gpt"]),
        ("numpy_gpt.sampling", signal.SIGINT, ["numpy_gpt", "sample"]),
        ("torch.types", signal.SIGINT, ["torch_gpt", "sample"]),
        ("handcalc.verification.document", signal.SIGTERM, ["handcalc.verify", "-"]),
        ("handcalc.exercises.topics", signal.SIGINT, ["handcalc.exercise"]),
        ("numpy_gpt.engine", signal.SIGINT, ["benchmarks.corpora"]),
    ],
)
def test_a_signal_during_imports(moment, number, words):
    result = _python(_RUN, moment, int(number), *words)
    line = {signal.SIGINT: "interrupted\n", signal.SIGTERM: "terminated\n"}[number]
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "", line)


def test_a_bug_is_no_verdict():
    result = _python(f"def main(): return 1 / 0\n{_PROGRAM}")
    assert result.returncode == 70
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_the_status_is_final():
    program = "import atexit, signal\natexit.register(signal.raise_signal, signal.SIGINT)\ndef main(): return 3\n"
    result = _python(program + _PROGRAM)
    assert (result.returncode, result.stderr) == (3, "")


def test_a_signal_does_not_stop_the_cleanup():
    cleaned = []
    with raise_on_signals() as arrived, pytest.raises(Signalled) as stopped:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)
    assert (arrived, cleaned, stopped.value.exit_status, str(stopped.value)) == ([15], [True], 143, "terminated")


def test_a_swallowed_signal_can_be_repeated():
    with raise_on_signals():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_the_caller_s_handler_is_kept(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with raise_on_signals():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with raise_on_signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
