"""The norm of a model's config: layer norm with the parameters of its name, or RMSNorm, which has none."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, ignore, scoped
from torch_gpt.layers.layer_norm import layer_norm_forward, layer_norm_fused
from torch_gpt.layers.rms_norm import rms_norm_forward, rms_norm_fused


def norm_forward(
    x: Tensor,
    parameters: Mapping[str, Tensor],
    name: str,
    config: GPTConfig,
    record: Record = ignore,
    fused: bool = False,
) -> Tensor:
    """Return x (…, C), normalized over the last axis by the norm called ``name``, such as ``ln_1``.

    ``fused`` selects torch's fused operations.

    ``record`` receives every named array, with ``name`` before its own; pass ``keep_in(store)`` to keep copies of them.
    """
    epsilon, inside = config.layer_norm_epsilon, scoped(record, name)
    if config.norm == "rms_norm":
        return (rms_norm_fused if fused else rms_norm_forward)(x, epsilon, inside)
    layer_norm = layer_norm_fused if fused else layer_norm_forward
    return layer_norm(x, parameters[f"{name}.weight"], parameters.get(f"{name}.bias"), epsilon, inside)
