"""Random places in the attention of a trace, and its numbers under the short names that exercises use."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.expression import Cells, Expression, Index, exp, total
from handcalc.exercises.exercise import Givens
from handcalc.exercises.source import Source
from handcalc.tracing.trace import Trace


class Head(NamedTuple):
    """An attention head and a pair of positions: t attends to s ≤ t."""

    trace: Trace
    layer: int
    head: int
    t: int
    s: int

    @property
    def time(self) -> int:
        """T, the number of positions."""
        return self.trace.plan.sizes.t

    @property
    def size(self) -> int:
        """D, the number of channels of a head."""
        return self.trace.plan.sizes.d

    @property
    def where(self) -> str:
        """The head in words."""
        return f"layer {self.layer}, head {self.head}"

    def cells(self, name: str, rows: Iterable[int] | None = None) -> dict[Index, Decimal]:
        """Return the numbers of ``attn.name`` of this head, all rows or some."""
        tensor = self.trace.numbers[f"h.{self.layer}.attn.{name}"]
        chosen = range(self.time) if rows is None else set(rows)
        return {index[1:]: value for index, value in tensor.items() if index[0] == self.head and index[1] in chosen}

    def visible(self, name: str) -> dict[Index, Decimal]:
        """Return row t of ``attn.name``, the positions that are not masked."""
        return {index: value for index, value in self.cells(name, [self.t]).items() if index[1] <= self.t}


def random_head(source: Source, rng: Random, trace: Trace | None = None) -> Head:
    """Return a random head of the model, with t late enough to see more than itself if the text is long enough."""
    trace = source.forward if trace is None else trace
    if source.config.n_layer == 0:
        raise UserError(
            "this model has no layers, so there is no attention to ask about; choose another --topic or --model"
        )
    t = rng.randrange(min(1, trace.plan.sizes.t - 1), trace.plan.sizes.t)
    return Head(trace, rng.randrange(source.config.n_layer), rng.randrange(source.config.n_head), t, rng.randint(0, t))


def give_sizes(givens: Givens, head: Head) -> tuple[Expression, Expression]:
    """Give the head size and the width, which are often confused."""
    size = givens.number("head_size", "the number of channels of each head", head.size)
    return size, givens.number("width", "the number of channels of the model", head.trace.plan.sizes.c)


def dot(a: Cells, i: int, b: Cells, j: int, size: int) -> Expression:
    """Return the dot product of row i of a and row j of b."""
    return total(a[i, d] * b[j, d] for d in range(size))


def dot_column(a: Cells, i: int, b: Cells, j: int, size: int) -> Expression:
    """Return row i of a times *column* j of b."""
    return total(a[i, d] * b[d, j] for d in range(size))


def share(cells: Iterable[Expression], own: Expression) -> Expression:
    """Return exp(own) / Σ exp: the softmax without subtracting the maximum, which does not change the result."""
    return exp(own) / total(exp(cell) for cell in cells)
