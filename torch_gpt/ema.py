"""A running average of the weights while they are trained (Polyak & Juditsky 1992, in its exponential form)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


@torch.no_grad()
def update_ema(averages: Mapping[str, Tensor], parameters: Mapping[str, Tensor], share: float | Tensor) -> None:
    """Move the averages in place by ``share`` of the way to the parameters (13.11)."""
    ways = torch._foreach_sub([parameters[name] for name in averages], list(averages.values()))
    torch._foreach_mul_(ways, share)
    torch._foreach_add_(list(averages.values()), ways)


@torch.no_grad()
def exchange(averages: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    """Put the averages where the parameters are, and the other way round; done twice, nothing has changed."""
    for name, average in averages.items():
        kept = average.clone()
        average.copy_(parameters[name])
        parameters[name].copy_(kept)
