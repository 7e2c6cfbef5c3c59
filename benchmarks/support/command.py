"""What the commands share: the parser and its types, one-line errors, Markdown tables, and a JSON report."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write


def command_parser(documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser whose description is the first line of the module's docstring, without the command's name."""
    first = re.sub(r": ``python -m .*", "", (documentation or "").splitlines()[0])
    return argparse.ArgumentParser(description=first.replace("``", "").rstrip(".") + ".")


def at_least_one(text: str) -> int:
    """Return a positive number from the command line.

    Raises
    ------
    ValueError
        If it is not a whole number of at least 1.
    """
    if (count := int(text)) < 1:
        raise ValueError(f"must be at least 1, not {text}")
    return count


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn a UserError inside the ``with`` block into a one-line message and exit status 1."""
    try:
        yield
    except UserError as error:
        raise SystemExit(f"error: {error}") from error


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
