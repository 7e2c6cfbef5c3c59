"""JSON files that contain their own checksum, which detects even a single changed bit.

A sealed file is one JSON object with a ``format_version`` and, as its last entry, the ``sha256`` of the file without
it.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.files.json_values import convert, parse_json
from gpt_data.files.regular_file import read_regular
from gpt_data.wording import describe, show_path

_END = b"\n}\n"
_BEFORE, _AFTER = b',\n "sha256": "', b'"' + _END  # around the file's own checksum


def seal(record: dict[str, Any]) -> bytes:
    """Return the content of a file for the record, with its own checksum as the last entry."""
    plain = json.dumps(record, indent=1).encode() + b"\n"
    return plain.removesuffix(_END) + _BEFORE + _sha256(plain) + _AFTER


def read_sealed(path: str | os.PathLike[str], format_version: int, remedy: str) -> dict[str, Any]:
    """Return the record that ``seal`` wrote; ``remedy`` ends the messages about an unusable file.

    Raises
    ------
    UserError
        If the file is missing, not a regular file, not JSON, of another format version, or changed.
    """
    place, content = show_path(path), read_regular(path)
    try:
        record = parse_json(content)
    except ValueError as error:
        raise UserError(f"{place} must be JSON in UTF-8: {error}; {remedy}") from error
    if not isinstance(record, dict):
        raise UserError(f"{place} must be a JSON object, not {type(record).__name__}; {remedy}")
    if whole_number(f"{place}: format_version", record.get("format_version"), 1) != format_version:
        raise UserError(
            f"{place} must have format_version {format_version}, not {describe(record['format_version'])}; "
            f"{remedy}, or use the release that wrote it"
        )
    if not _is_intact(content):
        raise UserError(f"{place} was changed after it was written (its SHA-256 differs); {remedy}")
    return record


def check_record(record: object, kind: Any, path: str | os.PathLike[str], remedy: str) -> Any:
    """Return a file's record as ``json_values.convert`` does; errors name the file and end in the remedy.

    Raises
    ------
    UserError
        If a field is missing, unknown or of another type.
    """
    try:
        return convert(record, kind)
    except UserError as error:
        raise UserError(f"{show_path(path)}: {error}; {remedy}") from error


def _is_intact(content: bytes) -> bool:
    # Compares bytes, not values, so that any damage is found.
    body, _, checksum = content.rpartition(_BEFORE)
    return checksum == _sha256(body + _END) + _AFTER


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
