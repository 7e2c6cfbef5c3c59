"""Token and position embeddings: each token becomes the sum of two rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.layers.rows import add_rows
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore


class EmbeddingCache(NamedTuple):
    """What embedding_backward needs."""

    tokens: Tokens
    vocab_size: int
    block_size: int


def embedding_forward(tokens: Tokens, wte: Array, wpe: Array, record: Record = ignore) -> tuple[Array, EmbeddingCache]:
    """Return x[b, t] = wte[tokens[b, t]] + wpe[t] (3.1).

    Shapes: tokens (B, T) with ids in [0, V) and T ≤ block_size, wte (V, C), wpe (block_size, C) → x (B, T, C). The ids
    are checked once, by ``gpt_forward``, and not here: indexing would take a negative one from the end.
    """
    token = wte.take(tokens, axis=0)  # wte[tokens], but quicker
    position = wpe[: tokens.shape[1]]
    record("token", token)
    record("position", position)
    out = token + position
    record("sum", out)
    return out, EmbeddingCache(tokens, len(wte), len(wpe))


def embedding_backward(dout: Array, cache: EmbeddingCache, record: Record = ignore) -> tuple[Array, Array]:
    """Return (dwte, dwpe) for dout (B, T, C); tokens and positions that did not occur get exactly zero."""
    time, width = dout.shape[1:]
    record("dsum", dout)
    record("dtoken", dout)  # a sum passes its gradient on to both of its terms

    dwpe = np.zeros((cache.block_size, width), dout.dtype)
    dwpe[:time] = np.add.reduce(dout, axis=0)  # (3.3): a position's row was used by every sequence of the batch
    record("dposition", dwpe[:time])

    dwte = np.zeros((cache.vocab_size, width), dout.dtype)
    add_rows(dwte, cache.tokens, dout)  # (3.2): a repeated token adds; dwte[tokens] += dout would keep one
    return dwte, dwpe
