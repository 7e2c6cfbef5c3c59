"""Every random number of training and sampling, as a pure function of seed, purpose and step.

Both twins consume the same numbers, and a run can go on from any step with no state but the step's number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.config import GPTConfig
from numpy_gpt.shared.names import dropout_shapes

# One stream for each purpose, so that none changes when another draws more. Batches are stream 0 (gpt_data).
_DROPOUT, _SAMPLING = 1, 2


def dropout_masks(config: GPTConfig, batch: int, time: int, seed: int, step: int, dtype: str) -> dict[str, Array]:
    """Return the masks of one training step by name, with entries 0 or 1/(1 − dropout); none where dropout is 0."""
    if config.dropout == 0:
        return {}
    rng = np.random.default_rng([seed, _DROPOUT, step])
    kept = np.asarray(1 / (1 - config.dropout), dtype)
    shapes = dropout_shapes(config, batch, time)
    # Drawn as float32 whatever the dtype: runs in both precisions drop the same values.
    return {name: (rng.random(shape, np.float32) >= config.dropout) * kept for name, shape in shapes.items()}


def sampling_uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1), one for each token to be sampled."""
    return np.random.default_rng([seed, _SAMPLING]).random(count)
