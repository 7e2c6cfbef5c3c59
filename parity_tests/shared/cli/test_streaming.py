"""``sample`` while it writes: every token is seen before the next is computed, and the end may come at any moment."""

from __future__ import annotations

import io
import signal
import subprocess
import sys

import numpy as np
import pytest

from numpy_gpt.shared.cli.all_commands import program_parser
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.cli.program import Program
from numpy_gpt.shared.model.sampling_choice import Draw

_OR = 23


class _Output(io.StringIO):
    """Notes what is seen so far whenever it is flushed."""

    def __init__(self):
        super().__init__()
        self.seen = ""

    def flush(self):
        self.seen = self.getvalue()


def _sample(draws, *flags):
    """Run ``sample`` with an engine that draws so."""

    class Engine:
        def draws(self, prompt, uniforms, *choice, cache):
            return draws()

    twin = Program("numpy_gpt", "tiny", lambda recipe, start, arguments: Engine(), lambda parser: None)
    parser, _ = program_parser(twin, "")
    return run_command(lambda arguments: arguments.command(arguments), parser, ["sample", "--prompt", "to", *flags])


def _draw(token):
    return Draw(token, np.eye(32)[token])


def test_every_token_is_seen_before_the_next_one_is_computed(monkeypatch):
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


def test_so_is_every_line_of_the_table(monkeypatch):
    output = _Output()
    monkeypatch.setattr(sys, "stdout", output)
    lines = []

    def draws():
        for token in (0, 5, 0):
            lines.append(len(output.seen.splitlines()))
            yield _draw(token)

    assert _sample(draws, "--show") == 0
    assert lines == [5, 6, 7]  # the prompt's three, an empty one, and the heading


@pytest.mark.parametrize("flags", [[], ["--show"], ["--json"]])
def test_ctrl_c_in_the_middle_of_a_sample_is_one_line_and_status_130(capsys, flags):
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


def test_a_reader_who_has_enough_ends_the_writing_quietly():
    process = _process("sample", "--max_new_tokens", "1000000")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(100)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_signal_in_the_middle_leaves_whole_words_and_one_line():
    process = _process("sample", "--max_new_tokens", "1000000", text=True)
    assert process.stdout is not None
    assert process.stdout.read(100)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert out.endswith("\n")


def test_a_full_disk_is_one_line_and_status_2():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        words = [sys.executable, "-m", "numpy_gpt", "evaluate", "--eval_iters", "0"]
        result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_an_output_that_takes_ascii_only_gets_the_rest_written_out(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    words = [sys.executable, "-m", "numpy_gpt", "train", "tiny", "--max_iters", "0"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert r"32 \xd7 6" in result.stdout
