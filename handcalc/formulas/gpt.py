"""The whole model: forward, backward, the optimizer's update, and forward again with the new weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handcalc.arithmetic.expression import Expression, Ref
from handcalc.formulas.adamw import Optimizer, adamw_steps, correction_steps
from handcalc.formulas.attention import attention_gradient_steps, attention_steps
from handcalc.formulas.clipping import clipping_steps
from handcalc.formulas.embedding import embedding_gradient_steps, embedding_steps
from handcalc.formulas.feed_forward import feed_forward_gradient_steps, feed_forward_steps
from handcalc.formulas.head import head_gradient_steps, head_steps
from handcalc.formulas.layer_norm import layer_norm_gradient_steps, layer_norm_steps
from handcalc.formulas.loss import loss_gradient_steps, loss_steps
from handcalc.formulas.residual import branch_gradient_step, residual_step, stream_gradient_step
from handcalc.formulas.step import AGAIN, UPDATED, Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes


def forward_steps(
    config: GPTConfig, tokens: tuple[int, ...], targets: tuple[int, ...] = (), *, digits: int
) -> Iterator[Step]:
    """Yield every step from the tokens to the probabilities of the next word, and with ``targets`` to the loss.

    ``digits`` decides how many digits of constants without a finite decimal expansion are used.
    """
    sizes = Sizes.of(config, len(tokens))
    yield from embedding_steps(tokens)
    stream = "embedding.sum"
    for layer in range(config.n_layer):
        yield from block_steps(f"h.{layer}", stream, config, sizes, digits)
        stream = f"h.{layer}.mlp.residual"
    yield from layer_norm_steps("ln_f", stream, config, sizes)
    yield from head_steps(config, sizes)
    if targets:
        yield from loss_steps(targets)


def block_steps(block: str, x: str, config: GPTConfig, sizes: Sizes, digits: int) -> Iterator[Step]:
    """Yield the steps of one transformer block, which reads the stream ``x`` and adds to it twice."""
    yield from layer_norm_steps(f"{block}.ln_1", x, config, sizes)
    yield from attention_steps(block, config, sizes)
    yield residual_step(f"{block}.attn", x, section="10.1")
    yield from layer_norm_steps(f"{block}.ln_2", f"{block}.attn.residual", config, sizes)
    yield from feed_forward_steps(block, config, sizes, digits)
    yield residual_step(f"{block}.mlp", f"{block}.attn.residual", section="10.2")


# Backward


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


# The optimizer's update, and the forward pass with the new weights


def update_steps(config: GPTConfig, optimizer: Optimizer, time: int, number: int = 1) -> Iterator[Step]:
    """Yield every step from the gradients to the new weights, in the update of that ``number``, counted from 1.

    Before the first one AdamW's moments are 0; before a later one they are given.
    """
    names = list(parameter_shapes(config))
    yield from clipping_steps(names, optimizer.grad_clip, Sizes.of(config, time))
    if number > 1:
        yield from correction_steps(optimizer, number)
    for name in names:
        yield from adamw_steps(name, optimizer, number)


def steps_again(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the forward steps over the updated weights: the same steps, each name preceded by ``updated.``."""
    for step in steps:
        yield step._replace(
            name=f"{UPDATED}.{step.name}",
            cell=_cell_again(step.cell),
            weights=tuple(weights._replace(name=f"{UPDATED}.{weights.name}") for weights in step.weights),
            phase=AGAIN,
        )


def _cell_again(cell: Callable[..., Expression]) -> Callable[..., Expression]:
    return lambda *index: cell(*index).map_refs(lambda ref: Ref(f"{UPDATED}.{ref.name}", ref.index))
