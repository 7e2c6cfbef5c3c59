"""Colours and width of standard output: only terminals have them, and NO_COLOR forbids colours."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from gpt_data.files.streams import discard, open_null_device, shows_colours, terminal_columns


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_need_a_terminal(monkeypatch, variables, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", _Terminal())
    assert shows_colours() == coloured
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not shows_colours()


def test_only_terminals_have_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setattr(sys, "stdout", _Terminal())
    assert terminal_columns(120) == 77
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal_columns(120) == 120


def test_null_device_keeps_nothing():
    with open_null_device() as null:
        null.write("text")
    assert os.path.getsize(os.devnull) == 0  # noqa: PTH202 - a device


def test_discarded_output_cannot_fail():
    program = (
        "import sys; from gpt_data.files.streams import discard\n"
        "try: print('text', flush=True)\n"
        "except BrokenPipeError: discard(sys.stdout)\n"
        "else: sys.exit('the reader is still there')\n"
    )
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as unread:
        result = subprocess.run([sys.executable, "-c", program], stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_stream_without_a_descriptor_leaves_none_open():
    def lowest_free():
        with open_null_device() as null:
            return null.fileno()

    before = lowest_free()
    discard(io.StringIO())
    assert lowest_free() == before
