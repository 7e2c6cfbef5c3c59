"""The linear map x · weight + bias, which attention and the feed-forward network are made of."""

from __future__ import annotations

from handcalc.arithmetic.expression import Cells, Expression, total
from handcalc.tracing.steps import Weights


def affine(x: Cells, t: int, linear: str, column: int, *, width: int, bias: bool) -> Expression:
    """Return Σ_c x[t,c]·weight[c,column] (+ bias[column]), the sum over the ``width`` channels of ``x``."""
    weight = Cells(f"{linear}.weight")
    products = total(x[t, c] * weight[c, column] for c in range(width))
    return products + Cells(f"{linear}.bias")[column] if bias else products


def affine_equation(out: str, x: str, linear: str, column: str, *, sum_over: str, bias: bool) -> str:
    """Return the same in index letters: ``out`` and ``x`` are cells, the sum runs over the letter ``sum_over``."""
    added = f" + {linear}.bias[{column}]" if bias else ""
    return f"{out} = Σ_{sum_over} {x}·{linear}.weight[{sum_over},{column}]{added}"


def affine_weights(
    owner: str, axes: str, *, bias: bool, start: int = 0, stop: int | None = None
) -> tuple[Weights, ...]:
    """Return the weight and the bias of a linear map or norm, the columns from ``start`` to before ``stop``."""
    weight = Weights(f"{owner}.weight", axes, start, stop)
    return (weight, Weights(f"{owner}.bias", axes[-1], start, stop)) if bias else (weight,)
