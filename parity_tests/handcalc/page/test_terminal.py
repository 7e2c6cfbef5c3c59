"""A terminal gets colour, and a pager for a page longer than the screen; other output gets neither."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from handcalc.averaging import main as averaging
from handcalc.trace import main

Capture = pytest.CaptureFixture[str]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make the captured stdout look like a terminal that shows colours; to be called inside the test that captures."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def test_colour_only_on_terminals(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("COLUMNS", "120")  # a page is 100 wide at most
    assert main(["gpt"]) == 0
    in_colour = capsys.readouterr().out
    assert "\x1b[1m" in in_colour
    assert "\x1b[36mh.0.ln_1.mean[0]\x1b[0m = (" in in_colour and " = \x1b[1;32m" in in_colour
    terminal.setenv("NO_COLOR", "1")
    assert main(["gpt"]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain and plain == ANSI.sub("", in_colour)
    terminal.delenv("NO_COLOR")
    for options in (["--format", "json"], ["--format", "markdown"], ["--output", str(tmp_path / "trace.txt")]):
        assert main(["gpt", *options]) == 0
        assert "\x1b" not in capsys.readouterr().out
    assert (tmp_path / "trace.txt").read_text() == plain
    terminal.setenv("TERM", "dumb")
    assert main(["gpt"]) == 0
    assert capsys.readouterr().out == plain


def test_pages_fit_narrow_terminals(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("COLUMNS", "80")
    terminal.setenv("NO_COLOR", "1")
    changed = ["hello world", "--set", "wte.weight[31,0]=0"]
    for command, words in ((main, changed), (main, ["hello world", "--update"]), (averaging, [])):
        assert command([*words, "--no_pager"]) == 0
        assert 70 < max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_colours_of_cells_and_long_lines(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    on_a_terminal(monkeypatch)
    assert main(["hello world", "--only", "h.0.attn.masked,logits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("\x1b[2mmasked\x1b[0m" in line for line in lines)
    first = next(place for place, line in enumerate(lines) if "logits[2,0]" in line)
    assert "\x1b[36m" in lines[first] and lines[first + 1].endswith("= \x1b[1;32m8.814\x1b[0m")


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
def test_long_page_uses_pager(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    terminal = on_a_terminal(monkeypatch)
    shown = tmp_path / "shown"
    terminal.setenv("PAGER", f"cat > {shown}")
    terminal.setenv("LINES", "40")
    assert main(["gpt"]) == 0
    assert capsys.readouterr().out == "" and "\x1b[1mThe arithmetic" in shown.read_text()
    for options in (["--no-pager"], ["--output", str(tmp_path / "trace.txt")]):
        shown.unlink(missing_ok=True)
        assert main(["gpt", *options]) == 0
        assert not shown.exists()
        capsys.readouterr()
    terminal.setenv("LINES", "100000")
    assert main(["gpt"]) == 0
    assert not shown.exists() and capsys.readouterr().out.startswith("\x1b[1mThe arithmetic")


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
def test_pager_quits_or_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    terminal = on_a_terminal(monkeypatch)
    terminal.setenv("PAGER", "true")
    assert main(["hello world", "--update", "--full"]) == 0
    assert capsys.readouterr() == ("", "")
    terminal.setenv("PAGER", "no-such-pager --option")
    assert main(["gpt"]) == 0
    assert "The arithmetic" in capsys.readouterr().out


def test_no_pager_without_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PAGER", "false")
    monkeypatch.setenv("LINES", "3")
    assert main(["gpt"]) == 0
    assert capsys.readouterr().out.startswith("The arithmetic")
