"""What only a terminal gets: lines that fit, colours unless NO_COLOR forbids them, and a pager for long output."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import time

import pytest

from gpt_data.process import ignore_interrupts
from gpt_data.terminal import (
    colour,
    page_width,
    print_prose,
    show,
    shows_colours,
    terminal_columns,
    visible_length,
    wrap_prose,
)

needs_shell = pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _on_a_terminal(monkeypatch, tmp_path):
    """Make stdout a terminal of 60 columns and 5 lines, whose pager writes to the file ``paged``; return it.

    To be called inside the test: pytest sets stdout between fixtures and test.
    """
    for name, value in {"COLUMNS": "60", "LINES": "5", "TERM": "xterm", "PAGER": f"cat > {tmp_path}/paged"}.items():
        monkeypatch.setenv(name, value)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    return terminal


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
    assert (terminal_columns(120), page_width(None, 120), page_width(None, 70), page_width("file", 120)) == (
        77,
        77,
        70,
        120,
    )
    for other in (io.StringIO(), None):  # None: the program was started without standard output
        monkeypatch.setattr(sys, "stdout", other)
        assert (terminal_columns(120), page_width(None, 100)) == (120, 100)


def test_prose_fits_and_no_word_is_broken(monkeypatch, tmp_path):
    _on_a_terminal(monkeypatch, tmp_path)
    path = "/a/path/" + "x" * 70
    lines = wrap_prose(f"self-attention is wrapped here, between two words, and not in {path} itself", continued="  ")
    assert lines == [
        "self-attention is wrapped here, between two words, and not",
        "  in",
        f"  {path}",
        "  itself",
    ]
    monkeypatch.setenv("COLUMNS", "300")
    assert max(map(len, wrap_prose("word " * 100))) == 99
    assert wrap_prose("word " * 100, stream=io.StringIO()) == ["word " * 100]


def test_prose_in_a_pipe_is_one_line(capsys):
    print_prose("word " * 100, sys.stderr)
    assert capsys.readouterr() == ("", f"{'word ' * 100}\n")


def test_colours_take_no_width():
    assert visible_length(colour("heading", "ab") + colour("value", "cd")) == visible_length("abcd") == 4


@needs_shell
@pytest.mark.parametrize(
    ("parts", "paged"),
    [
        (["1\n2\n3\n4\n"], False),
        (["1\n", "2\n", "3\n", "4\n", "5\n"], True),
        (["x" * 181 + "\n", "5\n"], True),  # rows of the screen count, not lines
        ([colour("name", "x" * 60) + "\n", "2\n", "3\n", "4\n"], False),
    ],
)
def test_a_pager_shows_what_is_longer_than_the_screen(monkeypatch, tmp_path, parts, paged):
    terminal = _on_a_terminal(monkeypatch, tmp_path)
    show(parts, paged=True)
    assert (tmp_path / "paged").exists() == paged
    assert (terminal.getvalue() == "") == paged
    if paged:
        assert (tmp_path / "paged").read_text() == "".join(parts)


@needs_shell
def test_parts_reach_the_pager_as_they_come(monkeypatch, tmp_path):
    _on_a_terminal(monkeypatch, tmp_path)

    def parts():
        yield "line\n" * 9
        # The pager has what came before, although the next part does not exist yet.
        for _ in range(1_200):
            if (tmp_path / "paged").exists() and (tmp_path / "paged").read_text() == "line\n" * 9:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the pager has nothing after a minute")
        yield "last\n"

    show(parts(), paged=True)
    assert (tmp_path / "paged").read_text().endswith("line\nlast\n")


@needs_shell
def test_quitting_the_pager_ends_the_work(monkeypatch, tmp_path):
    _on_a_terminal(monkeypatch, tmp_path)
    monkeypatch.setenv("PAGER", "true")
    made = []
    show((made.append(number) or "x" * 1000 + "\n" for number in range(2_000)), paged=True)
    assert len(made) < 2_000


def test_what_came_before_an_error_is_shown(monkeypatch, tmp_path):
    terminal = _on_a_terminal(monkeypatch, tmp_path)

    def parts():
        yield "first\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show(parts(), paged=True)
    assert terminal.getvalue() == "first\n"


def test_interrupts_belong_to_the_pager():
    with ignore_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
