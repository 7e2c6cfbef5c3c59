"""Attention's softmax undone one activation at a time, where numpy_gpt uses the fused formula (6.5).

(6.6) is the gradient of the row's sum, (6.7) that of the exponentials, (6.8) the maximum's, (6.9) the input's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import Cells, Constant, Expression, Masked, total
from handcalc.backward.gradient import MINUS_ONE, gradient, gradient_step
from handcalc.tracing.steps import Step


def past_only(cell: Callable[[int, int, int], Expression]) -> Callable[[int, int, int], Expression]:
    """Return the same, but masked where position t would look at a later position s."""
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
        "Every weight of the row was divided by the sum: a larger sum makes all of them smaller, each in proportion.",
        lambda h, t: MINUS_ONE * total(dweights[h, t, s] * weights[h, t, s] for s in range(t + 1)) / sums[h, t],
        undoes=(f"{attn}.weights",),
    )
    yield gradient_step(
        f"{softmax}.exponentials",
        "hts",
        "dexponentials[h,t,s] = dweights[h,t,s] / sum[h,t] + dsum[h,t]",
        "6.7",
        "Each exponential was used twice: divided by the sum, and added to it. Both parts add up.",
        past_only(lambda h, t, s: dweights[h, t, s] / sums[h, t] + dsum[h, t]),
        undoes=(f"{attn}.weights", f"{softmax}.sum"),
    )
    yield from _masked_steps(attn)


def _masked_steps(attn: str) -> Iterator[Step]:
    softmax, exponentials = f"{attn}.softmax", Cells(f"{attn}.softmax.exponentials")
    dexponentials = gradient(f"{softmax}.exponentials")
    yield gradient_step(
        f"{softmax}.max",
        "ht",
        "dmax[h,t] = -Σ_{s≤t} dexponentials[h,t,s]·exponentials[h,t,s] = 0",
        "6.8",
        "Taking the same number off all scores of a row changes none of its weights. So the maximum's gradient is "
        "exactly 0, and is set to 0 here; worked out, it would only be what rounding left.",
        lambda h, t: Constant(0),
        undoes=(f"{softmax}.exponentials",),
    )
    yield gradient_step(
        f"{attn}.masked",
        "hts",
        "dmasked[h,t,s] = dexponentials[h,t,s]·exponentials[h,t,s]",
        "6.9, 8.13",
        "The slope of exp is exp itself. Each row adds up to 0, up to rounding: attention is only ever moved from one "
        "position to another.",
        past_only(lambda h, t, s: dexponentials[h, t, s] * exponentials[h, t, s]),
        undoes=(f"{softmax}.exponentials",),
    )
