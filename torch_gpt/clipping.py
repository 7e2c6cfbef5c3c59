"""Clipping by global norm (Pascanu et al. 2013): the gradient may become shorter but keeps its direction."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from numpy_gpt.shared.model.argument_checks import check_max_norm


def global_norm(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return ‖g‖₂ over all parameters together (13.1), a 0-d tensor.

    The squares are summed in float64, so that none overflows early; Apple's MPS has no float64 and sums in float32.
    """
    squares = [gradient.to(_widest(gradient.device)).square().sum() for gradient in gradients.values()]
    return torch.stack(squares).sum().sqrt()


def clip_gradients(gradients: Mapping[str, Tensor], max_norm: float) -> Tensor:
    """Scale the gradients in place so that their global norm is at most ``max_norm``; return the original norm (13.2).

    ``max_norm`` 0 means no clipping. If the norm is NaN, all gradients become NaN, as (13.2) says.

    Raises
    ------
    UserError
        If ``max_norm`` is not a number of at least 0.
    """
    check_max_norm(max_norm)
    norm = global_norm(gradients)
    if max_norm > 0:
        _scale(gradients, norm, max_norm)
    return norm


def clip_gradients_fused(gradients: Mapping[str, Tensor], max_norm: float) -> Tensor:
    """Do the same with torch's own norm, computed in a few kernels and in the gradients' dtype."""
    check_max_norm(max_norm)
    norm = torch.nn.utils.get_total_norm(list(gradients.values()))
    if max_norm > 0:
        _scale(gradients, norm, max_norm)
    return norm


def _scale(gradients: Mapping[str, Tensor], norm: Tensor, max_norm: float) -> None:
    # The factor stays on the device: min(1, …) does not need its value on the host.
    torch._foreach_mul_(list(gradients.values()), torch.clamp(max_norm / (norm + 1e-6), max=1.0))


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64
