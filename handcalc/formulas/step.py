"""A step of the hand calculation: one named tensor, its meaning, and the expression of each of its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from gpt_data.wording import short_repr
from handcalc.arithmetic.expression import Cells, Expression, Index
from numpy_gpt.shared.model.config import BigramConfig, ModelConfig
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes

AXES = {
    "h": ("H", "heads"),
    "t": ("T", "positions"),
    "s": ("S", "positions attended to"),
    "c": ("C", "channels"),
    "d": ("D", "channels of a head"),
    "f": ("F", "hidden units"),
    "u": ("V", "words read"),
    "v": ("V", "words"),
    "p": ("P", "positions that have a vector"),
    "i": ("3C", "columns of c_attn: queries, keys, values"),
    "j": ("J", "channels of all heads, concatenated"),
}
"""Index letter → the axis letter in the project's shapes, and what the axis counts."""

_GPT_AXES = {
    "wte.weight": "vc",
    "wpe.weight": "pc",
    "lm_head.weight": "vc",
    "attn.c_attn.weight": "ci",
    "attn.c_attn.bias": "i",
    "attn.c_proj.weight": "jc",
    "mlp.c_fc.weight": "cf",
    "mlp.c_fc.bias": "f",
    "mlp.c_proj.weight": "fc",
}
"""A GPT's parameter, without ``h.0.`` → its index letters; norms and most biases have ``c``."""

FORWARD, BACKWARD, UPDATE, AGAIN = "forward", "backward", "update", "forward again"
PHASES = (FORWARD, BACKWARD, UPDATE, AGAIN)
"""The parts of a training step, in order; the last is the forward pass with the new weights."""

UPDATED = "updated"
"""The prefix of every name that belongs to the model after the update."""

CHANGE = "change"
"""The prefix of a parameter's name that means its change."""


class Sizes(NamedTuple):
    """The range of each index letter in the trace of one text; 0 if no tensor of the model has such an index."""

    t: int
    v: int
    h: int = 0
    s: int = 0
    c: int = 0
    d: int = 0
    f: int = 0
    u: int = 0
    p: int = 0
    i: int = 0
    j: int = 0

    @classmethod
    def of(cls, config: ModelConfig, time: int) -> Sizes:
        """Return the sizes of a text of ``time`` tokens."""
        v, p = config.vocab_size, config.block_size
        if isinstance(config, BigramConfig):
            return cls(t=time, v=v, u=v)
        h, c, d, f = config.n_head, config.n_embd, config.head_size, config.n_hidden
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

    @property
    def is_matrix(self) -> bool:
        """Whether it has rows and columns."""
        return len(self.axes) == 2

    @property
    def subscript(self) -> str:
        """The index letters as in an equation: ``[v,c]``."""
        return f"[{','.join(self.axes)}]"


TABLE = Weights("wte.weight", "uv")
"""The only parameter of a bigram model, (V, V): its row u has the logits of every word v after the word u."""


class Step(NamedTuple):
    """One named tensor of the computation.

    ``name`` comes from the project's one list of names; ``axes`` has a letter for each index; ``cell(*index)`` is the
    expression of one cell; ``weights`` are the parameters it uses; ``section`` is the equation's number in
    docs/derivations.md; ``undoes`` are the forward steps that a backward step undoes; ``phase`` is one of PHASES.
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

    def __repr__(self) -> str:
        return short_repr(f"Step {self.name}: {self.equation}")


def last_part(name: str) -> str:
    """Return the part after the last dot: ``h.0.attn.q`` → ``q``."""
    return name.rpartition(".")[2]


def gradient(name: str) -> Cells:
    """Return the cells of ∂loss/∂name."""
    return Cells(gradient_name(name))


def gradient_step(
    name: str,
    axes: str,
    equation: str,
    section: str,
    meaning: str,
    cell: Callable[..., Expression],
    *,
    undoes: tuple[str, ...],
    weights: tuple[Weights, ...] = (),
) -> Step:
    """Return the backward step that computes the gradient of ``name``; ``undoes`` are the steps that used ``name``."""
    return Step(gradient_name(name), axes, equation, section, meaning, cell, weights, undoes, BACKWARD)


def parameters_of(config: ModelConfig) -> list[Weights]:
    """Return all parameters of a model with their index letters: ``h.0.mlp.c_fc.weight`` has ``cf``."""
    if isinstance(config, BigramConfig):
        return [TABLE]
    return [Weights(name, _GPT_AXES.get(_inside_block(name), "c")) for name in parameter_shapes(config)]


def _inside_block(name: str) -> str:
    return name.split(".", 2)[2] if name.startswith("h.") else name


def update_step(
    prefix: str,
    parameter: Weights,
    equation: str,
    section: str,
    meaning: str,
    cell: Callable[..., Expression],
    *,
    axes: str | None = None,
    uses: bool = False,
) -> Step:
    """Return the step ``prefix.parameter``; ``axes`` default to the parameter's, ``uses`` prints its weights."""
    return Step(
        name=f"{prefix}.{parameter.name}",
        axes=parameter.axes if axes is None else axes,
        equation=equation,
        section=section,
        meaning=meaning,
        cell=cell,
        weights=(parameter,) if uses else (),
        phase=UPDATE,
    )
