"""Ask for a line: on a terminal, from a pipe, or in a notebook, where it depends on the kernel whether one can type."""

from __future__ import annotations

import os
import sys
from typing import Any

from gpt_data.errors import UserError
from handcalc.page.output import write

LONGEST_LINE = 10_000


def ask(prompt: str) -> str | None:
    """Return the line that is typed, or an empty one at the end of the input; None where nobody can type one.

    A notebook has no standard input. Its kernel replaces ``input`` by a box to type in, unless whoever runs the
    notebook forbids it. A command that a cell starts with "!" gets a terminal at which nobody sits.

    Raises
    ------
    UserError
        If the line is not text, or too long.
    """
    if _kernel() is not None:
        return _ask_in_kernel(prompt)
    if sys.stdin is not None and sys.stdin.isatty() and "JPY_PARENT_PID" in os.environ:  # set by every Jupyter kernel
        return None
    write(f"\n{prompt}")
    line = _read_line()
    if not sys.stdin.isatty():
        write("\n")  # on a terminal, typing the answer has ended its line already
    return line


def _kernel() -> Any:
    """Return the kernel of the notebook that this process runs in, if it does."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else getattr(ipython.get_ipython(), "kernel", None)


def _ask_in_kernel(prompt: str) -> str | None:
    try:
        return _checked(input(prompt))
    except NotImplementedError:  # raised by ipykernel if typing is forbidden
        return None


def _read_line() -> str:
    try:
        return _checked(sys.stdin.readline(LONGEST_LINE + 1))
    except UnicodeDecodeError as error:
        raise UserError("the answer is not text; write a number such as -0.0123 or 1.23e-05") from error


def _checked(line: str) -> str:
    if len(line) > LONGEST_LINE:
        raise UserError(f"an answer must be a line of at most {LONGEST_LINE:,} characters; write a number")
    return line
