"""The parameters of a model as tensors with GPT-2's names, leaves of autograd's graph; a tied tensor appears once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.inputs import check_values

Value = TypeVar("Value")


def parameters_from(
    config: ModelConfig,
    values: Mapping[str, Array],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Return copies of the NumPy arrays ``values`` as tensors that require gradients, in order of computation.

    They keep the arrays' dtype unless ``dtype`` is given.

    Raises
    ------
    UserError
        If a tensor is missing or unknown, has the wrong shape, or has a different floating dtype from the others.
    """
    return {name: tensor_from(values[name], device, dtype).requires_grad_() for name in check_values(config, values)}


def tensor_from(array: Any, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """Return a copy of a NumPy array as a tensor; the array may be read-only and have any strides and byte order."""
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(native).to(device, dtype)


def on_host(ids: Any) -> Any:
    """Return token ids, which may be a tensor on any device, as something that NumPy can read."""
    return ids.cpu() if isinstance(ids, Tensor) else ids


def head(parameters: Mapping[str, Tensor], config: GPTConfig) -> Tensor:
    """Return the output head (V, C): ``wte.weight`` itself if the weights are tied."""
    return parameters["wte.weight" if config.tie_weights else "lm_head.weight"]


def decays(parameter: Tensor) -> bool:
    """Return whether weight decay applies: to matrices, embeddings included, not to norms and biases."""
    return parameter.ndim == 2


def inside(tensors: Mapping[str, Value], scope: str) -> dict[str, Value]:
    """Return the tensors of one scope by their names in it: for ``h.0``, ``h.0.ln_1.bias`` becomes ``ln_1.bias``."""
    prefix = f"{scope}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
