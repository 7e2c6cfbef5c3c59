"""Progress on a terminal: what matters least is left out first; the number of steps and the time left stay."""

from __future__ import annotations

import io
import sys

import pytest

from numpy_gpt.shared.cli.progress import BarDisplay, progress_text
from numpy_gpt.shared.training.throughput import Throughput
from numpy_gpt.shared.training.trainer import Progress

PROGRESS = Progress(12_345, 1.2345, 1.3456, 1e-3, Throughput(1_234_567.0, 12.34, 0.456, 9_876 << 20), 754.0)
WHOLE = "loss 1.2345  val 1.3456  rate 1.0e-03  1,234,567 tokens/s  12.34 ms/step  MFU 45.6%  9,876 MiB  12:34 left"


def test_least_important_first():
    assert progress_text(PROGRESS) == progress_text(PROGRESS, len(WHOLE)) == WHOLE
    assert progress_text(PROGRESS, 60) == "loss 1.2345  val 1.3456  1,234,567 tokens/s  12:34 left"
    for columns in range(10, 120):
        text = progress_text(PROGRESS, columns)
        assert len(text) <= columns
        assert text.endswith("12:34 left")
    assert progress_text(PROGRESS, 30) == "loss 1.2345  12:34 left"


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_terminals_show_steps_and_time_left(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with BarDisplay(100_000, 0) as display:
        display.progress(PROGRESS)
        display._bar.refresh()
        shown = terminal.getvalue()
        assert " 12345/100000" in shown
        assert "loss 1.2345" in shown
        assert "12:34 left" in shown
        assert ("tokens/s" in shown) == (columns >= 80)
        display.evaluation_progress(20_000, 1_234_567_890)
        display._bar.refresh()
        shown = terminal.getvalue()
        assert " 20000/100000" in shown
        assert "…" not in shown
        assert ("1,234,567,890 tokens so far" in shown) == (columns >= 60)
