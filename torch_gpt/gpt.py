"""The whole GPT: tokens to logits and loss; autograd finds the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.config import GPTConfig
from numpy_gpt.shared.given_masks import check_masks
from numpy_gpt.shared.record import Record, ignore, within
from numpy_gpt.shared.token_ids import check_targets, check_tokens
from torch_gpt.layers.block import block_forward
from torch_gpt.layers.cross_entropy import cross_entropy_forward, cross_entropy_fused
from torch_gpt.layers.dropout import dropout_forward
from torch_gpt.layers.embedding import embedding_forward, embedding_fused
from torch_gpt.layers.layer_norm import layer_norm_forward, layer_norm_fused
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.layers.softmax import softmax_forward, softmax_fused
from torch_gpt.parameters import head, inside, tensor_from
from torch_gpt.record import with_gradients

Masks = Mapping[str, Array | Tensor]
"""Dropout masks by the names of ``shared.names.dropout_shapes``, of the parameters' dtype."""


def gpt_forward(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return the logits of every next token.

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V). ``masks`` are given in training with
    dropout only. ``fused`` chooses torch's fused operations: the same function, but of the activations inside a fused
    operation none is recorded.

    Raises
    ------
    UserError
        If the tokens are not such an array, or masks are given but not all of them, in their shapes and this dtype.
    """
    device = parameters["wte.weight"].device
    checked = check_tokens(_on_host(tokens), config)
    dtype = str(parameters["wte.weight"].dtype).removeprefix("torch.")
    check_masks(masks or {}, config, checked.shape[0], checked.shape[1], dtype)
    ids = tensor_from(checked, device, torch.int64)
    given = {name: _on_device(mask, device) for name, mask in (masks or {}).items()}
    return logits_of(parameters, config, ids, given, record, fused)


def logits_of(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Tensor,
    masks: Mapping[str, Tensor],
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return gpt_forward's logits for tokens and masks that are good and on the device already: nothing is checked."""
    embedding = embedding_fused if fused else embedding_forward
    layer_norm = layer_norm_fused if fused else layer_norm_forward
    linear = linear_fused if fused else linear_forward

    x = embedding(tokens, parameters["wte.weight"], parameters["wpe.weight"], within(record, "embedding"))  # (12.1)
    if "embedding.dropout" in masks:
        x = dropout_forward(x, masks["embedding.dropout"])
        record("embedding.dropout", x)
    for layer in range(config.n_layer):  # (12.2)
        name = f"h.{layer}"
        x = block_forward(x, inside(parameters, name), config, inside(masks, name), within(record, name), fused)
    weight, bias = parameters["ln_f.weight"], parameters.get("ln_f.bias")
    x = layer_norm(x, weight, bias, config.layer_norm_epsilon, within(record, "ln_f"))
    logits = linear(x, head(parameters, config).T, None)  # (12.3)
    record("logits", logits)
    return logits


def loss_of(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return the mean loss in nats per token, a 0-d tensor that autograd can differentiate.

    Shapes: tokens and targets (B, T).

    Raises
    ------
    UserError
        If the tokens or targets are not integers in [0, V), differ in shape, or T > block_size.
    """
    ids = check_tokens(_on_host(tokens), config)
    next_ids = check_targets(_on_host(targets), ids, config)
    logits = gpt_forward(parameters, config, ids, masks, record, fused)
    cross_entropy = cross_entropy_fused if fused else cross_entropy_forward
    return cross_entropy(logits, tensor_from(next_ids, logits.device, torch.int64), record)


def loss_and_gradients(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Any,
    targets: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the mean loss in nats per token, a 0-d tensor, and the gradient of every parameter by name.

    ``record`` is given the activations in the forward pass, and their gradients, by ``shared.names.gradient_name``, in
    the backward pass; both are detached. Arguments, shapes and errors are those of ``loss_of``.
    """
    loss = loss_of(parameters, config, tokens, targets, masks, with_gradients(record), fused)
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    # Autograd may return a transposed view; the optimizer wants the parameter's own layout.
    return loss.detach(), {name: part.contiguous() for name, part in zip(parameters, gradients, strict=True)}


@torch.no_grad()
def predict(
    parameters: Mapping[str, Tensor], config: GPTConfig, tokens: Any, record: Record = ignore, fused: bool = False
) -> Tensor:
    """Return the probability of every next token (B, T, V) for tokens (B, T)."""
    logits = gpt_forward(parameters, config, tokens, record=record, fused=fused)
    probabilities = softmax_fused(logits) if fused else softmax_forward(logits, record)
    record("probabilities", probabilities)
    return probabilities


def _on_host(ids: Any) -> Any:
    return ids.cpu() if isinstance(ids, Tensor) else ids


def _on_device(mask: Array | Tensor, device: torch.device) -> Tensor:
    return tensor_from(mask, device) if isinstance(mask, np.ndarray) else mask.to(device)
