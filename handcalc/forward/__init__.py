"""The forward pass as expressions: one module per part of the model, each a list of steps in order of computation.

A module here says what each cell *is*; it holds no numbers and evaluates nothing. ``handcalc.backward`` undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.forward.attention import attention_steps
from handcalc.forward.embedding import embedding_steps
from handcalc.forward.feed_forward import feed_forward_steps
from handcalc.forward.head import head_steps
from handcalc.forward.layer_norm import layer_norm_steps
from handcalc.forward.residual import residual_step
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


def forward_steps(config: GPTConfig, tokens: tuple[int, ...], *, digits: int) -> Iterator[Step]:
    """Yield every step from the tokens to the probabilities of the next word.

    ``digits`` decides how many digits the constants have that are not finite decimal numbers.

    Raises
    ------
    UserError
        If the model's activation is not among the calculator's functions.
    """
    sizes = Sizes.of(config, len(tokens))
    yield from embedding_steps(tokens)
    stream = "embedding.sum"
    for layer in range(config.n_layer):
        yield from block_steps(f"h.{layer}", stream, config, sizes, digits)
        stream = f"h.{layer}.mlp.residual"
    yield from layer_norm_steps("ln_f", stream, config, sizes)
    yield from head_steps(config, sizes)


def block_steps(block: str, x: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps of one transformer block, which reads the stream ``x`` and adds to it twice."""
    yield from layer_norm_steps(f"{block}.ln_1", x, config, sizes)
    yield from attention_steps(block, config, sizes)
    yield residual_step(f"{block}.attn", x, section="10.1")
    yield from layer_norm_steps(f"{block}.ln_2", f"{block}.attn.residual", config, sizes)
    yield from feed_forward_steps(block, config, sizes, digits)
    yield residual_step(f"{block}.mlp", f"{block}.attn.residual", section="10.2")
