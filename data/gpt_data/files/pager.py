"""Long text on a terminal, shown screen by screen with $PAGER or less, as git shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def show_paged(content: str) -> bool:
    """Show text with the pager if a terminal would show only its end; return whether it did.

    Without a pager, and where output is no terminal, nothing is shown.
    """
    if not _is_long(content) or (pager := _pager()) is None:
        return False
    _write_through(pager, content)
    return True


def _is_long(content: str) -> bool:
    """Return whether a terminal would show only the end of it."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    from shutil import get_terminal_size

    return content.count("\n") >= get_terminal_size().lines


def _pager() -> str | None:
    """Return the command in $PAGER, by default ``less``; None if it does not exist or is ``cat``."""
    from shutil import which

    command = os.environ.get("PAGER", "less").strip()
    return command if command not in ("", "cat") and which(command.split(" ")[0]) else None


def _write_through(pager: str, content: str) -> None:
    """Show the content with the pager; as in git, $LESS is set to let colours through unless it is set already."""
    import subprocess

    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8"} | os.environ
    sys.stdout.flush()
    with subprocess.Popen(pager, shell=True, stdin=subprocess.PIPE, env=environment) as process, _ignored_interrupts():
        with suppress(BrokenPipeError):  # the reader has quit the pager
            process.communicate(content.encode())
        process.wait()


@contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Leave Ctrl-C to the pager inside the ``with`` block; a pager started before it does not inherit this."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set signal handlers
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
