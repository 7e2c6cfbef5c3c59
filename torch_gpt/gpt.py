"""The whole GPT: from tokens to logits; autograd computes the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.inputs import check_masks, check_tokens, require_gpt
from numpy_gpt.shared.model.record import Record, ignore, scoped
from torch_gpt.layers.block import block_forward
from torch_gpt.layers.dropout import dropout_forward
from torch_gpt.layers.embedding import embedding_forward, embedding_fused
from torch_gpt.layers.layer_norm import layer_norm_forward, layer_norm_fused
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.parameters import head, inside, on_host, tensor_from

Masks = Mapping[str, Array | Tensor]
"""Dropout masks by the names of ``shared.names.dropout_shapes``, of the parameters' dtype."""


def gpt_forward(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: Any,
    masks: Masks | None = None,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return the logits of every next token.

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V). ``masks`` are needed only in
    training with dropout. ``fused`` selects torch's fused operations: the same function, but activations inside a fused
    operation are not recorded.

    Raises
    ------
    UserError
        If the model is not a GPT, the tokens do not meet these conditions, or some masks are given but not all of
        them with the right shapes and dtype.
    """
    config = require_gpt(config)
    device = parameters["wte.weight"].device
    checked = check_tokens(on_host(tokens), config)
    batch, time = checked.shape
    check_masks(masks or {}, config, batch, time, str(parameters["wte.weight"].dtype))
    ids = tensor_from(checked, device, torch.int64)
    return logits_of(parameters, config, ids, masks_on(masks or {}, device), record, fused)


def logits_of(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Tensor,
    masks: Mapping[str, Tensor | float],
    record: Record = ignore,
    fused: bool = False,
    blocks: Sequence[Callable[[Tensor], Tensor]] | None = None,
) -> Tensor:
    """Return the result of gpt_forward for tokens and masks that have already been checked and are on the device.

    If ``blocks`` are given, they compute (12.2), and ``parameters`` need not contain their parameters.
    """
    embedding = embedding_fused if fused else embedding_forward
    layer_norm = layer_norm_fused if fused else layer_norm_forward
    linear = linear_fused if fused else linear_forward

    x = embedding(tokens, parameters["wte.weight"], parameters["wpe.weight"], scoped(record, "embedding"))  # (12.1)
    if "embedding.dropout" in masks:
        x = dropout_forward(x, masks["embedding.dropout"])
        record("embedding.dropout", x)
    for layer in range(config.n_layer):  # (12.2)
        if blocks is not None:
            x = blocks[layer](x)
            continue
        name = f"h.{layer}"
        x = block_forward(x, inside(parameters, name), config, inside(masks, name), scoped(record, name), fused)
    weight, bias = parameters["ln_f.weight"], parameters.get("ln_f.bias")
    x = layer_norm(x, weight, bias, config.layer_norm_epsilon, scoped(record, "ln_f"))
    logits = linear(x, head(parameters, config).T, None)  # (12.3)
    record("logits", logits)
    return logits


def masks_on(masks: Masks, device: torch.device) -> dict[str, Tensor]:
    """Return the masks as tensors on the device."""
    return {
        name: tensor_from(mask, device) if isinstance(mask, np.ndarray) else mask.to(device)
        for name, mask in masks.items()
    }
