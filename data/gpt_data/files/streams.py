"""Standard output and error where a process was started without them."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replace_closed_streams() -> None:
    """Where standard output or error was closed, as by ``>&-``, put a file that takes all and keeps nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # then every flush, and every question for a terminal, would fail
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))
