"""What the commands of this directory share: their description, errors in one line, and a file for all numbers."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError


def command_parser(documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser that describes itself by the first line of the module's docstring, which names the command."""
    first = re.sub(r": ``python -m .*", "", (documentation or "").splitlines()[0])
    return argparse.ArgumentParser(description=first.replace("``", "").rstrip(".") + ".")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the process with what a UserError inside the ``with`` block says, and status 1."""
    try:
        yield
    except UserError as error:
        raise SystemExit(f"error: {error}") from error


def write_report(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write all numbers as JSON, if there is a file for them.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    if path is None:
        return
    try:
        path.write_text(json.dumps(plain(report), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; check the path of --json") from error


def plain(value: Any) -> Any:
    """Return the value as JSON can hold it: null stands for a number that is none or is not finite."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
