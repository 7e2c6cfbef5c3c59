"""Whether a directory may be written over: what is replaced must be what this program wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.wording import quote, show_path


def check_replaceable(place: Path, kind: str, is_ours: Callable[[str], bool]) -> None:
    """Refuse a place that holds a file whose name ``is_ours`` does not know; ``kind`` says what it may hold.

    Raises
    ------
    UserError
        If it does, is no directory, or cannot be read.
    """
    try:
        names = sorted(path.name for path in place.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        do = "make" if isinstance(error, NotADirectoryError) else "read"
        raise UserError(
            f"cannot {do} the directory {show_path(place)}: {error.strerror or error}; choose another place"
        ) from error
    strange = next((name for name in names if not is_ours(name)), None)
    if strange is not None:
        raise UserError(
            f"the directory {show_path(place)} must be new, empty or {kind}, and holds {quote(strange)}; choose another"
        )
