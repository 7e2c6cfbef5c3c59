"""Input without an end is refused at a stated size, and never fills the memory."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from gpt_data.errors import UserError
from gpt_data.files import regular_file
from gpt_data.files.regular_file import read_stdin


class Endless(io.RawIOBase):
    """A stream like /dev/zero, which counts what was asked of it."""

    asked = 0

    def read(self, size=-1):
        assert size >= 0, "reads without a limit"
        self.asked += size
        return b"\0" * size


def test_standard_input_has_a_limit(monkeypatch):
    monkeypatch.setattr(regular_file, "_LARGEST", 1000)
    endless = Endless()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
    with pytest.raises(UserError, match="standard input must have at most 1,000 bytes, and has more"):
        read_stdin()
    assert endless.asked == 1001
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x" * 1000)))
    assert len(read_stdin()) == 1000
