"""Token and position embeddings: each token becomes the sum of two rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.kernels.lookup import gather_rows, scatter_add_
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore


class EmbeddingCache(NamedTuple):
    """What embedding_backward needs."""

    tokens: Tokens
    vocab_size: int
    block_size: int


def embedding_forward(
    tokens: Tokens, wte: Array, wpe: Array, record: Record = ignore, first: int = 0
) -> tuple[Array, EmbeddingCache]:
    """Return x[b, t] = wte[tokens[b, t]] + wpe[first + t] (3.1).

    Shapes: tokens (B, T), wte (V, C), wpe (block_size, C) → x (B, T, C). The ids must lie in [0, V) and first + T must
    not exceed block_size: ``gpt_forward`` and ``Decoder`` check that, because indexing with −1 would count from the
    end.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    token = gather_rows(wte, tokens)
    position = wpe[first : first + tokens.shape[1]]
    record("token", token)
    if record is not ignore:
        record("position", position.copy())  # a view of the parameters is not handed out
    x = token + position  # (3.1)
    x = record("sum", x)
    return x, EmbeddingCache(tokens, len(wte), len(wpe))


def embedding_backward(dx: Array, cache: EmbeddingCache, record: Record = ignore) -> tuple[Array, Array]:
    """Return (dwte, dwpe) for dx (B, T, C); tokens and positions that do not occur get exactly zero.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    time, width = dx.shape[1:]
    dx = record("dsum", dx)
    record("dtoken", dx)  # a sum passes its gradient to both of its terms

    dwpe = np.zeros_like(dx, shape=(cache.block_size, width))
    dwpe[:time] = dx.sum(axis=0)  # (3.3) undoes (3.1): every sequence of the batch used the row of each position
    record("dposition", dwpe[:time])

    dwte = np.zeros_like(dx, shape=(cache.vocab_size, width))
    scatter_add_(dwte, cache.tokens, dx)  # (3.2) undoes (3.1): a repeated token adds; dwte[tokens] += dx would keep one
    return dwte, dwpe
