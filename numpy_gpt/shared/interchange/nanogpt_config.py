"""nanoGPT's ``model_args`` and GPTConfig: the same names, and what nanoGPT's code fixes.

It ties the weights, uses the exact (erf) GELU, and its layer norm has epsilon 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import list_names
from numpy_gpt.shared.interchange.fixed_fields import require_fields
from numpy_gpt.shared.model.config import GPTConfig

_FIELDS = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout", "bias")
_DEFAULTS: dict[str, Any] = {"block_size": 1024, "vocab_size": 50304, "n_layer": 12, "n_head": 12, "n_embd": 768}
_DEFAULTS |= {"dropout": 0.0, "bias": True}
FIXED: dict[str, Any] = {
    "norm": "layer_norm",
    "tie_weights": True,
    "activation": "gelu_erf",
    "layer_norm_epsilon": 1e-5,
}
"""What is the same in every model of nanoGPT."""


def config_from_nanogpt(arguments: Mapping[str, Any]) -> GPTConfig:
    """Return the config of nanoGPT's ``model_args``; what they lack has nanoGPT's default.

    Raises
    ------
    UserError
        If there is an argument that nanoGPT does not have, or a value is out of range.
    """
    if unknown := sorted(set(arguments) - set(_FIELDS), key=str):
        raise UserError(f"model_args has {list_names(map(str, unknown))}, which nanoGPT's GPTConfig does not have")
    return GPTConfig(**_DEFAULTS | dict(arguments), **FIXED)


def config_to_nanogpt(config: GPTConfig) -> dict[str, Any]:
    """Return the ``model_args`` of a model.

    Raises
    ------
    UserError
        If nanoGPT has no such model; the message names the field.
    """
    require_fields(config, FIXED, "nanoGPT")
    return {name: getattr(config, name) for name in _FIELDS}
