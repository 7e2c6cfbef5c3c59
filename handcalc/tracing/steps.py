"""A step of the hand calculation: one named tensor, what it means, and the expression of each of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from handcalc.arithmetic.expression import Expression, Index
from numpy_gpt.shared.model.config import GPTConfig

AXES = {
    "h": ("H", "heads"),
    "t": ("T", "positions"),
    "s": ("S", "positions looked at"),
    "c": ("C", "channels"),
    "d": ("D", "channels of a head"),
    "f": ("F", "hidden units"),
    "v": ("V", "words"),
    "p": ("P", "places that have a vector"),
    "i": ("3C", "columns of c_attn: queries, keys, values"),
    "j": ("J", "channels of all heads, side by side"),
}
"""Index letter → the axis letter of the project's shapes, and what is counted along that axis."""


FORWARD, BACKWARD, UPDATE, AGAIN = "forward", "backward", "update", "forward again"
PHASES = (FORWARD, BACKWARD, UPDATE, AGAIN)
"""The parts of a training step, in order; the last is the forward pass with the new weights."""

UPDATED = "updated"
"""What stands before the name of everything that belongs to the model after the update."""

CHANGE = "change"
"""What stands before a parameter's name where its change is meant."""


class Sizes(NamedTuple):
    """How far each index letter runs in the trace of one text."""

    h: int
    t: int
    s: int
    c: int
    d: int
    f: int
    v: int
    p: int
    i: int
    j: int

    @classmethod
    def of(cls, config: GPTConfig, time: int) -> Sizes:
        """Return the sizes of a text of ``time`` tokens."""
        c, d = config.n_embd, config.head_size
        h, f, v, p = config.n_head, config.n_hidden, config.vocab_size, config.block_size
        return cls(h=h, t=time, s=time, c=c, d=d, f=f, v=v, p=p, i=3 * c, j=c)

    def shape(self, axes: str) -> tuple[int, ...]:
        """Return the shape of a tensor whose indices are the letters ``axes``."""
        return tuple(getattr(self, letter) for letter in axes)

    def indices(self, axes: str) -> Iterator[Index]:
        """Yield every index of such a tensor, the last one running fastest."""
        return indices_of(self.shape(axes))


def indices_of(shape: tuple[int, ...]) -> Iterator[Index]:
    """Yield every index of a tensor of this shape, the last one running fastest."""
    return product(*map(range, shape))


class Weights(NamedTuple):
    """The part of a parameter that a step uses: all of it, or the columns from ``start`` to before ``stop``.

    ``axes`` has a letter for each index, for the table's labels.
    """

    name: str
    axes: str
    start: int = 0
    stop: int | None = None


class Step(NamedTuple):
    """One named tensor of the computation.

    ``name`` is of the project's one list of names; ``axes`` has a letter for each index; ``cell(*index)`` is the
    expression of one cell; ``weights`` are the parameters it uses; ``section`` is the equation's number in
    docs/derivations.md; ``undoes`` are, of a backward step, the forward steps that it undoes; ``phase`` is one of
    PHASES.
    """

    name: str
    axes: str
    equation: str
    section: str
    meaning: str
    cell: Callable[..., Expression]
    weights: tuple[Weights, ...] = ()
    undoes: tuple[str, ...] = ()
    phase: str = FORWARD


def last_part(name: str) -> str:
    """Return what follows the last dot: ``h.0.attn.q`` → ``q``."""
    return name.rpartition(".")[2]
