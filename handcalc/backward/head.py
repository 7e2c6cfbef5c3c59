"""The output head undone: what the words' vectors get for being compared, and what the final norm gets."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, total
from handcalc.backward.gradient import gradient, gradient_step
from handcalc.tracing.steps import Sizes, Step, Weights
from numpy_gpt.shared.model.config import GPTConfig

HEAD = "head.weight"
"""Of a tied matrix, the part that it gets as the output head; its gradient is ``head.dweight``."""


def head_gradient_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the head's matrix (V, C) and of ``ln_f.out`` (T, C)."""
    matrix = "wte.weight" if config.tie_weights else "lm_head.weight"
    x, words, dlogits = Cells("ln_f.out"), Cells(matrix), gradient("logits")
    shared = (
        " This is what wte.weight gets for its work at the end of the model; what it gets for its work at the "
        "beginning is added when we come there."
    )
    yield gradient_step(
        HEAD if config.tie_weights else matrix,
        "vc",
        "dweight[v,c] = Σ_t dlogits[t,v]·ln_f.out[t,c]",
        "12.5",
        "Each word's vector gets the vectors that it was compared with, as much of each as its logit should change."
        + shared * config.tie_weights,
        lambda v, c: total(dlogits[t, v] * x[t, c] for t in range(sizes.t)),
        undoes=("logits",),
    )
    yield gradient_step(
        "ln_f.out",
        "tc",
        f"ln_f.dout[t,c] = Σ_v dlogits[t,v]·{matrix}[v,c]",
        "12.4",
        "Each position's final vector gets the vectors of all words, as much of each as its logit should change.",
        lambda t, c: total(dlogits[t, v] * words[v, c] for v in range(sizes.v)),
        undoes=("logits",),
        weights=(Weights(matrix, "vc"),),
    )
