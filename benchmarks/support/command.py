"""What the commands share: the parser and its types, Markdown tables, and a JSON report."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.support.child_process import available_cores
from gpt_data.files.atomic import atomic_write
from gpt_data.wording import quote
from numpy_gpt.shared.cli.parser import Parser, add_debug_flag, number, whole_number


def command_parser(documentation: str | None) -> Parser:
    """Return a parser whose name and description are in the first line of the module's docstring."""
    first, _, name = (documentation or "").splitlines()[0].partition(": ``")
    parser = Parser(prog=name.rstrip("`."), description=first.replace("``", "").rstrip(".") + ".")
    add_debug_flag(parser)
    return parser


def at_least_zero(text: str) -> int:
    """Return a whole number of at least 0 from the command line."""
    return _in_range(whole_number(text), text, 0)


def at_least_one(text: str) -> int:
    """Return a whole number of at least 1 from the command line."""
    return _in_range(whole_number(text), text, 1)


def thread_count(text: str) -> int:
    """Return a number of threads from the command line: at most one per core."""
    return _in_range(whole_number(text), text, 1, len(available_cores()))


def duration(text: str) -> float:
    """Return a finite time of at least 0 from the command line."""
    value = number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0 and finite, not {quote(text)}")
    return value


def above_zero(text: str) -> float:
    """Return a finite number above 0 from the command line."""
    value = number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, not {quote(text)}")
    return value


def _in_range(value: int, text: str, least: int, most: float = math.inf) -> int:
    if not least <= value <= most:
        limit = f"at least {least}" if value < least else f"at most {most}"
        raise argparse.ArgumentTypeError(f"must be {limit}, not {quote(text)}")
    return value


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; every row has as many cells as the header.

    Raises
    ------
    ValueError
        If a row has another number of cells.
    """
    lines = [markdown_row(header), markdown_row(["---"] * len(header))]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row must have {len(header)} cells like the header, not {len(row)}: {row!r}")
        lines.append(markdown_row(row))
    return "\n".join(lines)


def markdown_row(cells: Sequence[object]) -> str:
    """Return one line of a Markdown table."""
    # A line break or a bar in a cell, perhaps from an error message, would end the row there.
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "¦") for cell in cells) + " |"


def write_report(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write all numbers as JSON, if a file is given.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    if path is None:
        return
    atomic_write(path, (json.dumps(to_json(report), indent=1, allow_nan=False) + "\n").encode())


def to_json(value: Any) -> Any:
    """Return the value with null instead of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
