"""Causal self-attention: each position asks, earlier ones answer, and their answers are mixed."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, Masked, sqrt, total
from handcalc.forward.affine import affine, affine_equation, affine_weights
from handcalc.forward.softmax import softmax_steps
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig

_PROJECTIONS = (
    ("q", "t", "The query: what each position is looking for, in the terms of each head."),
    ("k", "s", "The key: what each position has to offer, to be compared with the queries."),
    ("v", "s", "The value: what a position hands over to those that attend to it."),
)

_SOFTMAX_WORDS = {
    "max": "The largest score that each position sees; taking it off keeps the exponentials at 1 or below.",
    "exponentials": "Scores become positive numbers: the best match becomes 1, poorer ones less, the future 0.",
    "sum": "What each position's exponentials add up to.",
    "out": "The attention weights: which share of its attention each position gives to itself and to each earlier one.",
}


def attention_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from ``ln_1.out`` (T, C) to ``attn.out`` (T, C) of one block, the residual sum not included."""
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
        _SOFTMAX_WORDS,
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
        meaning="How well the query at position t fits the key at position s: their dot product.",
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
        meaning="No position may look at a later one: the scores of the future are masked, and count as -inf.",
        cell=lambda h, t, s: scaled[h, t, s] if s <= t else Masked("-inf"),
    )


def _mixing_steps(attn: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    weights, v, heads, merged = (Cells(f"{attn}.{name}") for name in ("weights", "v", "heads", "merged"))
    yield Step(
        name=f"{attn}.heads",
        axes="htd",
        equation="heads[h,t,d] = Σ_{s≤t} weights[h,t,s]·v[h,s,d]",
        section="8.6",
        meaning="What each head brings back: the values of the positions it looked at, mixed by the attention weights.",
        cell=lambda h, t, d: total(weights[h, t, s] * v[h, s, d] for s in range(t + 1)),
    )
    yield Step(
        name=f"{attn}.merged",
        axes="tc",
        equation=f"merged[t, {sizes.d}·h + d] = heads[h,t,d]",
        section="8.7",
        meaning="The heads' results laid side by side, head 0 first, as one vector for each position.",
        cell=lambda t, c: heads[c // sizes.d, t, c % sizes.d],
    )
    yield Step(
        name=f"{attn}.out",
        axes="tc",
        equation=affine_equation("out[t,c]", "merged[t,j]", "c_proj", "c", sum_over="j", bias=config.bias),
        section="8.8",
        meaning="The heads' results mixed with one another: a learned weighted sum of them for each channel.",
        cell=lambda t, c: affine(merged, t, f"{attn}.c_proj", c, width=sizes.c, bias=config.bias),
        weights=affine_weights(f"{attn}.c_proj", "jc", bias=config.bias),
    )
