"""A program as a process: from its first line to its last, a signal ends it with one line and its exit status.

While a program imports its modules, which takes seconds with PyTorch, it has nothing to lose, and a signal ends it at
once. While a command runs, a signal raises ``Signalled``, so that files are completed or removed. Once the exit status
is decided, signals are ignored. A signal that the caller ignores or handles is left alone.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from importlib import import_module

from gpt_data.lazy_imports import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType
    from typing import Any, NoReturn

EXIT_USER_ERROR = 2
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h; 1, which Python would choose, is a verdict in some commands
EXIT_INTERRUPTED = 128 + signal.SIGINT  # 130, and 143 for SIGTERM, as shells report a process ended by a signal
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _WORDS[signal.SIGHUP] = "ended, because its terminal was closed"
SIGNALS = tuple(_WORDS)
"""The signals that end a program with a line and a status."""


class Ending(BaseException):
    """The program ends because of a signal; until it has ended, further signals are ignored."""

    exit_status: int = EXIT_INTERRUPTED


class Signalled(Ending, KeyboardInterrupt):
    """A signal arrived; ``remark`` is appended to the message."""

    def __init__(self, number: int, remark: str = "") -> None:
        self.exit_status = 128 + number
        super().__init__(f"{_WORDS[signal.Signals(number)]}{remark}")


def run_program(module: str) -> NoReturn:
    """Import a module, run its ``main`` as this process, and exit with the status that it returns.

    After a bug Python prints the traceback, and the exit status is 70.
    """
    _set_handlers(_exit_at_once)
    try:
        status = import_module(module).main()
    except Signalled as stopped:  # after the command has ended
        _exit_at_once(stopped.exit_status - 128)
    except Exception:
        sys.excepthook(*sys.exc_info())
        status = EXIT_BUG
    _set_handlers(signal.SIG_IGN)
    sys.exit(status)


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Let a signal end the process at once while the ``with`` block imports modules.

    An exception would not be reliable there: a module that is being imported may catch it.
    """
    previous = _set_handlers(_exit_at_once)
    try:
        yield
    finally:
        _restore(previous)


@contextmanager
def raise_on_signals() -> Iterator[list[int]]:
    """Let a signal raise ``Signalled`` inside the ``with`` block; yield the list of the signals that have arrived."""
    handler = _RaisingHandler()
    previous = _set_handlers(handler)
    try:
        yield handler.arrived
    finally:
        _restore(previous)


@contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Leave Ctrl-C inside the ``with`` block to another program that uses the terminal, such as a pager."""
    try:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # only the main thread may set handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def is_ending() -> bool:
    """Return whether the program is ending because of a signal: its exception is being handled by a caller."""
    error = sys.exception()
    while error is not None and not isinstance(error, Ending):
        error = error.__context__
    return error is not None


class _RaisingHandler:
    def __init__(self) -> None:
        self.arrived: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not is_ending():  # otherwise a second Ctrl-C would stop the work of saving and removing files
            self.arrived.append(number)
            raise Signalled(number)


def _exit_at_once(number: int, frame: FrameType | None = None) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"{_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


_REPLACEABLE = (signal.SIG_DFL, signal.default_int_handler, _exit_at_once)


def _set_handlers(handler: Any) -> dict[signal.Signals, Any]:
    """Set the handler of each signal that the caller neither ignores nor handles, and return the previous ones."""
    previous: dict[signal.Signals, Any] = {}
    for number in _WORDS:
        current = signal.getsignal(number)
        if current in _REPLACEABLE or isinstance(current, _RaisingHandler):
            with suppress(ValueError):  # only the main thread may set handlers
                previous[number] = signal.signal(number, handler)
    return previous


def _restore(previous: Mapping[signal.Signals, Any]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler)
