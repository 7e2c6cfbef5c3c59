"""Where tests find Tiny Shakespeare, which the project does not contain and the tests do not download."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def shakespeare_text() -> Path:
    """Return the file from the directory GPT_DATA_DIR or shared/data next to the project; without it, skip the test."""
    given = os.environ.get("GPT_DATA_DIR")
    places = [Path(given) / name for name in ("tinyshakespeare.txt", "input.txt")] if given else []
    places.append(_ROOT.parent / "shared" / "data" / "tinyshakespeare.txt")
    for place in places:
        if place.is_file():
            return place
    pytest.skip("Tiny Shakespeare is not available; set GPT_DATA_DIR to a directory that contains tinyshakespeare.txt")
