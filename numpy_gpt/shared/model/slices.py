"""A batch in slices: small enough to stay in a processor's cache, many enough to keep its cores busy.

How a batch is cut depends on the shape of the model and of the batch alone: not on time, on the number of cores, or on
the machine. So a run that goes on from a checkpoint computes what it would have computed without a stop.
"""

from __future__ import annotations

from functools import lru_cache

from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_count

_BUDGET = 1 << 21  # bytes of one layer's activations: with what is made of them, about what a core has as cache


@lru_cache(maxsize=64)
def slices_of(config: ModelConfig, batch: int, time: int, itemsize: int) -> tuple[slice, ...]:
    """Return the sequences of each slice of a batch (B, T) of numbers of ``itemsize`` bytes, slices of about one size.

    A slice has as many sequences as one layer's activations of _BUDGET bytes belong to. But it has a gradient of its
    own, as large as the model: all its activations together weigh no less than that, or adding up would cost more than
    the cache saves.
    """
    if not isinstance(config, GPTConfig) or config.n_layer == 0:
        return (slice(0, batch),)
    layer = time * (config.n_hidden + 4 * config.n_embd + config.n_head * time)
    rows = max(_BUDGET // (itemsize * layer), -(-parameter_count(config) // (config.n_layer * layer)), 1)
    count = -(-batch // rows)
    return tuple(slice(batch * part // count, batch * (part + 1) // count) for part in range(count))
