"""Every kind of model: forward, backward, the optimizer's update, and forward again with the new weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handcalc.arithmetic.expression import Expression, Ref
from handcalc.formulas.adamw import Optimizer, adamw_steps, correction_steps
from handcalc.formulas.attribution import attribution_steps
from handcalc.formulas.bigram import bigram_gradient_steps, bigram_steps
from handcalc.formulas.clipping import clipping_steps
from handcalc.formulas.gpt import gpt_gradient_steps, gpt_steps
from handcalc.formulas.loss import loss_gradient_steps, loss_steps
from handcalc.formulas.step import AGAIN, UPDATED, Sizes, Step, parameters_of
from handcalc.formulas.tokens import Token
from numpy_gpt.shared.model.config import BigramConfig, ModelConfig


def forward_steps(
    config: ModelConfig, tokens: tuple[Token, ...], targets: tuple[Token, ...] = (), *, digits: int
) -> Iterator[Step]:
    """Yield every step from the tokens to the probabilities of the next word, and with ``targets`` to the loss.

    ``digits`` decides how many digits of constants without a finite decimal expansion are used.
    """
    sizes = Sizes.of(config, len(tokens))
    if isinstance(config, BigramConfig):
        yield from bigram_steps(tokens, sizes)
    else:
        yield from gpt_steps(config, tokens, sizes, digits)
    if targets:
        yield from loss_steps(targets, sizes)


def why_steps(config: ModelConfig, time: int) -> Iterator[Step]:
    """Yield the steps that split each logit by where it comes from; a bigram model's come from one weight each."""
    if not isinstance(config, BigramConfig):
        yield from attribution_steps(config, Sizes.of(config, time))


# Backward


def backward_steps(
    config: ModelConfig, tokens: tuple[Token, ...], targets: tuple[Token, ...], *, digits: int
) -> Iterator[Step]:
    """Yield the gradient of every named activation and parameter, from the loss back to the weights."""
    sizes = Sizes.of(config, len(tokens))
    yield from loss_gradient_steps(targets, sizes)
    if isinstance(config, BigramConfig):
        yield from bigram_gradient_steps(tokens)
    else:
        yield from gpt_gradient_steps(config, tokens, sizes, digits)


# The optimizer's update, and the forward pass with the new weights


def update_steps(config: ModelConfig, optimizer: Optimizer, time: int, number: int | Ref = 1) -> Iterator[Step]:
    """Yield every step from the gradients to the new weights, in the update of that ``number``, counted from 1.

    Before the first one AdamW's moments are 0; before a later one, and one of unknown number, they are given.
    """
    parameters = parameters_of(config)
    yield from clipping_steps(parameters, optimizer.grad_clip, Sizes.of(config, time))
    if number != 1:
        yield from correction_steps(optimizer, number)
    for parameter in parameters:
        yield from adamw_steps(parameter, optimizer, number)


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
