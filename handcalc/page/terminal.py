"""Write a page: to a file, all or nothing; to a terminal, in colour and screen by screen; elsewhere unchanged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from gpt_data.files.atomic import atomic_write
from gpt_data.files.pager import show_paged
from gpt_data.files.streams import shows_colours

_NARROWEST = 40
"""Below this, words and numbers would not fit."""

_CODES = {"heading": "1", "name": "36", "value": "1;32", "masked": "2"}
"""Role of a piece of text → its ANSI code: bold, cyan, bold green, dim."""


def colour(role: str, text: str) -> str:
    """Return ``text`` so that a terminal shows it in the colour of its role."""
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def join_lines(lines: Iterable[str]) -> str:
    """Return the lines as one text, each ended by a line break."""
    return "".join(f"{line}\n" for line in lines)


def page_width(output: str | None, widest: int) -> int:
    """Return how wide a page is: as its terminal, but at most ``widest``, which it is everywhere else."""
    if output is not None or not sys.stdout.isatty():
        return widest
    from shutil import get_terminal_size

    return max(_NARROWEST, min(get_terminal_size().columns, widest))


def page_style(output: str | None) -> Callable[[str, str], str]:
    """Return how a page is coloured: on a terminal that shows colours as in ``colour``, elsewhere not at all."""
    return colour if output is None and shows_colours() else lambda role, text: text


def write(content: str, output: str | None = None, *, paged: bool = False) -> None:
    """Write to the file ``output``, all or nothing, or to the screen; ``paged`` allows a pager there.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    if output is not None:
        atomic_write(output, content.encode())
        return
    if paged and show_paged(content):
        return
    with suppress(AttributeError):  # a stand-in for stdout may have no encoding to set
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(content)
    sys.stdout.flush()
