"""The memory of a training step of numpy_gpt, plain or replayed, from the caches of its layers; nothing is measured.

Axis letters: B batch, T time, C channels, H heads, F = 4·C hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gpt_data.tokens.batches import CHUNK
from numpy_gpt.kernels.erf import CHUNK as CHUNK_OF_ERF
from numpy_gpt.kernels.rows import WIDE
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.parallel import slices_of

_IDS = 2 * 8  # bytes per token: inputs and targets are int64


class StepMemory(NamedTuple):
    """Bytes at the peak of a step: flat arrays, caches kept for backward, and temporary arrays."""

    flat: int
    kept: int
    temporary: int

    @property
    def peak(self) -> int:
        """Their sum."""
        return sum(self)


def masks_per_token(config: GPTConfig, time: int) -> int:
    """Return the size of a token's dropout masks: H·T + 2·C per layer and C for the embedding; 0 without dropout."""
    if config.dropout == 0:
        return 0
    return config.n_layer * (config.n_head * time + 2 * config.n_embd) + config.n_embd


def kept_per_token(config: GPTConfig, time: int) -> int:
    """Return the number of values, without masks, that the caches keep for a token until its backward pass.

    A layer keeps

    - 2·(C + 1) for its two norms: the normalized values and 1/σ; with RMSNorm, 2: y itself is the normalized values,
    - C + C + C + F for the inputs of its four linear layers: both norms' outputs, the merged heads, and the activated
      values,
    - 3·C for queries, keys and values,
    - H·T for the attention weights, one for each key, and with dropout H·T more for the weights after it,
    - F for the activation's input, and F more for GELU's factor, which ReLU does not have.

    That is 8·C + 2 + 3·F + H·T. In addition to the layers there are the last norm (or that of the embeddings), C + 1,
    the input of the head, C, and the probabilities, V.
    """
    c, f, scores = config.n_embd, config.n_hidden, config.n_head * time
    inner = 0 if config.activation == "relu" else f
    normalized = 0 if config.norm == "rms_norm" else 2 * c
    layer = 6 * c + normalized + 2 + 2 * f + inner + (2 if config.dropout else 1) * scores
    return config.n_layer * layer + 2 * c + 1 + config.vocab_size


def step_memory(config: GPTConfig, batch: int, time: int, dtype: str = "float32") -> StepMemory:
    """Return the memory of a plain training step on B sequences of T tokens, on one thread.

    - Flat: four arrays of P numbers, for P parameters: the parameters, the gradients, and AdamW's m and v. (Averaged
      weights would be a fifth, which is not counted here.)
    - Kept: a batch is computed in slices, so the caches are those of the largest slice: ``kept_per_token`` for each of
      its tokens. The masks, the ids and the starts of the windows of 256 steps are those of the whole batch.
    - Temporary: a slice's own gradient, P, which is complete when backward reaches the first layer, and is dropped when
      it has been added. In backward, for each of the slice's tokens, a layer's largest arrays:
      two of H·T in softmax, or three where ``kernels.rows`` writes a number out along its row, together with dq,
      dk and dv, 3·C; or two of F while the activation's slope is computed.
      In addition four of C, and the logits and their gradient, 2·V. If forward needs more, its amount counts: see
      ``forward_temporaries``.
    """
    size, parameters = np.dtype(dtype).itemsize, parameter_count(config)
    slices = slices_of(config, batch, time, size)
    tokens = time * max(part.stop - part.start for part in slices)
    c, scores = config.n_embd, config.n_head * time
    of_softmax = (3 if time <= WIDE else 2) * scores
    widest = max(2 * config.n_hidden, of_softmax + 3 * c) + 4 * c if config.n_layer else 0
    backward = tokens * (widest + 2 * config.vocab_size) + parameters
    forward = forward_temporaries(config, tokens, size)
    values_kept = tokens * kept_per_token(config, time) + batch * time * masks_per_token(config, time)
    return StepMemory(
        flat=4 * parameters * size,
        kept=values_kept * size + batch * time * _IDS + CHUNK * batch * 8,
        temporary=max(backward, forward) * size,
    )


class ReplayedMemory(NamedTuple):
    """Bytes of a replayed step: flat arrays, what the batch needs, and at most so many in the memory of the tapes."""

    flat: int
    batch: int
    workspace: int

    @property
    def peak(self) -> int:
        """Their sum, which a step does not exceed on one thread; each further thread adds another workspace."""
        return sum(self)


def replayed_memory(config: GPTConfig, batch: int, time: int, dtype: str = "float32") -> ReplayedMemory:
    """Return the memory of a step on B sequences of T tokens, all of whose slices are replayed.

    - Flat: the same four arrays as in a plain step.
    - Batch: the masks, the ids and the starts of the windows are those of the whole batch, as in a plain step.
    - Workspace: all tapes of a thread share one memory, which is as large as the largest of them needs: that of the
      largest slice. An array lies in it from the call that computes it to the last one that reads it. So it holds what
      a plain step of this slice keeps and needs temporarily, its gradient among it, and copies of its ids and masks,
      but never all of it at once: a layer's cache is gone after the layer's backward pass, the probabilities are gone
      before that of the layers begins. It is 3 to 24 % less than the sum, and 40 to 44 % where logits are most of it.

    The first steps need more:

    - a plain one another P, since a function that will be replayed returns its gradients in one array;
    - one that is written down copies of the slice's ids and masks;
    - both, and the plain half of a proof, need the memory of a plain step *next to* the workspace if slices of another
      size, or evaluations, have used it, and it has at most 16 MiB: a larger one is given back before. Of the plain
      results only digests are kept, and the workspace is made after them.

    The Python objects of a tape take about 1.6 kB for each call, of which a layer has about a hundred.
    """
    plain, size = step_memory(config, batch, time, dtype), np.dtype(dtype).itemsize
    tokens = time * max(part.stop - part.start for part in slices_of(config, batch, time, size))
    masks_and_ids = masks_per_token(config, time) * size + _IDS
    of_batch = batch * time * masks_and_ids + CHUNK * batch * 8
    return ReplayedMemory(plain.flat, of_batch, plain.kept - of_batch + tokens * masks_and_ids + plain.temporary)


def forward_temporaries(config: GPTConfig, tokens: int, size: int) -> int:
    """Return the number of temporary values while the last layer computes erf of its F values, beyond those kept.

    For each entry of a part, at most ``erf.CHUNK``: six float32 numbers (an index is an integer of the size of two), or
    eight float64 numbers, whose series is longer. For each token three of C: the layer's input, the output of attention
    and their sum. The values after the layers, 2·C + 1 + V, do not exist yet.
    """
    if config.activation != "gelu_erf" or config.n_layer == 0:
        return 0
    of_erf = (6 if size == 4 else 8) * min(tokens * config.n_hidden, CHUNK_OF_ERF)
    return of_erf + tokens * (config.n_embd - 1 - config.vocab_size)


def bytes_kept(cache: Any, but: Any) -> int:
    """Return the bytes of all arrays in a cache, each counted once and completely, except views of ``but``.

    A view keeps its whole base array. The cache is searched recursively, whatever its fields are called.
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
