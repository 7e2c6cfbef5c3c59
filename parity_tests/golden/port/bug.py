"""What is known of a planted bug."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """A mistake: its switches, joined by ``+``; the first array that is wrong, with N for a layer; what it is.

    ``cause`` is the kind of mistake in a few words of our own: bugs with one cause may be told by one sentence.
    ``needs`` names what a job must have for the bug to be visible: dropout, padding, two micro-batches, float32 …
    """

    id: str
    first: str
    sentence: str
    cause: str
    needs: str = ""

    @property
    def switches(self) -> tuple[str, ...]:
        """The switches to plant."""
        return tuple(self.id.split("+"))
