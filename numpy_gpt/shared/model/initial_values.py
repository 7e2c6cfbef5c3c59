"""GPT-2's initialization as plain arrays, drawn once for both twins."""

from __future__ import annotations

import math

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_shapes

STANDARD_DEVIATION = 0.02


def initial_values(config: ModelConfig, seed: int, dtype: str = "float32") -> dict[str, Array]:
    """Return every parameter by name: matrices and a bigram's table from N(0, 0.02²), norm scales 1, biases 0.

    The two projections of each block that write to the residual stream are scaled by 1/√(2·n_layer), so that the
    stream's variance does not grow with depth (Radford et al. 2019, section 2.3). The float32 values are the rounded
    float64 values, so that runs in both precisions start at the same point.
    """
    rng = np.random.default_rng(seed)
    # A bigram model has no such projections.
    residual = math.sqrt(2 * config.n_layer) if isinstance(config, GPTConfig) else 1.0
    values = {}
    for name, shape in parameter_shapes(config).items():
        if name.endswith(".bias"):
            value = np.zeros(shape)
        elif len(shape) == 1:
            value = np.ones(shape)
        else:
            value = rng.normal(0.0, STANDARD_DEVIATION, shape)
            if name.endswith("c_proj.weight"):
                value /= residual
        values[name] = value.astype(dtype)
    return values
