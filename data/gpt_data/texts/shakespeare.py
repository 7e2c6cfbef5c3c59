"""The corpus ``shakespeare``: 40,000 lines of his plays from a file, the cache or the network, always the same."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_write
from gpt_data.files.download import download
from gpt_data.files.regular_file import open_regular, read_bytes
from gpt_data.wording import show_path

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
BYTES = 1_115_394
MAX_BYTES = 2_000_000
FILE_NAMES = ("tinyshakespeare.txt", "input.txt")  # the name in the cache, and the original name

_REMEDY = f"give the file by --source FILE, or in a directory that GPT_DATA_DIR names, as {' or '.join(FILE_NAMES)}"


def shakespeare_text(source: str | os.PathLike[str] | None = None) -> str:
    """Return the text, 1,115,394 characters of ASCII.

    It is read from ``source`` if given; else from the directory in the environment variable GPT_DATA_DIR if set; else
    from the user's cache. If the cache has no copy or a damaged one, it is downloaded into the cache.

    Raises
    ------
    UserError
        If the given file is missing or a different text, or the text cannot be downloaded or written to the cache.
    """
    named = Path(source) if source is not None else _find_in_data_directory()
    if named is not None:
        return _read(named)
    cached = cache_file()
    with suppress(UserError):  # missing or damaged: download it
        return _read(cached)
    try:
        content = download(URL, sha256=SHA256, max_bytes=MAX_BYTES)
        _write_cache(cached, content)
    except UserError as error:
        raise UserError(f"{error}; {_REMEDY}") from error
    return content.decode("ascii")


def cache_file() -> Path:
    """Return the path of the downloaded copy: ``numpy_gpt/tinyshakespeare.txt`` in the user's cache.

    Raises
    ------
    UserError
        If the user has no home directory.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():  # by the XDG convention a relative path is ignored
        try:
            root = Path.home() / ".cache"
        except RuntimeError as error:
            raise UserError(f"no home directory to keep Tiny Shakespeare in; {_REMEDY}") from error
    return root / "numpy_gpt" / FILE_NAMES[0]


def _find_in_data_directory() -> Path | None:
    directory = os.environ.get("GPT_DATA_DIR")
    if not directory:
        return None
    for name in FILE_NAMES:
        if os.access(place := Path(directory) / name, os.F_OK):
            return place
    raise UserError(
        f"GPT_DATA_DIR must name a directory that contains {' or '.join(FILE_NAMES)}, "
        f"and {show_path(directory)} contains neither; put one there, or unset it to use the cache or the network"
    )


def _read(path: Path) -> str:
    with open_regular(path) as file:
        content = read_bytes(file, path, BYTES + 1)  # one more byte detects a larger file
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UserError(
            f"{show_path(path)} must be Tiny Shakespeare ({BYTES:,} bytes), and its SHA-256 differs; "
            "for your own text use numpy_gpt prepare text FILE --out_dir DIR, then train --dataset DIR"
        )
    return content.decode("ascii")


def _write_cache(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the cache {show_path(path.parent)}: {error.strerror or error}") from error
    atomic_write(path, content)
