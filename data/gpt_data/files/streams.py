"""Standard output and error: what they can show, and how a program gets along when they are closed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO


def replace_closed_streams() -> None:
    """Replace a standard output or error that was closed, as by ``>&-``, with the null device."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # every flush, and every check for a terminal, would fail
            setattr(sys, name, open_null_device())


def open_null_device() -> TextIO:
    """Return a text file that accepts all output and keeps nothing."""
    return Path(os.devnull).open("w", encoding="utf-8")


def discard_output(stream: TextIO) -> None:
    """Redirect a stream whose reader is gone to the null device, so that flushing it at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wants_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colours, and NO_COLOR does not forbid them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_columns(stream: TextIO, default: int) -> int:
    """Return the width of the terminal that a stream writes to, or ``default`` if it is not a terminal."""
    if not stream.isatty():
        return default
    from shutil import get_terminal_size  # imported only for terminals: the import takes time

    return get_terminal_size((default, 24)).columns
