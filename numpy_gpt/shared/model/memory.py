"""Is there enough memory for the numbers of a model? That is judged before any of them is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from gpt_data.errors import UserError

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")  # a number of bytes or "max"; only on Linux


def check_memory(what: str, numbers: int, itemsize: int) -> None:
    """Check that ``numbers`` of ``itemsize`` bytes each fit into the memory that this process may use.

    Raises
    ------
    UserError
        If they do not. Where the limit is unknown, nothing is checked.
    """
    limit, needed = memory_limit(), numbers * itemsize
    if limit is not None and needed > limit:
        raise UserError(
            f"{what} need {_gigabytes(needed)} of memory, but this process may use {_gigabytes(limit)}; "
            "try smaller sizes"
        )


def memory_limit() -> int | None:
    """Return the most bytes this process may use: of the machine, of its container, or by ``ulimit``; None if unknown.

    It does not depend on what other programs use at the moment.
    """
    limits = [limit for limit in (_physical_memory(), _container_limit(), _address_space_limit()) if limit is not None]
    return min(limits, default=None)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _container_limit() -> int | None:
    try:
        text = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _address_space_limit() -> int | None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number < 10**18 else "more than a billion GB"
