"""The projection to queries, keys and values undone: one matrix whose columns belong to q, to k and to v."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import Cells, Ref, total
from handcalc.backward.gradient import gradient, gradient_step
from handcalc.tracing.steps import Sizes, Step, Weights
from numpy_gpt.shared.model.config import GPTConfig

_PARTS = ("q", "k", "v")


def projection_gradient_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of ``attn.c_attn`` and of ``ln_1.out`` (T, C)."""
    linear, x, column = f"{block}.attn.c_attn", Cells(f"{block}.ln_1.out"), _columns(block, sizes)
    positions, where = range(sizes.t), _where(sizes)
    yield gradient_step(
        f"{linear}.weight",
        "ci",
        f"c_attn.dweight[c,i] = Σ_t ln_1.out[t,c]·dq[h,t,d] (dk, dv),  {where}",
        "2.3, 8.17",
        "What each weight gets: the number that it multiplied, times the gradient of the query, key or value that it "
        "went into, summed over all positions.",
        lambda c, i: total(x[t, c] * column(t, i) for t in positions),
        undoes=_projected(block),
    )
    if config.bias:
        yield gradient_step(
            f"{linear}.bias",
            "i",
            f"c_attn.dbias[i] = Σ_t dq[h,t,d] (dk, dv),  {where}",
            "2.4, 8.17",
            "The bias was added at every position, so it gets the gradients of all of them. The keys' part is 0 but "
            "for rounding, as the softmax ignores what shifts all scores of a row alike (8.18).",
            lambda i: total(column(t, i) for t in positions),
            undoes=_projected(block),
        )
    yield _input_step(block, sizes)


def _input_step(block: str, sizes: Sizes) -> Step:
    linear, column = f"{block}.attn.c_attn", _columns(block, sizes)
    weight, slices = Cells(f"{linear}.weight"), (range(n * sizes.c, (n + 1) * sizes.c) for n in range(len(_PARTS)))
    return gradient_step(
        f"{block}.ln_1.out",
        "tc",
        f"ln_1.dout[t,c] = Σ_i (dq, dk, dv)[h,t,d]·c_attn.weight[c,i],  {_where(sizes)}",
        "8.17",
        "Each channel went into all queries, keys and values of its position, and hears back from all of them.",
        lambda t, c: total(column(t, i) * weight[c, i] for i in range(sizes.i)),
        undoes=_projected(block),
        weights=tuple(Weights(f"{linear}.weight", "cj", part.start, part.stop) for part in slices),
    )


def _columns(block: str, sizes: Sizes) -> Callable[[int, int], Ref]:
    """Return the function of t and i that gives the gradient that column i of c_attn made at position t."""
    parts = [gradient(name) for name in _projected(block)]

    def column(t: int, i: int) -> Ref:
        part, place = divmod(i, sizes.c)
        return parts[part][place // sizes.d, t, place % sizes.d]

    return column


def _projected(block: str) -> tuple[str, ...]:
    return tuple(f"{block}.attn.{part}" for part in _PARTS)


def _where(sizes: Sizes) -> str:
    c, d = sizes.c, sizes.d
    return f"i = {d}·h + d for q, {c} + {d}·h + d for k, {2 * c} + {d}·h + d for v"
