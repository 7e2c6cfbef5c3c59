"""FSDP2: each process keeps a part of every weight, gradient and moment, and gathers the weights while it computes."""

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
    """Give each process of the team its part of the module's parameters, on its device, in place.

    Each block's are gathered by themselves, for as long as the block computes; together are only those of embeddings,
    head and last norm.
    """
    team = init_device_mesh(device.type, (dist.get_world_size(),))
    for part in module.modules():
        if isinstance(part, BlockModule):
            fully_shard(part, mesh=team)
    fully_shard(module, mesh=team)


def reshard(module: nn.Module) -> None:
    """Have the module drop what it gathered for a forward pass without a backward: its parameters have changed."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def distribute(tensors: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by parameter name, such as moments, dealt out as the parameters are."""
    return {name: _dealt(tensor, parameters[name]) for name, tensor in tensors.items()}


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return a copy of each tensor as an array; of one that is dealt out, the whole: all processes must take part."""
    return {name: _whole(tensor.detach()).cpu().numpy().copy() for name, tensor in tensors.items()}


def _dealt(tensor: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor) or isinstance(tensor, DTensor):
        return tensor
    return distribute_tensor(tensor, like.device_mesh, like.placements)


def _whole(tensor: Tensor) -> Tensor:
    whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole


def whole_scalar(tensor: Tensor) -> Tensor:
    """Return a number that every process knows a part of, such as a norm, as an ordinary tensor."""
    return _whole(tensor).to(torch.get_default_dtype()) if isinstance(tensor, DTensor) else tensor
