"""Every random number of training and sampling, as a pure function of seed, purpose and step.

Both twins use the same numbers, and a run can resume from any step with no state other than the step number.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import ModelConfig
from numpy_gpt.shared.model.names import dropout_shapes
from numpy_gpt.shared.model.parallel import parallel_map

# One stream for each purpose, so that drawing more from one never changes another. Batches are stream 0 (gpt_data).
DROPOUT, _SAMPLING = 1, 2
_AT_ONCE = 1 << 16  # numbers drawn and compared at once: few enough to stay in cache
_RUN = 1 << 18  # numbers drawn by one thread; for fewer, starting a thread costs more than it saves
_shapes = lru_cache(maxsize=16)(dropout_shapes)  # the same in every step


def dropout_masks(
    config: ModelConfig, batch: int, time: int, seed: int, step: int, dtype: str, part: int = 0
) -> dict[str, Array]:
    """Return the masks of one training step by name, with entries 0 or 1/(1 − dropout); no masks if dropout is 0.

    If a step accumulates the gradients of several batches, ``part`` is the index of the batch, from 0: each batch has
    different masks.
    """
    if config.dropout == 0:
        return {}
    scale = np.asarray(1 / (1 - config.dropout), dtype)
    shapes = _shapes(config, batch, time)
    mask = np.empty(sum(map(prod, shapes.values())), dtype)

    # Drawn as float32 for every dtype, so that runs in both precisions drop the same values. The numbers do not depend
    # on how many are drawn at once or by which thread: each part of the stream starts where the previous one ends.
    def draw(start: int) -> None:
        rng = _stream(seed, DROPOUT, step, part)
        if start:
            rng.bit_generator.advance(start // 2)  # type: ignore[attr-defined]  # one state gives two float32 numbers
        run = mask[start : start + _RUN]
        for first in range(0, run.size, _AT_ONCE):
            entries = run[first : first + _AT_ONCE]
            np.multiply(rng.random(entries.size, np.float32) >= config.dropout, scale, out=entries)

    for _ in parallel_map(draw, range(0, mask.size, _RUN)):
        pass
    masks, first = {}, 0
    for name, shape in shapes.items():
        masks[name] = mask[first : first + prod(shape)].reshape(shape)
        first += prod(shape)
    return masks


def sampling_uniforms(seed: int, count: int, sample: int = 0) -> NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1), one for each token to be sampled.

    ``sample`` is the index, from 0, of the sample among those drawn with one seed: each has different numbers.
    """
    return _stream(seed, _SAMPLING, sample).random(count)


def _stream(seed: int, purpose: int, step: int, part: int = 0) -> np.random.Generator:
    """Return the generator of this seed, purpose, step and part; all have different streams.

    A generator is seeded with 32-bit words, zero-padded to four, so part 0 would be equivalent to no part. The part is
    always passed because a seed beyond 32 bits takes one more word and could otherwise collide with a smaller seed with
    another purpose and a part. As it is always there, the number of words determines how many belong to the seed.
    """
    return np.random.default_rng([seed, purpose, step, part])
