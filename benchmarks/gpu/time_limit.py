"""Time limits and errors of single measurements: none can take more than its share of time or stop the others.

This module keeps ``benchmarks.cuda`` running; the measurements are in the other modules of this room.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

import torch

Result = TypeVar("Result")


_REPEAT = 5.0  # seconds until the exception is raised again, in case a handler caught it


class OutOfTime(BaseException):
    """The end of a measurement's time; not an Exception, so that a handler that tries a fallback does not catch it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside the ``with`` block after this number of seconds, as soon as Python code runs.

    Without such alarms, as on Windows and outside the main thread, there is no limit.
    """
    if seconds <= 0:
        raise OutOfTime
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_out_of_time(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, raise_out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(work: Callable[[], Result], until: float) -> Result | str:
    """Return the result of ``work``, which must end by ``until``, a perf_counter time, or why there is none.

    Every error is caught, since the next measurement may succeed, and the GPU's memory is released.
    """
    try:
        with at_most(until - time.perf_counter()):
            return work()
    except OutOfTime:
        return "not measured: it would exceed the time budget"
    except Exception as error:  # any error becomes a row, and the other rows follow
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:240]}"
    finally:
        release_memory()


def release_memory() -> None:
    """Release what earlier measurements hold: compiled code, cycles of Python objects, and the GPU's memory."""
    if "torch._dynamo" in sys.modules:  # otherwise nothing was compiled
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        with suppress(RuntimeError):  # after some errors the GPU fails every call, as the following rows will show
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
