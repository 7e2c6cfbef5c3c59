"""How much memory a training step of numpy_gpt needs, derived from what its layers keep: no measurement in it.

Axis letters: B batch, T time, C channels, H heads, F = 4·C hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gpt_data.tokens.batches import CHUNK
from numpy_gpt.kernels.erf import CHUNK as CHUNK_OF_ERF
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.parallel import slices_of

_IDS = 2 * 8  # bytes of a token: inputs and targets are int64


class StepMemory(NamedTuple):
    """Bytes at the fullest moment of a step: flat arrays, what is kept for backward, and what passes."""

    flat: int
    kept: int
    passing: int

    @property
    def peak(self) -> int:
        """All of them together."""
        return sum(self)


def masks_per_token(config: GPTConfig, time: int) -> int:
    """Return the numbers in a token's dropout masks: H·T + 2·C in each layer and C for the embedding; or 0."""
    if config.dropout == 0:
        return 0
    return config.n_layer * (config.n_head * time + 2 * config.n_embd) + config.n_embd


def kept_per_token(config: GPTConfig, time: int) -> int:
    """Return how many numbers, beside masks, the caches keep for a token while its gradient is not yet known.

    A layer keeps

    - 2·(C + 1) for its two norms: the normalized values and 1/σ,
    - C + C + C + F for what goes into its four linear layers (the merged heads and both norms' results among them; the
      activated values go into the last),
    - 3·C for queries, keys and values,
    - H·T for the weights of attention, one for each key, and with dropout H·T more for those that are left of them,
    - F for the activation's argument, and F more for what GELU multiplies it with, which ReLU has not.

    That is 8·C + 2 + 3·F + H·T in all. Beside the layers there are the last norm, C + 1, what goes into the head, C,
    and the probabilities, V.
    """
    c, f, scores = config.n_embd, config.n_hidden, config.n_head * time
    inner = 0 if config.activation == "relu" else f
    layer = 8 * c + 2 + 2 * f + inner + (2 if config.dropout else 1) * scores
    return config.n_layer * layer + 2 * c + 1 + config.vocab_size


def step_memory(config: GPTConfig, batch: int, time: int, dtype: str = "float32") -> StepMemory:
    """Return the memory of a training step on B sequences of T tokens, on one thread.

    - Flat: four arrays of P numbers, for P parameters: themselves, gradients, and AdamW's m and v. (Averaged weights
      are one more, which is not counted here.)
    - Kept: a batch is computed in slices, so the caches are those of the largest slice: ``kept_per_token`` for each of
      its tokens. Of the whole batch there are the masks, the ids, and where the windows of 256 steps begin.
    - Passing: a slice's own gradient, P, which is complete when backward reaches the first layer; where there are
      several slices, the one before's as well. And in backward a layer's widest arrays, for each of the slice's tokens:
      three of H·T in softmax, beside dq, dk and dv, 3·C; or two of F while the activation's slope is computed.
      With these, four of C, and logits and their gradient, 2·V. Where that is less, forward is fuller: see
      ``passing_in_forward``.
    """
    size, parameters = np.dtype(dtype).itemsize, parameter_count(config)
    slices = slices_of(config, batch, time, size)
    tokens = time * max(part.stop - part.start for part in slices)
    c, scores = config.n_embd, config.n_head * time
    widest = max(2 * config.n_hidden, 3 * scores + 3 * c) + 4 * c if config.n_layer else 0
    backward = tokens * (widest + 2 * config.vocab_size) + min(2, len(slices)) * parameters
    forward = passing_in_forward(config, tokens, size) + min(1, len(slices) - 1) * parameters
    numbers_kept = tokens * kept_per_token(config, time) + batch * time * masks_per_token(config, time)
    return StepMemory(
        flat=4 * parameters * size,
        kept=numbers_kept * size + batch * time * _IDS + CHUNK * batch * 8,
        passing=max(backward, forward) * size,
    )


def passing_in_forward(config: GPTConfig, tokens: int, size: int) -> int:
    """Return how many numbers pass, beyond what is kept in the end, while the last layer takes erf of its F values.

    For each entry of a part, which has at most ``erf.CHUNK``: six numbers of float32, as a place is an integer of two,
    or eight of float64, whose series is longer. For each token three of C: the layer's input, attention's result and
    their sum. What comes after the layers, 2·C + 1 + V, is not there yet.
    """
    if config.activation != "gelu_erf" or config.n_layer == 0:
        return 0
    of_erf = (6 if size == 4 else 8) * min(tokens * config.n_hidden, CHUNK_OF_ERF)
    return of_erf + tokens * (config.n_embd - 1 - config.vocab_size)


def bytes_kept(cache: Any, but: Any) -> int:
    """Return the bytes of all arrays that a cache holds, each once and whole, but for those that are views of ``but``.

    A view keeps the array that it is a view of. No name is looked at: whatever a cache holds is found.
    """
    held = {id(array): array for array in _owners(cache) if array is not _owner(but)}
    return sum(array.nbytes for array in held.values())


def _owners(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray):
        yield _owner(value)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _owners(part)


def _owner(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
