"""Clipping: the length of the whole gradient, (13.1), and the one factor that keeps it from being too long, (13.2)."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, Expression, largest, sqrt, total
from handcalc.arithmetic.number_format import format_number
from handcalc.backward.gradient import ONE, gradient
from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.steps import UPDATE, Sizes, Step
from handcalc.update.parameters import parameter_axes, parameter_names, update_step
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import gradient_name

SCALE = "clipping.scale"
_GUARD = Constant("1e-6")


def clipping_steps(config: GPTConfig, optimizer: Optimizer, sizes: Sizes) -> Iterator[Step]:
    """Yield the squares of each parameter's gradient added up, all of them together, their root, and the factor."""
    names = parameter_names(config)
    for name in names:
        yield from _square_steps(name, sizes)
    parts, squares, norm = [Cells(f"squares.{name}") for name in names], Cells("clipping.squares"), Cells(_NORM)
    yield Step(
        name="clipping.squares",
        axes="",
        equation="squares = Σ over all parameters of their squares",
        section="13.1",
        meaning="The squares of all gradients of the model: one number for each parameter, as worked out above, added.",
        cell=lambda: total(part[()] for part in parts),
        phase=UPDATE,
    )
    yield Step(
        name=_NORM,
        axes="",
        equation="norm = √squares",
        section="13.1",
        meaning="The length of the gradient, all its numbers taken as one long arrow.",
        cell=lambda: sqrt(squares[()]),
        phase=UPDATE,
    )
    if optimizer.grad_clip:
        most = Constant(optimizer.grad_clip)
        yield Step(
            name=SCALE,
            axes="",
            equation=f"scale = 1 / max(1, (norm + 1e-06) / {format_number(most.value)})",
            section="13.2",
            meaning=f"The gradient may be {format_number(most.value)} long. If it is longer, all of it is shortened by "
            "one factor, so that its direction stays; if not, the factor is 1.",
            cell=lambda: ONE / largest((ONE, (norm[()] + _GUARD) / most)),
            phase=UPDATE,
        )


_NORM = "clipping.norm"


def _square_steps(name: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the sum of a parameter's squared gradients; of a matrix, first the sum of each row."""
    axes, dname, dweight = parameter_axes(name), gradient_name(name), gradient(name)
    last = range(getattr(sizes, axes[-1]))
    if len(axes) == 1:
        yield update_step(
            "squares",
            name,
            f"squares = Σ_{axes} {dname}[{axes}]·{dname}[{axes}]",
            "13.1",
            "The squares of this parameter's gradients, added up.",
            lambda: total(dweight[place] * dweight[place] for place in last),
            axes="",
        )
        return

    def row_cell(row: int) -> Expression:
        return total(dweight[row, place] * dweight[row, place] for place in last)

    row, rows = axes[0], Cells(f"row_squares.{name}")
    yield update_step(
        "row_squares",
        name,
        f"row_squares[{row}] = Σ_{axes[1]} {dname}[{row},{axes[1]}]·{dname}[{row},{axes[1]}]",
        "13.1",
        "How long is the whole gradient? First the squares of each row's gradients, added up.",
        row_cell,
        axes=row,
    )
    yield update_step(
        "squares",
        name,
        f"squares = Σ_{row} row_squares[{row}]",
        "13.1",
        "All rows together.",
        lambda: total(rows[place] for place in range(getattr(sizes, row))),
        axes="",
    )
