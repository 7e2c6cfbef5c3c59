"""The parameters of a model as tensors with GPT-2's names, leaves of autograd's graph; a tied tensor appears once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.argument_checks import check_mapping
from numpy_gpt.shared.model.array_checks import check_array, check_names, check_values
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import check_config
from numpy_gpt.shared.model.names import parameter_shapes

Value = TypeVar("Value")


@torch.inference_mode(False)  # tensors that are made in inference mode can never have gradients
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
        If a tensor is missing or unknown, is not a NumPy array, has the wrong shape, or has a different floating dtype
        from the others; or if ``device`` or ``dtype`` is not one that holds such numbers.
    """
    shapes = check_values(config, values)
    place = _storage_device(device)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UserError(f"dtype must be a floating-point dtype of torch, such as torch.float32, not {describe(dtype)}")
    return {name: tensor_from(values[name], place, dtype).requires_grad_() for name in shapes}


def check_parameters(parameters: Any, config: Any) -> None:
    """Check that parameters are tensors with the names and shapes of the config, of one dtype, on one device.

    Raises
    ------
    UserError
        If they are not, for example because the config is that of another model.
    """
    check_mapping("parameters", parameters)
    shapes = _shapes(check_config(config))
    if parameters.keys() != shapes.keys():
        check_names(shapes, parameters)
    check_tensor("parameter 'wte.weight'", parameters["wte.weight"])
    first = parameters["wte.weight"]
    dtype, device = first.dtype, first.device
    if not dtype.is_floating_point:
        raise UserError(f"parameters must be floating-point numbers, not {dtype}")
    for name, shape in shapes.items():
        tensor = parameters[name]
        if not isinstance(tensor, Tensor):
            check_tensor(f"parameter {name!r}", tensor)
        if tensor.shape != shape:
            raise UserError(
                f"parameter {name!r} must have shape {shape}, as the config says, not {tuple(tensor.shape)}"
            )
        if tensor.dtype != dtype or tensor.device != device:
            given = f"{tensor.dtype} on {tensor.device}"
            raise UserError(f"parameter {name!r} must be {dtype} on {device} like the others, not {given}")


def check_tensor(name: str, value: Any) -> None:
    """Check that an argument is an ordinary torch tensor, with its numbers in memory.

    Raises
    ------
    UserError
        If it is anything else, such as a NumPy array or a sparse tensor, or is on the device ``meta``.
    """
    check_array(name, value, Tensor)
    if value.device.type == "meta":
        raise UserError(f"{name} must have numbers, but it is on the device meta, which keeps only shapes")
    if value.layout is not torch.strided:
        raise UserError(f"{name} must be a dense tensor, not {value.layout}; to_dense() makes one")


_shapes = lru_cache(maxsize=16)(parameter_shapes)  # the same in every step


def _storage_device(device: Any) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:  # AssertionError: a torch built without CUDA
        raise UserError(f"there is no device {describe(device)} in PyTorch {torch.__version__}; try cpu") from error
    if place.type == "meta":
        raise UserError("parameters must have numbers, but the device meta keeps only shapes; try cpu")
    return place


def tensor_from(array: Any, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """Return a copy of a NumPy array as a tensor; the array may be read-only and have any strides and byte order."""
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(native).to(device, dtype)


def on_host(ids: Any, what: str = "token ids") -> Any:
    """Return token ids, which may be a tensor on any device, as something that NumPy can read; errors say ``what``.

    Raises
    ------
    UserError
        If they are a tensor without numbers, on the device ``meta``.
    """
    if not isinstance(ids, Tensor):
        return ids
    check_tensor(what, ids)
    return ids.detach().cpu()


def head(parameters: Mapping[str, Tensor], config: GPTConfig) -> Tensor:
    """Return the output head (V, C): ``wte.weight`` itself if the weights are tied."""
    return parameters["wte.weight" if config.tie_weights else "lm_head.weight"]


def decays(parameter: Tensor) -> bool:
    """Return whether weight decay applies: to matrices, embeddings included, not to norms and biases."""
    return parameter.ndim == 2


def by_block(tensors: Mapping[str, Value], n_layer: int) -> list[dict[str, Value]]:
    """Return the tensors of each block by their names inside it: ``h.0.ln_1.bias`` is ``ln_1.bias`` of the first."""
    blocks: list[dict[str, Value]] = [{} for _ in range(n_layer)]
    for name, tensor in tensors.items():  # once, however many blocks there are
        if name.startswith("h."):
            _, layer, inner = name.split(".", 2)
            blocks[int(layer)][inner] = tensor
    return blocks
