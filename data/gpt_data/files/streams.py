"""Standard output and error: missing, closed by the reader, or a terminal that shows colours."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replace_closed_streams() -> None:
    """Where standard output or error was closed, as by ``>&-``, put a file that takes all and keeps nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # then every flush, and every question for a terminal, would fail
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))


def discard_stdout() -> None:
    """Send what is still in the buffer of standard output nowhere, so that Python does not fail again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shows_colours() -> bool:
    """Return whether standard output is a terminal that shows colours, and NO_COLOR does not forbid them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
