"""Text and names for messages: always short, always on one line."""

from __future__ import annotations

import os
import reprlib
import unicodedata
from collections.abc import Iterable

_LONGEST_PATH = 1000
_LONGEST_REPR = 190
_DOTTED_CIRCLE = "\u25cc"  # what Unicode puts a combining mark on that stands alone
_SIGNS = {" ": "␣", "\n": "␤", "\t": "␉"}


def quote(text: str, limit: int = 60) -> str:
    """Return the text in quotes, with non-printable characters escaped; of more than ``limit``, the middle is cut out.

    A cut text is followed by its number of characters.
    """
    return repr(text) if len(text) <= limit else f"{_without_middle(text, limit)!r} ({len(text):,} characters)"


def one_line(text: str, limit: int = 2000) -> str:
    """Return a message as one line: non-printable characters escaped, the middle of a very long one cut out."""
    return _escape(_without_middle(text, limit))


def short_repr(text: str) -> str:
    """Return what describes an object as ``repr`` shows it: in angle brackets, one line of less than 200 characters."""
    return f"<{one_line(text, _LONGEST_REPR)}>"


def _without_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end]}…{text[-end:]}"


def describe(value: object) -> str:
    """Return any value for a message, on one short line: an array by type and shape, a long text cut in the middle."""
    if isinstance(value, str):
        return quote(value)
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    if isinstance(value, int) and value.bit_length() > 256:  # Python refuses to print more than 4,300 digits
        return f"a number of about {int(value.bit_length() * 0.30103):,} digits"
    text = _escape(" ".join(_SHORT.repr(value).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]}...{text[-17:]}"


_LONGEST = 60
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST


def make_visible(token: str) -> str:
    """Return a token as readers see it: ␣, ␤, ␉ for white space, other non-printable characters escaped.

    A mark that would be put on whatever comes before it, such as an accent by itself, is put on a dotted circle.
    """
    circle = _DOTTED_CIRCLE if unicodedata.combining(token[:1] or " ") else ""
    return circle + "".join(_SIGNS.get(letter) or _escape(letter) for letter in token)


def show_text(text: str) -> str:
    """Return a text with its spaces as they are, and other non-printable characters escaped."""
    return _SIGNS.get(text) or _escape(text)


def show_path(path: str | os.PathLike[str]) -> str:
    """Return the path with non-printable characters escaped: a file name may contain a line break.

    The middle of a path that is too long for most systems is cut out.
    """
    return one_line(os.fspath(path), _LONGEST_PATH)


def _escape(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'hello'?`` with the most similar known name, or nothing if none is similar."""
    from difflib import get_close_matches  # imported only for errors, so that other imports stay fast

    known, word = list(known), word[:100]  # difflib is quadratic, and a word may be a page without spaces
    lower = word.lower()
    near = [lower] if lower in known else get_close_matches(word, known, 1) or get_close_matches(lower, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def list_names(names: Iterable[str], limit: int = 50) -> str:
    """Return the first ``limit`` names in quotes, separated by commas, and the number of those left out."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(quote(name) for name in names[:limit]) + more


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun in the right form: ``1 layer``, ``2 layers``, ``50,257 words``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
