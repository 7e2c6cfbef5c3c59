"""The backward pass as expressions: one module per part of the model, each the forward module of that name undone.

Derived by hand and, other than numpy_gpt's, one named activation at a time: each expression is the derivative of one
forward step, over numbers that are already on the page. So what is shown here to agree with numpy_gpt's fused formulas
has been computed in another way.
"""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.backward.attention import attention_gradient_steps
from handcalc.backward.embedding import embedding_gradient_steps
from handcalc.backward.feed_forward import feed_forward_gradient_steps
from handcalc.backward.head import head_gradient_steps
from handcalc.backward.layer_norm import layer_norm_gradient_steps
from handcalc.backward.loss import loss_gradient_steps
from handcalc.backward.residual import branch_gradient_step, stream_gradient_step
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


def backward_steps(
    config: GPTConfig, tokens: tuple[int, ...], targets: tuple[int, ...], *, digits: int
) -> Iterator[Step]:
    """Yield the gradient of every named activation and parameter, from the loss back to the embeddings."""
    sizes = Sizes.of(config, len(tokens))
    yield from loss_gradient_steps(targets, sizes)
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
