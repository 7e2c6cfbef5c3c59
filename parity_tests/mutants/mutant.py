"""A mutant: an error in one place of numpy_gpt."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change in one place of numpy_gpt: ``before``, which occurs in the file exactly once, becomes ``after``."""

    name: str
    path: str
    before: str
    after: str
    explained: str = ""


def in_file(path: str, *changes: tuple[str, str, str] | tuple[str, str, str, str]) -> list[Mutant]:
    """Return the mutants of one file: each change is a name, before, after, and why it is ``explained`` if it is."""
    return [Mutant(change[0], path, *change[1:]) for change in changes]
