"""What a terminal gets and a file or a pipe does not: lines that fit its width, colours, and a pager."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from typing import BinaryIO, TextIO, cast

from gpt_data.process import ignore_interrupts

WIDEST = 100
"""Columns of prose on a terminal that is wider: longer lines are hard to read."""

_NARROWEST = 40
"""Below this, words and numbers would not fit."""

_CODES = {"heading": "1", "name": "36", "value": "1;32", "masked": "2"}
"""Role of a piece of text → its ANSI code: bold, cyan, bold green, dim."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")

Style = Callable[[str, str], str]
"""Called with the role of a piece of text and the text; returns the text in the style of that role."""


def screen_size(stream: TextIO | None = None) -> os.terminal_size | None:
    """Return the columns and lines of the terminal that a stream, by default standard output, writes to.

    None if it does not write to a terminal.
    """
    stream = stream or sys.stdout
    if stream is None or not stream.isatty():  # None if the program was started without it
        return None
    from shutil import get_terminal_size  # imported only if needed: the import takes time

    return get_terminal_size()


def terminal_columns(default: int) -> int:
    """Return the width of the terminal that standard output writes to, or ``default`` if it is not a terminal."""
    size = screen_size()
    return default if size is None else size.columns


def page_width(output: str | None, widest: int) -> int:
    """Return how wide a page is: as its terminal, but at most ``widest``, which it is everywhere else."""
    return widest if output is not None else max(_NARROWEST, min(terminal_columns(widest), widest))


def wrap_prose(text: str, *, continued: str = "", stream: TextIO | None = None) -> list[str]:
    """Return a paragraph as lines that fit the terminal of a stream; in a file or a pipe it stays one line.

    A word that is longer than a line, such as a path, is not broken, so that it can be copied. All lines but the first
    begin with ``continued``.
    """
    size = screen_size(stream)
    if size is None:
        return [text]
    from textwrap import wrap

    width = max(_NARROWEST, min(size.columns, WIDEST))
    return wrap(text, width, subsequent_indent=continued, break_on_hyphens=False, break_long_words=False)


def print_prose(text: str, stream: TextIO | None = None) -> None:
    """Print a paragraph to a stream, by default standard output."""
    print("\n".join(wrap_prose(text, stream=stream)), file=stream, flush=True)


def shows_colours() -> bool:
    """Return whether standard output is a terminal that supports colours, and NO_COLOR does not disable them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colour(role: str, text: str) -> str:
    """Return ``text`` so that a terminal shows it in the colour of its role."""
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def plain(role: str, text: str) -> str:
    """Return the text unchanged."""
    return text


def page_style(output: str | None = None) -> Style:
    """Return how a page is coloured: on a terminal that shows colours as in ``colour``, elsewhere not at all."""
    return colour if output is None and shows_colours() else plain


def visible_length(text: str) -> int:
    """Return how many characters a terminal shows of a coloured text."""
    return len(_ANSI.sub("", text)) if "\x1b" in text else len(text)


def join_lines(lines: Iterable[str]) -> str:
    """Return the lines as one text, each ended by a line break."""
    return "".join(f"{line}\n" for line in lines)


def show(parts: Iterable[str], *, paged: bool = False) -> None:
    """Write text to standard output, each part as soon as it comes.

    With ``paged``, a terminal shows a text that is longer than its screen with a pager; the first screen is collected
    until that is known.
    """
    size, pager = screen_size(), _pager() if paged else None
    if size is None or pager is None:
        for part in parts:
            sys.stdout.write(part)
            sys.stdout.flush()
        return
    rest, first, rows = iter(parts), list[str](), 0
    try:
        while rows < size.lines and (more := next(rest, None)) is not None:
            first.append(more)
            rows += _rows_of(more, size)
    finally:  # what was ready before an error is shown, too
        if rows < size.lines:
            show(first)
    if rows >= size.lines:
        _show_with(pager, chain(first, rest))


def _rows_of(text: str, size: os.terminal_size) -> int:
    """Return how many rows of the screen a text takes, or at least its height."""
    lines = text.removesuffix("\n").split("\n", size.lines)[: size.lines]
    return sum(max(1, -(-visible_length(line) // size.columns)) for line in lines)


def _pager() -> str | None:
    """Return the command in $PAGER, by default ``less``; None for ``cat``, and where it cannot be used."""
    if os.environ.get("TERM") == "dumb":
        return None
    from shutil import which

    command = os.environ.get("PAGER", "less").strip()
    return command if command not in ("", "cat") and which(command.split(" ")[0]) else None


def _show_with(pager: str, parts: Iterable[str]) -> None:
    """Show the parts with the pager until its user quits it, or it has shown everything.

    As in git, $LESS is set to let colours through unless it is set already.
    """
    import subprocess

    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8"} | os.environ
    sys.stdout.flush()
    with subprocess.Popen(pager, shell=True, stdin=subprocess.PIPE, env=environment) as process, ignore_interrupts():
        with suppress(BrokenPipeError), cast(BinaryIO, process.stdin) as pipe:  # broken if its user quits the pager
            for part in parts:
                pipe.write(part.encode())
                pipe.flush()
        process.wait()
