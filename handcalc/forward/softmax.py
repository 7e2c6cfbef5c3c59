"""Softmax: any row of numbers becomes shares that are positive and add up to 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import Cells, Expression, Masked, exp, largest, total
from handcalc.tracing.steps import Step, last_part

Visible = Callable[[tuple[int, ...]], range]
"""Which entries of the row at (…, t) count: all of them, or for attention those up to t."""


def softmax_steps(
    scope: str, x: str, out: str, axes: str, visible: Visible, words: dict[str, str], *, section: str
) -> Iterator[Step]:
    """Yield the steps out = exp(x − max) / Σ exp(x − max) along the last axis.

    ``words`` holds the sentence on what each of ``max exponentials sum out`` is in this place, ``section`` the number
    of the equation that defines ``out``.
    """
    row, last, share = ",".join(axes[:-1]), axes[-1], last_part(out)
    yield from _exponential_steps(scope, x, axes, visible, words)
    exponentials, sums = Cells(f"{scope}.exponentials"), Cells(f"{scope}.sum")
    yield Step(
        name=f"{scope}.sum",
        axes=axes[:-1],
        equation=f"sum[{row}] = Σ_{last} exponentials[{row},{last}]",
        section="6.3",
        meaning=words["sum"],
        cell=lambda *i: total(exponentials[*i, j] for j in visible(i)),
    )
    yield Step(
        name=out,
        axes=axes,
        equation=f"{share}[{row},{last}] = exponentials[{row},{last}] / sum[{row}]",
        section=section,
        meaning=words["out"],
        cell=lambda *i: _unless_masked(i, visible, exponentials[i] / sums[i[:-1]]),
    )


def _exponential_steps(scope: str, x: str, axes: str, visible: Visible, words: dict[str, str]) -> Iterator[Step]:
    row, last, source = ",".join(axes[:-1]), axes[-1], last_part(x)
    values, maxima = Cells(x), Cells(f"{scope}.max")
    yield Step(
        name=f"{scope}.max",
        axes=axes[:-1],
        equation=f"max[{row}] = max over {last} of {source}[{row},{last}]",
        section="6.1",
        meaning=words["max"],
        cell=lambda *i: largest(values[*i, j] for j in visible(i)),
    )
    yield Step(
        name=f"{scope}.exponentials",
        axes=axes,
        equation=f"exponentials[{row},{last}] = exp({source}[{row},{last}] - max[{row}])",
        section="6.2",
        meaning=words["exponentials"],
        cell=lambda *i: _unless_masked(i, visible, exp(values[i] - maxima[i[:-1]])),
    )


def _unless_masked(index: tuple[int, ...], visible: Visible, expression: Expression) -> Expression:
    return expression if index[-1] in visible(index[:-1]) else Masked(0)
