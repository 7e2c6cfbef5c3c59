"""The feed-forward network's activation: tanh GELU (GPT-2), erf GELU (exact) or ReLU.

GELU is x·Φ(x) with the standard normal distribution function Φ (Hendrycks & Gimpel 2016).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore


def activation_forward(x: Tensor, kind: str, record: Record = ignore) -> Tensor:
    """Return activation(x), elementwise, for ``kind`` gelu_tanh (5.3), gelu_erf (5.6) or relu (5.8).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    if kind == "gelu_tanh":
        # (5.1) with x factored out: x³ alone would overflow float32 from 7e12 on
        argument = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x.square())
        record("gelu.argument", argument)
        tanh = torch.tanh(argument)  # (5.2)
        record("gelu.tanh", tanh)
        return 0.5 * x * (1 + tanh)
    if kind == "gelu_erf":
        erf = torch.erf(x / math.sqrt(2))  # (5.5)
        record("gelu.erf", erf)
        return 0.5 * x * (1 + erf)
    # Not clamp(min=0) nor maximum(x, 0), whose gradients at exactly 0 are 1 and ½. NaN stays NaN.
    return x.masked_fill(x <= 0, 0)


def activation_fused(x: Tensor, kind: str) -> Tensor:
    """Return the same with torch's gelu and relu, except that its erf GELU of +inf may be NaN instead of +inf."""
    if kind == "relu":
        return functional.relu(x)
    return functional.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")
