"""Clipping: the length of the whole gradient, (13.1), and the one factor that limits it, (13.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from handcalc.arithmetic.expression import ONE, Cells, Constant, Expression, largest, sqrt, total
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.step import UPDATE, Sizes, Step, Weights, gradient, update_step
from numpy_gpt.shared.model.names import gradient_name

SCALE = "clipping.scale"
_NORM = "clipping.norm"
_GUARD = Constant("1e-6")


def clipping_steps(parameters: Sequence[Weights], grad_clip: Decimal, sizes: Sizes) -> Iterator[Step]:
    """Yield the sum of each parameter's squared gradients, the sum of all of these, its root, and the factor.

    A ``grad_clip`` of 0 means no clipping, and then there is no factor.
    """
    for parameter in parameters:
        yield from _square_steps(parameter, sizes)
    parts = [Cells(f"squares.{parameter.name}") for parameter in parameters]
    squares, norm = Cells("clipping.squares"), Cells(_NORM)
    yield Step(
        name="clipping.squares",
        axes="",
        equation="squares = Σ over all parameters of their squares",
        section="13.1",
        meaning="The squares of all gradients of the model: the sums of all parameters, added up.",
        cell=lambda: total(part[()] for part in parts),
        phase=UPDATE,
    )
    yield Step(
        name=_NORM,
        axes="",
        equation="norm = √squares",
        section="13.1",
        meaning="The length of the gradient, with all its numbers taken as one long vector.",
        cell=lambda: sqrt(squares[()]),
        phase=UPDATE,
    )
    if grad_clip:
        most = Constant(grad_clip)
        yield Step(
            name=SCALE,
            axes="",
            equation=f"scale = 1 / max(1, (norm + 1e-06) / {format_number(most.value)})",
            section="13.2",
            meaning=f"The gradient's length is limited to {format_number(most.value)}. If it is longer, all of it is "
            "multiplied by one factor, which keeps its direction; if not, the factor is 1.",
            cell=lambda: ONE / largest((ONE, (norm[()] + _GUARD) / most)),
            phase=UPDATE,
        )


def _square_steps(parameter: Weights, sizes: Sizes) -> Iterator[Step]:
    """Yield the sum of a parameter's squared gradients; of a matrix, first the sum of each row."""
    axes, dname, dweight = parameter.axes, gradient_name(parameter.name), gradient(parameter.name)
    last = range(getattr(sizes, axes[-1]))
    if not parameter.is_matrix:
        yield update_step(
            "squares",
            parameter,
            f"squares = Σ_{axes} {dname}[{axes}]·{dname}[{axes}]",
            "13.1",
            "The squares of this parameter's gradients, added up.",
            lambda: total(dweight[place] * dweight[place] for place in last),
            axes="",
        )
        return

    def row_cell(row: int) -> Expression:
        return total(dweight[row, place] * dweight[row, place] for place in last)

    row, rows = axes[0], Cells(f"row_squares.{parameter.name}")
    yield update_step(
        "row_squares",
        parameter,
        f"row_squares[{row}] = Σ_{axes[1]} {dname}[{row},{axes[1]}]·{dname}[{row},{axes[1]}]",
        "13.1",
        "How long is the whole gradient? First, the squares of each row's gradients, added up.",
        row_cell,
        axes=row,
    )
    yield update_step(
        "squares",
        parameter,
        f"squares = Σ_{row} row_squares[{row}]",
        "13.1",
        "The sum over all rows.",
        lambda: total(rows[place] for place in range(getattr(sizes, row))),
        axes="",
    )
