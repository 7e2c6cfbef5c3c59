"""GPT-2's initialization as plain arrays, drawn once for both twins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.config_checks import check_config
from numpy_gpt.shared.model.memory import check_memory
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes

STANDARD_DEVIATION = 0.02


def initial_values(config: ModelConfig, seed: int, dtype: str = "float32") -> dict[str, Array]:
    """Return every parameter by name: matrices and a bigram's table from N(0, 0.02²), norm scales 1, biases 0.

    The two projections of each block that write to the residual stream are scaled by 1/√(2·n_layer), so that the
    stream's variance does not grow with depth (Radford et al. 2019, section 2.3). The float32 values are the rounded
    float64 values, so that runs in both precisions start at the same point.

    Raises
    ------
    UserError
        If ``config`` is not a model's, ``seed`` is not a whole number of at least 0, ``dtype`` is neither float32 nor
        float64, or the parameters cannot fit into memory.
    """
    check_config(config)
    whole_number("seed", seed, 0)
    count = parameter_count(config)
    check_memory(f"the model's {count:,} parameters", count, _float_type(dtype).itemsize)
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


def _float_type(dtype: Any) -> np.dtype[np.floating[Any]]:
    for known in (np.dtype(np.float32), np.dtype(np.float64)):
        if dtype is known.type or (isinstance(dtype, str) and dtype == known.name) or known is dtype:
            return known
    raise UserError(f"dtype must be float32 or float64, not {describe(dtype)}")
