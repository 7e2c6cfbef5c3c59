"""Softmax: any row of numbers becomes shares that are positive and add up to 1.

Backward one activation at a time, where numpy_gpt uses the fused formula (6.5): (6.6) is the gradient of the row's sum,
(6.7) that of the exponentials, (6.8) the maximum's, (6.9) the input's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import MINUS_ONE, ZERO, Cells, Expression, Masked, exp, largest, total
from handcalc.formulas.step import Step, gradient, gradient_step, last_part

Visible = Callable[[tuple[int, ...]], range]
"""Which entries of the row at (…, t) count: all of them, or for attention those up to t."""


def softmax_steps(
    scope: str, x: str, out: str, axes: str, visible: Visible, meanings: dict[str, str], *, section: str
) -> Iterator[Step]:
    """Yield the steps out = exp(x − max) / Σ exp(x − max) along the last axis.

    ``meanings`` has a sentence for each of ``max exponentials sum out``; ``section`` is the number of the equation that
    defines ``out``.
    """
    row, last, share = ",".join(axes[:-1]), axes[-1], last_part(out)
    yield from _exponential_steps(scope, x, axes, visible, meanings)
    exponentials, sums = Cells(f"{scope}.exponentials"), Cells(f"{scope}.sum")
    yield Step(
        name=f"{scope}.sum",
        axes=axes[:-1],
        equation=f"sum[{row}] = Σ_{last} exponentials[{row},{last}]",
        section="6.3",
        meaning=meanings["sum"],
        cell=lambda *i: total(exponentials[*i, j] for j in visible(i)),
    )
    yield Step(
        name=out,
        axes=axes,
        equation=f"{share}[{row},{last}] = exponentials[{row},{last}] / sum[{row}]",
        section=section,
        meaning=meanings["out"],
        cell=lambda *i: _mask_hidden(i, visible, exponentials[i] / sums[i[:-1]]),
    )


def _exponential_steps(scope: str, x: str, axes: str, visible: Visible, meanings: dict[str, str]) -> Iterator[Step]:
    row, last, source = ",".join(axes[:-1]), axes[-1], last_part(x)
    values, maxima = Cells(x), Cells(f"{scope}.max")
    yield Step(
        name=f"{scope}.max",
        axes=axes[:-1],
        equation=f"max[{row}] = max over {last} of {source}[{row},{last}]",
        section="6.1",
        meaning=meanings["max"],
        cell=lambda *i: largest(values[*i, j] for j in visible(i)),
    )
    yield Step(
        name=f"{scope}.exponentials",
        axes=axes,
        equation=f"exponentials[{row},{last}] = exp({source}[{row},{last}] - max[{row}])",
        section="6.2",
        meaning=meanings["exponentials"],
        cell=lambda *i: _mask_hidden(i, visible, exp(values[i] - maxima[i[:-1]])),
    )


def _mask_hidden(index: tuple[int, ...], visible: Visible, expression: Expression) -> Expression:
    return expression if index[-1] in visible(index[:-1]) else Masked(0)


# Backward


def mask_future(cell: Callable[[int, int, int], Expression]) -> Callable[[int, int, int], Expression]:
    """Return the same cells, but masked where position t would look at a later position s."""
    return lambda h, t, s: cell(h, t, s) if s <= t else Masked(0)


def attention_softmax_gradient_steps(attn: str) -> Iterator[Step]:
    """Yield the gradients from ``attn.softmax.sum`` (H, T) back to ``attn.masked`` (H, T, S)."""
    softmax, weights, sums = f"{attn}.softmax", Cells(f"{attn}.weights"), Cells(f"{attn}.softmax.sum")
    dweights, dsum = gradient(f"{attn}.weights"), gradient(f"{softmax}.sum")
    yield gradient_step(
        f"{softmax}.sum",
        "ht",
        "dsum[h,t] = -Σ_{s≤t} dweights[h,t,s]·weights[h,t,s] / sum[h,t]",
        "6.6",
        "Every weight of the row was divided by the sum: a larger sum makes all of them smaller, in proportion.",
        lambda h, t: MINUS_ONE * total(dweights[h, t, s] * weights[h, t, s] for s in range(t + 1)) / sums[h, t],
        undoes=(f"{attn}.weights",),
    )
    yield gradient_step(
        f"{softmax}.exponentials",
        "hts",
        "dexponentials[h,t,s] = dweights[h,t,s] / sum[h,t] + dsum[h,t]",
        "6.7",
        "Each exponential was used twice: it was divided by the sum, and it was added to the sum. The two gradients "
        "add up.",
        mask_future(lambda h, t, s: dweights[h, t, s] / sums[h, t] + dsum[h, t]),
        undoes=(f"{attn}.weights", f"{softmax}.sum"),
    )
    yield from _input_gradient_steps(attn)


def _input_gradient_steps(attn: str) -> Iterator[Step]:
    softmax, exponentials = f"{attn}.softmax", Cells(f"{attn}.softmax.exponentials")
    dexponentials = gradient(f"{softmax}.exponentials")
    yield gradient_step(
        f"{softmax}.max",
        "ht",
        "dmax[h,t] = -Σ_{s≤t} dexponentials[h,t,s]·exponentials[h,t,s] = 0",
        "6.8",
        "Subtracting the same number from all scores of a row changes none of its weights. So the maximum's gradient "
        "is exactly 0, and is set to 0 here; computing it would only give a rounding error.",
        lambda h, t: ZERO,
        undoes=(f"{softmax}.exponentials",),
    )
    yield gradient_step(
        f"{attn}.masked",
        "hts",
        "dmasked[h,t,s] = dexponentials[h,t,s]·exponentials[h,t,s]",
        "6.9, 8.13",
        "The slope of exp is exp itself. Each row adds up to 0, up to rounding: attention only ever moves from one "
        "position to another.",
        mask_future(lambda h, t, s: dexponentials[h, t, s] * exponentials[h, t, s]),
        undoes=(f"{softmax}.exponentials",),
    )
