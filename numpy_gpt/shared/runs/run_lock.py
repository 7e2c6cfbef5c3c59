"""One process at a time trains in a run directory: a second one would write over what the first goes on with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.wording import show_path

try:
    import fcntl
except ImportError:  # as on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_process(run: Path) -> Iterator[None]:
    """Hold the run directory, which is made if need be; the system gives it back however the process ends.

    Where the system, or that file system, has no locks for directories, nothing is held.

    Raises
    ------
    UserError
        If another process holds it, or it cannot be made.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {show_path(run)}: {error.strerror or error}; choose another place") from error
    if fcntl is None:
        yield
        return
    held = os.open(run, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process trains in {show_path(run)}; wait until it has ended, or choose another place"
            ) from None
        except OSError:  # a network file system without locks
            pass
        yield
    finally:
        os.close(held)
