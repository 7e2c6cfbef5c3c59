"""Planted bugs: each is a switch at the place where a real port would have the mistake."""

from __future__ import annotations

from fnmatch import fnmatchcase


class Switches:
    """The bugs that are planted in one run.

    A bug is written ``name``, ``name:fwd`` or ``name:bwd`` (only forward, only backward), and may end with ``@place``,
    a pattern of places such as ``l1_*`` or ``*_ln2``; without it the mistake is made everywhere.
    """

    def __init__(self, *planted: str) -> None:
        self._planted = []
        for bug in planted:
            name, _, pattern = bug.partition("@")
            name, _, side = name.partition(":")
            self._planted.append((name, side, pattern or "*"))

    def __call__(self, name: str, place: str = "") -> bool:
        """Return whether the bug is planted at this place."""
        return self._is_on(name, place, ("", "fwd", "bwd"))

    def fwd(self, name: str, place: str = "") -> bool:
        """Return whether the bug is planted in the forward pass at this place."""
        return self._is_on(name, place, ("", "fwd"))

    def bwd(self, name: str, place: str = "") -> bool:
        """Return whether the bug is planted in the backward pass at this place."""
        return self._is_on(name, place, ("", "bwd"))

    def _is_on(self, name: str, place: str, sides: tuple[str, ...]) -> bool:
        return any(
            name == planted and side in sides and fnmatchcase(place, pattern)
            for planted, side, pattern in self._planted
        )
