"""Output head: the final vector is compared with every word of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, total
from handcalc.formulas.norms.norm import head_input
from handcalc.formulas.softmax import softmax_steps
from handcalc.formulas.step import Sizes, Step, Weights, gradient, gradient_step
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import HEAD_USE, gradient_name

_SOFTMAX_MEANINGS = {
    "max": "The largest logit of each position; subtracting it keeps the exponentials at 1 or below.",
    "exponentials": "Logits become positive numbers: the likeliest word gets 1, the others less.",
    "sum": "The sum of all words' exponentials.",
    "out": "How likely each word is to come next, according to the model: each word's share of the sum.",
}


def head_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from the head's input (T, C) to ``probabilities`` (T, V); a tied head *is* wte."""
    yield _logits_step(config, sizes)
    yield from probability_steps(sizes)


def _logits_step(config: GPTConfig, sizes: Sizes) -> Step:
    matrix, read = head_matrix(config), head_input(config)
    x, words = Cells(read), Cells(matrix)
    row = "the word's row of wte.weight, its embedding" if config.tie_weights else "its row of lm_head.weight"
    return Step(
        name="logits",
        axes="tv",
        equation=f"logits[t,v] = Σ_c {read}[t,c]·{matrix}[v,c]",
        section="19.9" if config.has_embedding_norm else "12.3",
        meaning=f"How well each word fits as the next one: the dot product with {row}.",
        cell=lambda t, v: total(x[t, c] * words[v, c] for c in range(sizes.c)),
        weights=(Weights(matrix, "vc"),),
    )


def probability_steps(sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from ``logits`` (T, V) to ``probabilities`` (T, V), which end the forward pass of every model."""
    yield from softmax_steps(
        "softmax", "logits", "probabilities", "tv", lambda row: range(sizes.v), _SOFTMAX_MEANINGS, section="6.4"
    )


# Backward


def head_gradient_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the head's matrix (V, C) and of its input (T, C)."""
    matrix, read = head_matrix(config), head_input(config)
    x, words, dlogits = Cells(read), Cells(matrix), gradient("logits")
    tied = (
        " This is the part of wte's gradient that comes from its use at the end of the model; the part from its use at "
        "the start is added later."
    )
    yield gradient_step(
        HEAD_USE if config.tie_weights else matrix,
        "vc",
        f"dweight[v,c] = Σ_t dlogits[t,v]·{read}[t,c]",
        "12.5",
        "The gradient of each word's vector: the vectors it was compared with, each weighted by the gradient of its "
        "logit." + tied * config.tie_weights,
        lambda v, c: total(dlogits[t, v] * x[t, c] for t in range(sizes.t)),
        undoes=("logits",),
    )
    yield gradient_step(
        read,
        "tc",
        f"{gradient_name(read)}[t,c] = Σ_v dlogits[t,v]·{matrix}[v,c]",
        "12.4",
        "The gradient of each position's final vector: the vectors of all words, each weighted by the gradient of its "
        "logit.",
        lambda t, c: total(dlogits[t, v] * words[v, c] for v in range(sizes.v)),
        undoes=("logits",),
        weights=(Weights(matrix, "vc"),),
    )


def head_matrix(config: GPTConfig) -> str:
    """Return the name of the matrix (V, C) of the output head: a tied head *is* the token embedding."""
    return "wte.weight" if config.tie_weights else "lm_head.weight"
