"""Colours and widths of streams: only terminals have them, and NO_COLOR forbids colours."""

from __future__ import annotations

import io
import os

import pytest

from gpt_data.files.streams import discard_output, open_null_device, terminal_columns, wants_color


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "77")


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_color_is_for_terminals_that_want_it(monkeypatch, variables, colored):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_color(_Terminal()) == colored
    assert not wants_color(io.StringIO())


def test_only_terminals_have_a_width():
    assert terminal_columns(_Terminal(), 120) == 77
    assert terminal_columns(io.StringIO(), 120) == 120


def test_null_device_keeps_nothing():
    with open_null_device() as null:
        null.write("text")
    assert os.path.getsize(os.devnull) == 0  # noqa: PTH202 - a device


def test_discarded_output_cannot_fail():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        stream.write("nobody reads this")
        with pytest.raises(BrokenPipeError):
            stream.flush()
        discard_output(stream)
        stream.write("nor this")
        stream.flush()
