"""Measurements in a child process: on chosen cores, with chosen numbers of threads, and reported as JSON.

It imports no linear-algebra library, so that a child process can measure the memory of its own imports.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
ROOT = Path(__file__).parents[2]
"""The checkout, the working directory of child processes."""


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def limit_cores(threads: int) -> Iterator[dict[str, str]]:
    """Limit child processes to the last ``threads`` cores, if the system can, and yield their environment.

    Libraries for linear algebra read their number of threads when they are loaded, so it must be set before.
    """
    cores = available_cores()
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores[-threads:])
        yield os.environ | dict.fromkeys(_THREADS, str(threads))
    finally:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)


def run_json(task: str, arguments: Sequence[str], threads: int) -> dict[str, Any]:
    """Run Python with the arguments on ``threads`` cores; return the JSON object on its last line of output.

    Raises
    ------
    UserError
        If it fails; the message says that it was doing ``task``.
    """
    with limit_cores(threads) as environment:
        process = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["without a message"])[-1]
        raise UserError(f"{task} failed with status {process.returncode}: {last:.300}")
    result: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return result


def peak_memory() -> int:
    """Return the largest amount of memory that this process has used so far, in bytes; 0 if it is unknown."""
    status = Path("/proc/self/status")
    if status.exists():  # the peak of getrusage includes that of the parent process
        found = re.search(r"VmHWM:\s*(\d+)", status.read_text(encoding="ascii"))
        return 1024 * int(found[1]) if found else 0
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
