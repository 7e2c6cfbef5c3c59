"""The whole GPT: from the tokens to the probabilities of the next word, and backward from the logits."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.formulas.attention import attention_gradient_steps, attention_steps
from handcalc.formulas.embedding import embedding_gradient_steps, embedding_steps
from handcalc.formulas.feed_forward import feed_forward_gradient_steps, feed_forward_steps
from handcalc.formulas.head import head_gradient_steps, head_steps
from handcalc.formulas.layer_norm import layer_norm_gradient_steps, layer_norm_steps
from handcalc.formulas.residual import branch_gradient_step, residual_step, stream_gradient_step
from handcalc.formulas.step import Sizes, Step
from handcalc.formulas.tokens import Token
from numpy_gpt.shared.model.config import GPTConfig


def gpt_steps(config: GPTConfig, tokens: tuple[Token, ...], sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps from the tokens to ``probabilities`` (T, V)."""
    yield from embedding_steps(tokens, sizes)
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


# Backward


def gpt_gradient_steps(config: GPTConfig, tokens: tuple[Token, ...], sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients from that of the logits back to those of the embeddings."""
    yield from head_gradient_steps(config, sizes)
    yield from layer_norm_gradient_steps("ln_f", config, sizes)
    norm, bypass = "ln_f", None
    for layer in reversed(range(config.n_layer)):
        block = f"h.{layer}"
        section = "10.4" if bypass else "4.15"
        yield stream_gradient_step(f"{block}.mlp.residual", norm, bypass, section=section)
        yield from block_gradient_steps(block, config, sizes, digits)
        norm, bypass = f"{block}.ln_1", f"{block}.attn.residual"
    yield stream_gradient_step("embedding.sum", norm, bypass, section="10.4" if bypass else "4.15")
    yield from embedding_gradient_steps(config, tokens, sizes)


def block_gradient_steps(block: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the gradients of one transformer block, from ``mlp.out`` back to the norm before attention."""
    yield branch_gradient_step(f"{block}.mlp", section="10.3")
    yield from feed_forward_gradient_steps(block, config, sizes, digits)
    yield from layer_norm_gradient_steps(f"{block}.ln_2", config, sizes)
    yield stream_gradient_step(f"{block}.attn.residual", f"{block}.ln_2", f"{block}.mlp.residual", section="10.3")
    yield branch_gradient_step(f"{block}.attn", section="10.4")
    yield from attention_gradient_steps(block, config, sizes)
    yield from layer_norm_gradient_steps(f"{block}.ln_1", config, sizes)
