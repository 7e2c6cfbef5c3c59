"""The bigram model, the baseline that a GPT must beat: the logits of the next token are a row of one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.config_checks import require_bigram
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.token_checks import check_tokens
from torch_gpt.parameters import check_parameters, on_host, tensor_from
from torch_gpt.record import recorder_of


def bigram_forward(
    parameters: Mapping[str, Tensor], config: BigramConfig, tokens: Any, record: Record = ignore, fused: bool = False
) -> Tensor:
    """Return logits[b, t] = table[tokens[b, t]] (15.1).

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V); the table (V, V) is ``wte.weight``.
    ``fused`` selects torch's embedding, which has a faster backward; it records the same activations.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the model is not a bigram model, the parameters are not its tensors, or the tokens do not meet these
        conditions.
    """
    check_parameters(parameters, require_bigram(config))
    record = recorder_of(record, config)
    check_flags(fused=fused)
    ids = tensor_from(check_tokens(on_host(tokens), config), parameters["wte.weight"].device, torch.int64)
    return bigram_logits_of(parameters, ids, record, fused)


def bigram_logits_of(
    parameters: Mapping[str, Tensor], tokens: Tensor, record: Record = ignore, fused: bool = False
) -> Tensor:
    """Return the result of bigram_forward for tokens that have already been checked and are on the device.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    table = parameters["wte.weight"]
    logits: Tensor = functional.embedding(tokens, table) if fused else table[tokens]  # (15.1)
    logits = record("logits", logits)
    return logits
