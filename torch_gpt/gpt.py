"""The whole GPT: from tokens to logits; autograd computes the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.array_checks import check_masks
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE
from numpy_gpt.shared.model.record import Record, ignore, scoped
from numpy_gpt.shared.model.token_checks import check_tokens
from torch_gpt.layers.block import block_forward
from torch_gpt.layers.dropout import dropout_forward
from torch_gpt.layers.embedding import embedding_forward, embedding_fused
from torch_gpt.layers.linear import linear_forward, linear_fused
from torch_gpt.layers.norm import norm_forward
from torch_gpt.parameters import by_block, check_parameters, check_tensor, head, on_host, tensor_from
from torch_gpt.record import recorder_of, use_of

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

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the model is not a GPT, the parameters are not its tensors, the tokens do not meet these conditions, or some
        masks are given but not all of them with the right shapes and dtype.
    """
    config = require_gpt(config)
    check_parameters(parameters, config)
    record = recorder_of(record, config)
    check_flags(fused=fused)
    checked = check_tokens(on_host(tokens), config)
    device = parameters["wte.weight"].device
    placed = placed_masks(masks, config, checked, parameters["wte.weight"])
    return logits_of(parameters, config, tensor_from(checked, device, torch.int64), placed, record, fused)


def logits_of(
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    tokens: Tensor,
    masks: Mapping[str, Tensor | float],
    record: Record = ignore,
    fused: bool = False,
    blocks: Sequence[Callable[[Tensor], Tensor]] | None = None,
    last: bool = False,
) -> Tensor:
    """Return the result of gpt_forward for tokens and masks that have already been checked and are on the device.

    If ``blocks`` are given, they compute (12.2), and ``parameters`` need not contain their parameters. With ``last``,
    only the logits after the last position are computed, (B, 1, V).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    embedding = embedding_fused if fused else embedding_forward
    linear = linear_fused if fused else linear_forward

    wte, to_logits = parameters["wte.weight"], head(parameters, config)
    if config.tie_weights:
        wte, to_logits = use_of(record, EMBEDDING_USE, wte), use_of(record, HEAD_USE, to_logits)
    x = embedding(tokens, wte, parameters["wpe.weight"], scoped(record, "embedding"))  # (12.1)
    if "embedding.dropout" in masks:
        x = dropout_forward(x, masks["embedding.dropout"])
        record("embedding.dropout", x)
    if config.has_embedding_norm:
        x = norm_forward(x, parameters, "embedding.norm", config, record, fused)  # (19.8)
    if blocks is None:
        parts = zip(by_block(parameters, config.n_layer), by_block(masks, config.n_layer), strict=True)
        for layer, (block, block_masks) in enumerate(parts):  # (12.2)
            x = block_forward(x, block, config, block_masks, scoped(record, f"h.{layer}"), fused)
    else:
        for compute in blocks:
            x = compute(x)
    x = x[:, -1:] if last else x
    if not config.has_embedding_norm:
        x = norm_forward(x, parameters, "ln_f", config, record, fused)
    logits: Tensor = record("logits", linear(x, to_logits.T, None))  # (12.3), or (19.9)
    return logits


def placed_masks(masks: Masks | None, config: ModelConfig, tokens: Tokens, parameter: Tensor) -> dict[str, Tensor]:
    """Return the dropout masks for tokens (B, T) as tensors of the parameter's dtype, on its device.

    Raises
    ------
    UserError
        If some masks are given but not all of them, as NumPy arrays or tensors with the right shapes and dtype.
    """
    masks = {} if masks is None else masks
    batch, time = tokens.shape
    check_masks(masks, config, batch, time, parameter.dtype, (np.ndarray, Tensor))
    device, placed = parameter.device, {}
    for name, mask in masks.items():
        if isinstance(mask, Tensor):
            check_tensor(f"dropout mask {name!r}", mask)
        placed[name] = tensor_from(mask, device) if isinstance(mask, np.ndarray) else mask.to(device)
    return placed
