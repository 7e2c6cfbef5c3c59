"""Write a page: to a file, all or nothing, or to the screen, the same bytes on every machine."""

from __future__ import annotations

import sys
from contextlib import suppress

from gpt_data.files.atomic import atomic_write
from gpt_data.terminal import show


def write(content: str, output: str | None = None, *, paged: bool = False) -> None:
    """Write to the file ``output``, all or nothing, or to the screen; ``paged`` allows a pager there.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    if output is not None:
        atomic_write(output, content.encode())
        return
    with suppress(AttributeError):  # a stand-in for stdout may have no encoding to set
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    show([content], paged=paged)
