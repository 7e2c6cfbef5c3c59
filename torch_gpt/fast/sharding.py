"""FSDP2: each process keeps a shard of every weight, gradient and moment, and gathers weights only to compute."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from numpy_gpt.shared.model.arrays import Array
from torch_gpt.fast.loss_module import BlockModule


def shard(module: nn.Module, device: torch.device) -> None:
    """Replace the module's parameters in place with this process's shards, on its device.

    Each block is gathered separately, only while it computes; embeddings, head and last norm are gathered together.
    """
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for part in module.modules():
        if isinstance(part, BlockModule):
            fully_shard(part, mesh=mesh)
    fully_shard(module, mesh=mesh)


def reshard(module: nn.Module) -> None:
    """Drop the parameters gathered for a forward pass without a backward pass: the shards have changed since."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def distribute(tensors: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by parameter name, such as moments, sharded as the parameters are."""
    return {name: _distribute_like(tensor, parameters[name]) for name, tensor in tensors.items()}


def gather(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return a copy of each full tensor as an array; to gather sharded ones, all processes must call this."""
    return {name: _full_tensor(tensor.detach()).cpu().numpy().copy() for name, tensor in tensors.items()}


def full_scalar(tensor: Tensor) -> Tensor:
    """Return a scalar that is distributed over the processes, such as a norm, as an ordinary tensor."""
    return _full_tensor(tensor).to(torch.get_default_dtype()) if isinstance(tensor, DTensor) else tensor


def _distribute_like(tensor: Tensor, parameter: Tensor) -> Tensor:
    if not isinstance(parameter, DTensor) or isinstance(tensor, DTensor):
        return tensor
    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements)


def _full_tensor(tensor: Tensor) -> Tensor:
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full
