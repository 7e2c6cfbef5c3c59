"""Every random number of training and sampling, as a pure function of seed, purpose and step.

Both twins consume the same numbers, and a run can go on from any step with no state but the step's number.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import dropout_shapes
from numpy_gpt.shared.model.threads import parallel_map

# One stream for each purpose, so that none changes when another draws more. Batches are stream 0 (gpt_data).
_DROPOUT, _SAMPLING = 1, 2
_AT_ONCE = 1 << 16  # numbers that are drawn and compared while they stay in a processor's cache
_RUN = 1 << 18  # numbers that one thread draws: for fewer, starting it would take longer than it saves
_shapes = lru_cache(maxsize=16)(dropout_shapes)  # the same in every step


def dropout_masks(
    config: ModelConfig, batch: int, time: int, seed: int, step: int, dtype: str, part: int = 0
) -> dict[str, Array]:
    """Return the masks of one training step by name, with entries 0 or 1/(1 − dropout); none where dropout is 0.

    Where a step's gradient is summed over several batches, ``part`` says which of them it is, counted from 0: each
    drops other values.
    """
    if config.dropout == 0:
        return {}
    kept = np.asarray(1 / (1 - config.dropout), dtype)
    shapes = _shapes(config, batch, time)
    mask = np.empty(sum(map(prod, shapes.values())), dtype)

    # Drawn as float32 whatever the dtype: runs in both precisions drop the same values. They are the same numbers
    # however many are drawn at once, and by whom: a run of them begins where the one before it ends in the stream.
    def draw(start: int) -> None:
        rng = _stream(seed, _DROPOUT, step, part)
        if start:
            rng.bit_generator.advance(start // 2)  # type: ignore[attr-defined]  # a state makes two such numbers
        run = mask[start : start + _RUN]
        for first in range(0, run.size, _AT_ONCE):
            entries = run[first : first + _AT_ONCE]
            np.multiply(rng.random(entries.size, np.float32) >= config.dropout, kept, out=entries)

    for _ in parallel_map(draw, range(0, mask.size, _RUN)):
        pass
    masks, first = {}, 0
    for name, shape in shapes.items():
        masks[name] = mask[first : first + prod(shape)].reshape(shape)
        first += prod(shape)
    return masks


def sampling_uniforms(seed: int, count: int, sample: int = 0) -> NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1), one for each token to be sampled.

    ``sample`` counts the texts that are sampled with one seed, from 0: each has numbers of its own.
    """
    return _stream(seed, _SAMPLING, sample).random(count)


def _stream(seed: int, purpose: int, step: int, part: int = 0) -> np.random.Generator:
    """Return the generator of this one seed, purpose, step and part; no two of them have the same stream.

    A generator is seeded with words of 32 bits, and what is missing of four is filled up with zeros: part 0 is the same
    as no part. It is given all the same, because a seed beyond 32 bits has a word more, and could otherwise pass for a
    smaller seed with another purpose and with a part. So the number of words tells how many are the seed's.
    """
    return np.random.default_rng([seed, purpose, step, part])
