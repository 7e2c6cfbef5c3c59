"""How error messages show text and suggest names: always short, always one line."""

from __future__ import annotations

import os
from collections.abc import Iterable

_SIGNS = {" ": "␠", "\n": "␤", "\t": "␉"}


def quote(text: str, limit: int = 60) -> str:
    """Return the text in quotes with every odd character escaped, cut to ``limit`` characters."""
    return repr(text) if len(text) <= limit else f"{text[:limit]!r}… ({len(text)} characters)"


def make_visible(word: str) -> str:
    """Return a word so that it can be seen: the space as ␠, a line break as ␤, other odd characters escaped."""
    return _SIGNS.get(word) or _escaped(word)


def show_path(path: str | os.PathLike[str]) -> str:
    """Return the path as it is, but for odd characters, which are escaped: a name may hold a line break."""
    return _escaped(os.fspath(path))


def _escaped(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'hello'?`` with the nearest known name, or nothing where none is near."""
    from difflib import get_close_matches  # needed only on the way to an error; keeps the import light

    known, word = list(known), word[:100]  # difflib is quadratic: a page without a space must not stall it
    lower = word.lower()
    near = [lower] if lower in known else get_close_matches(word, known, 1) or get_close_matches(lower, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def list_names(names: Iterable[str], limit: int = 50) -> str:
    """Return the names in quotes and separated by commas: the first ``limit`` and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(quote(name) for name in names[:limit]) + more


def count_of(number: int, noun: str) -> str:
    """Return the number with its noun in the right form: ``1 layer``, ``2 layers``, ``50,257 words``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
