"""Causal self-attention: each position asks, earlier ones answer, and their answers are mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handcalc.arithmetic.expression import Cells, Constant, Masked, Ref, sqrt, total
from handcalc.formulas.linear import (
    Linear,
    affine,
    affine_equation,
    affine_weights,
    linear_input_gradient_step,
    linear_parameter_gradient_steps,
    linear_step,
)
from handcalc.formulas.softmax import attention_softmax_gradient_steps, mask_future, softmax_steps
from handcalc.formulas.step import Sizes, Step, Weights, gradient, gradient_step
from numpy_gpt.shared.model.config import GPTConfig

_PROJECTIONS = (
    ("q", "t", "The query: what each position is looking for, one vector for each head."),
    ("k", "s", "The key: what each position has to offer, to be compared with the queries."),
    ("v", "s", "The value: what a position passes on to those that attend to it."),
)

_SOFTMAX_MEANINGS = {
    "max": "The largest score that each position sees; subtracting it keeps the exponentials at 1 or below.",
    "exponentials": "Scores become positive numbers: the best match becomes 1, poorer ones less, the future 0.",
    "sum": "The sum of each position's exponentials.",
    "out": "The attention weights: the share of its attention that each position gives to itself and to each earlier "
    "one.",
}


def attention_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from ``ln_1.out`` (T, C) to ``attn.out`` (T, C) of one block, without the residual sum."""
    attn = f"{block}.attn"
    for number in range(len(_PROJECTIONS)):
        yield _projection_step(block, number, config, sizes)
    yield from _score_steps(attn, sizes)
    yield from softmax_steps(
        f"{attn}.softmax",
        f"{attn}.masked",
        f"{attn}.weights",
        "hts",
        lambda row: range(row[-1] + 1),
        _SOFTMAX_MEANINGS,
        section="8.5",
    )
    yield from _mixing_steps(attn, config, sizes)


def _projection_step(block: str, number: int, config: GPTConfig, sizes: Sizes) -> Step:
    """Return q, k or v: the columns of c_attn are the queries of all heads, then the keys, then the values."""
    name, axis, meaning = _PROJECTIONS[number]
    x, linear, first = Cells(f"{block}.ln_1.out"), f"{block}.attn.c_attn", number * sizes.c
    column = f"{first} + {sizes.d}·h + d" if first else f"{sizes.d}·h + d"
    return Step(
        name=f"{block}.attn.{name}",
        axes=f"h{axis}d",
        equation=affine_equation(
            f"{name}[h,{axis},d]", f"ln_1.out[{axis},c]", "c_attn", column, sum_over="c", bias=config.bias
        ),
        section="8.1",
        meaning=meaning,
        cell=lambda h, t, d: affine(x, t, linear, first + h * sizes.d + d, width=sizes.c, bias=config.bias),
        weights=affine_weights(linear, "cj", bias=config.bias, start=first, stop=first + sizes.c),
    )


def _score_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    q, k, scores, scaled = (Cells(f"{attn}.{name}") for name in ("q", "k", "scores", "scaled"))
    root = sqrt(Constant(sizes.d))
    yield Step(
        name=f"{attn}.scores",
        axes="hts",
        equation="scores[h,t,s] = Σ_d q[h,t,d]·k[h,s,d]",
        section="8.2",
        meaning="How well the query at position t matches the key at position s: their dot product.",
        cell=lambda h, t, s: total(q[h, t, d] * k[h, s, d] for d in range(sizes.d)),
    )
    yield Step(
        name=f"{attn}.scaled",
        axes="hts",
        equation=f"scaled[h,t,s] = scores[h,t,s] / √{sizes.d}",
        section="8.3",
        meaning="Divided by the square root of the head size, so that wide heads do not make the softmax too sharp.",
        cell=lambda h, t, s: scores[h, t, s] / root,
    )
    yield Step(
        name=f"{attn}.masked",
        axes="hts",
        equation="masked[h,t,s] = scaled[h,t,s] where s ≤ t, else -inf",
        section="8.4",
        meaning="No position may look at a later one: the scores of the future are masked and count as -inf.",
        cell=lambda h, t, s: scaled[h, t, s] if s <= t else Masked("-inf"),
    )


def _mixing_steps(attn: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    weights, v, heads = (Cells(f"{attn}.{name}") for name in ("weights", "v", "heads"))
    yield Step(
        name=f"{attn}.heads",
        axes="htd",
        equation="heads[h,t,d] = Σ_{s≤t} weights[h,t,s]·v[h,s,d]",
        section="8.6",
        meaning="The result of each head: the values of the positions it looked at, averaged with the attention "
        "weights.",
        cell=lambda h, t, d: total(weights[h, t, s] * v[h, s, d] for s in range(t + 1)),
    )
    yield Step(
        name=f"{attn}.merged",
        axes="tc",
        equation=f"merged[t, {sizes.d}·h + d] = heads[h,t,d]",
        section="8.7",
        meaning="The heads' results concatenated, head 0 first, into one vector for each position.",
        cell=lambda t, c: heads[c // sizes.d, t, c % sizes.d],
    )
    yield linear_step(
        _output_projection(attn),
        sizes,
        bias=config.bias,
        section="8.8",
        meaning="The heads' results mixed with one another: each channel is a learned weighted sum of them.",
    )


def _output_projection(attn: str) -> Linear:
    return Linear(f"{attn}.c_proj", f"{attn}.merged", f"{attn}.out", "j", "c")


# Backward


def attention_gradient_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from ``attn.c_proj`` back through weights, mask and scores to ``ln_1.out`` (T, C)."""
    attn = f"{block}.attn"
    linear = _output_projection(attn)
    yield from linear_parameter_gradient_steps(linear, sizes, bias=config.bias)
    yield linear_input_gradient_step(
        linear,
        sizes,
        section="8.9",
        meaning="Each number of a head's result went into all channels, so its gradient is the sum over all of them.",
    )
    yield from _mixing_gradient_steps(attn, sizes)
    yield from attention_softmax_gradient_steps(attn)
    yield from _scaling_gradient_steps(attn, sizes)
    yield from _score_gradient_steps(attn, sizes)
    yield from _projection_gradient_steps(block, config, sizes)


def _mixing_gradient_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the heads, of the weights with which they averaged, and of the values they averaged."""
    weights, v = Cells(f"{attn}.weights"), Cells(f"{attn}.v")
    dmerged, dheads = gradient(f"{attn}.merged"), gradient(f"{attn}.heads")
    yield gradient_step(
        f"{attn}.heads",
        "htd",
        f"dheads[h,t,d] = dmerged[t, {sizes.d}·h + d]",
        "8.10",
        "The heads' results were concatenated; now they are separated again.",
        lambda h, t, d: dmerged[t, h * sizes.d + d],
        undoes=(f"{attn}.merged",),
    )
    yield gradient_step(
        f"{attn}.weights",
        "hts",
        "dweights[h,t,s] = Σ_d dheads[h,t,d]·v[h,s,d]",
        "8.11",
        "Should position t have looked more at position s? The dot product of the gradient at t with the value at s: "
        "below 0 means that looking more would lower the loss. The future stays masked.",
        mask_future(lambda h, t, s: total(dheads[h, t, d] * v[h, s, d] for d in range(sizes.d))),
        undoes=(f"{attn}.heads",),
    )
    yield gradient_step(
        f"{attn}.v",
        "hsd",
        "dv[h,s,d] = Σ_{t≥s} weights[h,t,s]·dheads[h,t,d]",
        "8.12",
        "A value went to every position that looked at it. Its gradient is the sum of theirs, each weighted by its "
        "attention weight.",
        lambda h, s, d: total(weights[h, t, s] * dheads[h, t, d] for t in range(s, sizes.t)),
        undoes=(f"{attn}.heads",),
    )


def _scaling_gradient_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the scores, scaled and unscaled; the mask is (8.19)."""
    dmasked, dscaled, root = gradient(f"{attn}.masked"), gradient(f"{attn}.scaled"), sqrt(Constant(sizes.d))
    yield gradient_step(
        f"{attn}.scaled",
        "hts",
        "dscaled[h,t,s] = dmasked[h,t,s] where s ≤ t, else 0",
        "8.19",
        "The mask passed the past on unchanged. The future was replaced by -inf: its scores had no effect on the "
        "result, so their gradient is 0.",
        mask_future(lambda h, t, s: dmasked[h, t, s]),
        undoes=(f"{attn}.masked",),
    )
    yield gradient_step(
        f"{attn}.scores",
        "hts",
        f"dscores[h,t,s] = dscaled[h,t,s] / √{sizes.d}",
        "8.14",
        "Divided on the way forward, so divided on the way back.",
        mask_future(lambda h, t, s: dscaled[h, t, s] / root),
        undoes=(f"{attn}.scaled",),
    )


def _score_gradient_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of keys and queries."""
    q, k, dscores = Cells(f"{attn}.q"), Cells(f"{attn}.k"), gradient(f"{attn}.scores")
    yield gradient_step(
        f"{attn}.k",
        "hsd",
        "dk[h,s,d] = Σ_{t≥s} dscores[h,t,s]·q[h,t,d]",
        "8.16",
        "A key was compared with the queries of its own and all later positions, so its gradient is the sum over them.",
        lambda h, s, d: total(dscores[h, t, s] * q[h, t, d] for t in range(s, sizes.t)),
        undoes=(f"{attn}.scores",),
    )
    yield gradient_step(
        f"{attn}.q",
        "htd",
        "dq[h,t,d] = Σ_{s≤t} dscores[h,t,s]·k[h,s,d]",
        "8.15",
        "A query was compared with the keys of its own and all earlier positions, so its gradient is the sum over "
        "them.",
        lambda h, t, d: total(dscores[h, t, s] * k[h, s, d] for s in range(t + 1)),
        undoes=(f"{attn}.scores",),
    )


def _projection_gradient_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of ``attn.c_attn``, whose columns belong to q, to k and to v, and of ``ln_1.out`` (T, C)."""
    linear, x, column = f"{block}.attn.c_attn", Cells(f"{block}.ln_1.out"), _projection_gradient(block, sizes)
    positions, where, projections = range(sizes.t), _column_equation(sizes), _projection_names(block)
    yield gradient_step(
        f"{linear}.weight",
        "ci",
        f"c_attn.dweight[c,i] = Σ_t ln_1.out[t,c]·dq[h,t,d] (dk, dv),  {where}",
        "2.3, 8.17",
        "The gradient of each weight: the number it multiplied times the gradient of the query, key or value that it "
        "went into, summed over all positions.",
        lambda c, i: total(x[t, c] * column(t, i) for t in positions),
        undoes=projections,
    )
    if config.bias:
        yield gradient_step(
            f"{linear}.bias",
            "i",
            f"c_attn.dbias[i] = Σ_t dq[h,t,d] (dk, dv),  {where}",
            "2.4, 8.17",
            "The bias was added at every position, so its gradient is the sum over all positions. The keys' part is 0 "
            "except for rounding, because the softmax does not change when all scores of a row change by the same "
            "amount (8.18).",
            lambda i: total(column(t, i) for t in positions),
            undoes=projections,
        )
    weight, slices = Cells(f"{linear}.weight"), (range(n * sizes.c, (n + 1) * sizes.c) for n in range(3))
    yield gradient_step(
        f"{block}.ln_1.out",
        "tc",
        f"ln_1.dout[t,c] = Σ_i (dq, dk, dv)[h,t,d]·c_attn.weight[c,i],  {where}",
        "8.17",
        "Each channel went into all queries, keys and values of its position, so its gradient is the sum over all of "
        "them.",
        lambda t, c: total(column(t, i) * weight[c, i] for i in range(sizes.i)),
        undoes=projections,
        weights=tuple(Weights(f"{linear}.weight", "cj", part.start, part.stop) for part in slices),
    )


def _projection_gradient(block: str, sizes: Sizes) -> Callable[[int, int], Ref]:
    """Return the function (t, i) → the gradient of what column i of c_attn produced at position t."""
    parts = [gradient(name) for name in _projection_names(block)]

    def column(t: int, i: int) -> Ref:
        part, place = divmod(i, sizes.c)
        return parts[part][place // sizes.d, t, place % sizes.d]

    return column


def _projection_names(block: str) -> tuple[str, ...]:
    return tuple(f"{block}.attn.{name}" for name, *_ in _PROJECTIONS)


def _column_equation(sizes: Sizes) -> str:
    c, d = sizes.c, sizes.d
    return f"i = {d}·h + d for q, {c} + {d}·h + d for k, {2 * c} + {d}·h + d for v"
