"""``sample`` while it writes: each token appears before the next is computed, and it can be stopped at any time."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest

from numpy_gpt.shared.cli.commands import program_parser
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.cli.program import Backend, Program
from numpy_gpt.shared.model.sampling_choice import Draw

_OR = 23


class _Output(io.StringIO):
    """Records what is visible so far whenever it is flushed."""

    def __init__(self):
        super().__init__()
        self.seen = ""

    def flush(self):
        self.seen = self.getvalue()


def _sample(draws, *flags):
    """Run ``sample`` with an engine that yields these draws."""

    class Engine:
        def draws(self, prompt, uniforms, *choice, cache):
            return draws()

    backend = Backend(lambda recipe, initial: Engine())
    program = Program("numpy_gpt", "tiny", lambda parser: None, lambda arguments: nullcontext(backend))
    parser, _ = program_parser(program, "")
    return run_command(lambda arguments: arguments.command(arguments), parser, ["sample", "--prompt", "to", *flags])


def _draw(token):
    return Draw(token, np.eye(32)[token])


def test_tokens_are_flushed_one_by_one(monkeypatch):
    output = _Output()
    monkeypatch.setattr(sys, "stdout", output)
    seen = []

    def draws():
        for token in (0, 5, 0, _OR):
            seen.append(output.seen)
            yield _draw(token)

    assert _sample(draws) == 0
    assert seen == ["to", "to ", "to be", "to be "]
    assert output.seen == "to be or\n"


def test_rows_are_flushed_one_by_one(monkeypatch):
    output = _Output()
    monkeypatch.setattr(sys, "stdout", output)
    lines = []

    def draws():
        for token in (0, 5, 0):
            lines.append(len(output.seen.splitlines()))
            yield _draw(token)

    assert _sample(draws, "--show") == 0
    assert lines == [5, 6, 7]  # three for the prompt, an empty one, and the titles


@pytest.mark.parametrize("flags", [[], ["--show"], ["--json"]])
def test_ctrl_c_exits_130(capsys, flags):
    def draws():
        yield _draw(0)
        raise KeyboardInterrupt

    assert _sample(draws, *flags) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted\n"
    assert out == {"[]": "to \n", "['--json']": ""}.get(str(flags), out)
    assert out == "" or out.endswith("\n")


def _process(*argv, **options):
    words = [sys.executable, "-m", "numpy_gpt", *argv]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_closed_pipe_exits_quietly():
    process = _process("sample", "--max_new_tokens", "1000000")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(100)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_signal_leaves_whole_words():
    process = _process("sample", "--max_new_tokens", "1000000", text=True)
    assert process.stdout is not None
    assert process.stdout.read(100)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert out.endswith("\n")


def test_full_disk_exits_2():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        words = [sys.executable, "-m", "numpy_gpt", "evaluate", "--eval_iters", "0"]
        result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_ascii_output_is_escaped(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    words = [sys.executable, "-m", "numpy_gpt", "train", "tiny", "--max_iters", "0"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert r"32 \xd7 6" in result.stdout
