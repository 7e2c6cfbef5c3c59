"""Output head: the final vector is compared with every word of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, total
from handcalc.forward.softmax import softmax_steps
from handcalc.tracing.steps import Sizes, Step, Weights
from numpy_gpt.shared.model.config import GPTConfig

_SOFTMAX_WORDS = {
    "max": "The largest logit of each position; taking it off keeps the exponentials at 1 or below.",
    "exponentials": "Logits become positive numbers: the likeliest word's becomes 1, the others' less.",
    "sum": "What the exponentials of all words add up to.",
    "out": "How likely each word is to come next, in the model's view: each word's share of the sum.",
}


def head_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from ``ln_f.out`` (T, C) to ``probabilities`` (T, V); a tied head *is* the token embedding."""
    matrix = "wte.weight" if config.tie_weights else "lm_head.weight"
    x, words = Cells("ln_f.out"), Cells(matrix)
    own_row = "the row of wte.weight where it is looked up" if config.tie_weights else "its row of lm_head.weight"
    yield Step(
        name="logits",
        axes="tv",
        equation=f"logits[t,v] = Σ_c ln_f.out[t,c]·{matrix}[v,c]",
        section="12.3",
        meaning=f"How well each word fits as the next one: the dot product with {own_row}.",
        cell=lambda t, v: total(x[t, c] * words[v, c] for c in range(sizes.c)),
        weights=(Weights(matrix, "vc"),),
    )
    yield from softmax_steps(
        "softmax", "logits", "probabilities", "tv", lambda row: range(sizes.v), _SOFTMAX_WORDS, section="6.4"
    )
