"""Loss, gradients by autograd, and predictions for every kind of model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gpt_data.errors import UserError
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import BigramConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import check_config
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.token_checks import check_targets, check_tokens, count_targets
from torch_gpt.bigram import bigram_logits_of
from torch_gpt.gpt import Masks, logits_of, placed_masks
from torch_gpt.layers.cross_entropy import cross_entropy_forward, cross_entropy_fused
from torch_gpt.layers.softmax import softmax_forward, softmax_fused
from torch_gpt.parameters import check_parameters, on_host, tensor_from
from torch_gpt.record import recorder_of, with_gradients


def model_forward(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return the logits (B, T, V) of every next token for tokens (B, T); ``masks`` are only for a GPT with dropout.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the parameters do not fit the config, the tokens are not integers in [0, V), T > block_size, or the masks do
        not fit the model.
    """
    check_parameters(parameters, config)
    ids, record = _check(config, tokens, fused), recorder_of(record, config)
    return _logits_of(parameters, config, ids, masks, record, fused)


def loss_of(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return the mean loss in nats per token, a 0-d tensor that autograd can differentiate.

    Shapes: tokens and targets (B, T). A target of −100 or −1 does not count: the mean is over the others.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the parameters do not fit the config, the tokens or targets are not integers in [0, V), differ in shape,
        T > block_size, the masks do not fit, or no target counts.
    """
    check_parameters(parameters, config)
    return _loss_of(parameters, config, tokens, targets, masks, record, fused)


def _loss_of(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None,
    record: Record,
    fused: bool,
    count: float | None = None,
) -> Tensor:
    ids, record = _check(config, tokens, fused), recorder_of(record, config)
    next_ids = check_targets(on_host(targets, "targets"), ids, config)
    if count is None:
        count_targets(next_ids)
    logits = _logits_of(parameters, config, ids, masks, record, fused)
    cross_entropy = cross_entropy_fused if fused else cross_entropy_forward
    return cross_entropy(logits, tensor_from(next_ids, logits.device, torch.int64), record, count)


def loss_and_gradients(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the mean loss in nats per token, a 0-d tensor, and the gradient of every parameter by name.

    ``record`` receives the activations in the forward pass and their gradients, named by ``gradient_name``, in the
    backward pass; both are detached. Arguments, shapes and errors are those of ``loss_of``.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If a parameter does not require a gradient, or as ``loss_of`` does.
    """
    check_parameters(parameters, config)
    if constant := [name for name, parameter in parameters.items() if not parameter.requires_grad]:
        raise UserError(f"parameter {constant[0]!r} must require a gradient; parameters_from makes such tensors")
    return loss_and_gradients_of(parameters, config, tokens, targets, masks, record, fused)


@torch.inference_mode(False)  # autograd works here also where the caller has switched it off
def loss_and_gradients_of(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None,
    record: Record,
    fused: bool,
    count: float | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the result of loss_and_gradients for parameters known to fit the config, such as an engine's own.

    The sum of the losses is divided by ``count``, by default the number of targets that count.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    loss = _loss_of(parameters, config, tokens, targets, masks, with_gradients(record), fused, count)
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    # Autograd may return a transposed view, but the optimizer needs the parameter's layout.
    return loss.detach(), {name: part.contiguous() for name, part in zip(parameters, gradients, strict=True)}


@torch.no_grad()
def predict(
    parameters: Mapping[str, Tensor], config: ModelConfig, tokens: Any, record: Record = ignore, fused: bool = False
) -> Tensor:
    """Return the probability of every next token (B, T, V) for tokens (B, T).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the parameters do not fit the config, the tokens are not integers in [0, V), or T > block_size.
    """
    record = recorder_of(record, check_config(config))
    logits = model_forward(parameters, config, tokens, record=record, fused=fused)
    probabilities = softmax_fused(logits) if fused else softmax_forward(logits, record)
    record("probabilities", probabilities)
    return probabilities


def next_logits(parameters: Mapping[str, Tensor], config: ModelConfig, tokens: Tokens, fused: bool) -> Tensor:
    """Return the logits (B, V) after the last of the tokens (B, T), which must be known to be valid."""
    ids = tensor_from(tokens, parameters["wte.weight"].device, torch.int64)
    if isinstance(config, BigramConfig):
        return bigram_logits_of(parameters, ids[:, -1:], fused=fused)[:, -1]
    return logits_of(parameters, config, ids, {}, fused=fused, last=True)[:, -1]


def _logits_of(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Tokens,
    masks: Masks | None,
    record: Record,
    fused: bool,
) -> Tensor:
    """Return the logits for tokens that have already been checked; the masks are checked here."""
    placed = placed_masks(masks, config, tokens, parameters["wte.weight"])
    ids = tensor_from(tokens, parameters["wte.weight"].device, torch.int64)
    if isinstance(config, BigramConfig):
        return bigram_logits_of(parameters, ids, record, fused)
    return logits_of(parameters, config, ids, placed, record, fused)


def _check(config: ModelConfig, tokens: Any, fused: bool) -> Tokens:
    check_flags(fused=fused)
    return check_tokens(on_host(tokens), config)
