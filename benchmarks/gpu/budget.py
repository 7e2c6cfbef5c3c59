"""A budget of time on a borrowed card: what must not fail the rest fails alone, and nothing outstays its share.

Here belongs what keeps ``benchmarks.cuda`` going whatever happens; what it measures is in the other card modules.
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


_AGAIN = 5.0  # seconds after which it is over once more, for those who swallowed it


class OutOfTime(BaseException):
    """A share of the budget is used up. No Exception: whoever catches those to try something else must not go on."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside the ``with`` block after so many seconds, as soon as Python is running again.

    Where there are no such alarms, as on Windows and beside the main thread, the block takes as long as it takes.
    """
    if seconds <= 0:
        raise OutOfTime
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempted(work: Callable[[], Result], until: float) -> Result | str:
    """Return what ``work`` returns, or in words why it returned nothing; it has until ``until``, a perf_counter time.

    Any error is caught, since the next measurement may well succeed, and the card's memory is given back.
    """
    try:
        with at_most(until - time.perf_counter()):
            return work()
    except OutOfTime:
        return "not measured: it would not fit into the time budget"
    except Exception as error:  # every error there is belongs into the row, and not before the rows that follow
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:240]}"
    finally:
        cleared()


def cleared() -> None:
    """Give back what earlier measurements held: compiled code, cycles of Python objects, and the card's memory."""
    if "torch._dynamo" in sys.modules:  # else nothing was compiled, and there is nothing to forget
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        with suppress(RuntimeError):  # after some errors a card takes no more orders; the rows that follow will say so
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
