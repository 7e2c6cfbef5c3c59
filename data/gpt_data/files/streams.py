"""Standard output and error: replace missing ones, discard output nobody reads, and query the terminal."""

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


def discard_stdout() -> None:
    """Discard what is still buffered for standard output, so that Python does not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shows_colours() -> bool:
    """Return whether standard output is a terminal that supports colours, and NO_COLOR does not disable them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_columns(default: int) -> int:
    """Return the width of the terminal that standard output writes to, or ``default`` if it is not a terminal."""
    if not sys.stdout.isatty():
        return default
    from shutil import get_terminal_size  # imported only if needed: the import takes time

    return get_terminal_size((default, 24)).columns
