"""The standard streams: missing ones are replaced, failing ones discarded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from gpt_data.errors import UserError


def replace_closed_streams() -> None:
    """Replace a standard stream that was closed, as by ``>&-``, with the null device: it is empty, or keeps nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their descriptors
        if getattr(sys, name) is None:  # every use, such as a flush or a check for a terminal, would fail
            setattr(sys, name, open_null_device(mode))


def open_null_device(mode: str = "w") -> TextIO:
    """Return a text file that accepts all output and keeps nothing; in mode ``r``, an empty one."""
    return cast(TextIO, Path(os.devnull).open(mode, encoding="utf-8"))


def discard(stream: Any) -> None:
    """Discard what is still buffered for a stream, and all that follows, so that Python does not fail again at exit."""
    with suppress(OSError, ValueError, AttributeError):  # a stand-in for a stream may have no descriptor
        descriptor = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


class _Guarded:
    """A text stream whose failures are handed to ``fail``."""

    def __init__(self, stream: Any, fail: Callable[[OSError], None]) -> None:
        self.stream, self._fail = stream, fail

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        self._attempt("flush")

    def _attempt(self, method: str, *arguments: str) -> None:
        try:
            getattr(self.stream, method)(*arguments)
        except OSError as error:
            self._fail(error)


@contextmanager
def _guarded(name: str, fail: Callable[[OSError], None]) -> Iterator[None]:
    """Guard ``stdout`` or ``stderr`` inside the ``with`` block, instead of a guard that it may have already."""
    original = getattr(sys, name)
    guarded = _Guarded(original.stream if isinstance(original, _Guarded) else original, fail)
    setattr(sys, name, guarded)
    try:
        yield
    finally:
        if getattr(sys, name) is guarded:  # code inside the block may have set another one for good
            setattr(sys, name, original)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Let failures of standard error end nothing, and those of standard output raise, inside the ``with`` block.

    Raises
    ------
    BrokenPipeError
        If the reader of standard output has closed it.
    UserError
        If standard output cannot be written for another reason, such as a full disk.
    """

    def fail(error: OSError) -> None:
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise error
        raise UserError(f"cannot write to standard output: {error.strerror or error}; is there room?") from error

    with _guarded("stderr", lambda error: discard(sys.stderr)), _guarded("stdout", fail):
        yield


@contextmanager
def finish_without_output() -> Iterator[None]:
    """Let the work of a ``with`` block, such as training, run to its end if standard output fails.

    Raises
    ------
    UserError
        At the end, if standard output failed.
    """
    errors: list[OSError] = []

    def fail(error: OSError) -> None:
        errors.append(error)
        discard(sys.stdout)  # so that nothing fails again

    with _guarded("stdout", fail):
        yield
        sys.stdout.flush()
    for error in errors[:1]:
        reason = error.strerror or error
        raise UserError(f"cannot write to standard output: {reason}; everything else is done") from error
