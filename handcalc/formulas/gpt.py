"""The whole GPT: from the tokens to the probabilities of the next word, and backward from the logits."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.formulas.attention import attention_gradient_steps, attention_steps
from handcalc.formulas.embedding import embedding_gradient_steps, embedding_steps
from handcalc.formulas.feed_forward import feed_forward_gradient_steps, feed_forward_steps
from handcalc.formulas.head import head_gradient_steps, head_steps
from handcalc.formulas.norms.norm import EMBEDDING_NORM, norm_gradient_steps, norm_steps, stream_before
from handcalc.formulas.residual import (
    branch_gradient_step,
    normed_gradient_step,
    residual_step,
    stream_gradient_step,
)
from handcalc.formulas.step import Sizes, Step
from handcalc.formulas.tokens import Token
from numpy_gpt.shared.model.config import GPTConfig


def gpt_steps(config: GPTConfig, tokens: tuple[Token, ...], sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps from the tokens to ``probabilities`` (T, V)."""
    yield from embedding_steps(tokens, sizes)
    if config.has_embedding_norm:
        yield from norm_steps(EMBEDDING_NORM, "embedding.sum", config, sizes)  # (19.8)
    for layer in range(config.n_layer):
        yield from block_steps(f"h.{layer}", stream_before(layer, config), config, sizes, digits)
    if not config.has_embedding_norm:
        yield from norm_steps("ln_f", stream_before(config.n_layer, config), config, sizes)
    yield from head_steps(config, sizes)


def block_steps(block: str, x: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps of one transformer block, which reads the stream ``x`` and adds to it twice."""
    yield from norm_steps(f"{block}.ln_1", x, config, sizes)
    yield from attention_steps(block, config, sizes)
    yield residual_step(f"{block}.attn", x, section="10.1")
    yield from norm_steps(f"{block}.ln_2", f"{block}.attn.residual", config, sizes)
    yield from feed_forward_steps(block, config, sizes, digits)
    yield residual_step(f"{block}.mlp", f"{block}.attn.residual", section="10.2")


# Backward


def gpt_gradient_steps(config: GPTConfig, tokens: tuple[Token, ...], sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients from that of the logits back to those of the embeddings."""
    yield from head_gradient_steps(config, sizes)
    if not config.has_embedding_norm:
        last = stream_before(config.n_layer, config)
        yield from norm_gradient_steps("ln_f", last, config, sizes)
        yield normed_gradient_step(last, "ln_f", config)
    for layer in reversed(range(config.n_layer)):
        block, before = f"h.{layer}", stream_before(layer, config)
        yield from block_gradient_steps(block, before, config, sizes, digits)
        yield stream_gradient_step(before, f"{block}.ln_1", f"{block}.attn.residual", section="10.4")
    if config.has_embedding_norm:
        yield from norm_gradient_steps(EMBEDDING_NORM, "embedding.sum", config, sizes)
        yield normed_gradient_step("embedding.sum", EMBEDDING_NORM, config)
    yield from embedding_gradient_steps(config, tokens, sizes)


def block_gradient_steps(block: str, x: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients of one transformer block from ``mlp.out`` back to the norm that read its input ``x``."""
    yield branch_gradient_step(f"{block}.mlp", section="10.3")
    yield from feed_forward_gradient_steps(block, config, sizes, digits)
    yield from norm_gradient_steps(f"{block}.ln_2", f"{block}.attn.residual", config, sizes)
    yield stream_gradient_step(f"{block}.attn.residual", f"{block}.ln_2", f"{block}.mlp.residual", section="10.3")
    yield branch_gradient_step(f"{block}.attn", section="10.4")
    yield from attention_gradient_steps(block, config, sizes)
    yield from norm_gradient_steps(f"{block}.ln_1", x, config, sizes)
