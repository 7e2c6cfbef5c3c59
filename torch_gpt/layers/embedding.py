"""Token and position embeddings: each token becomes the sum of two rows."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from numpy_gpt.shared.model.record import Record, ignore


def embedding_forward(tokens: Tensor, wte: Tensor, wpe: Tensor, record: Record = ignore) -> Tensor:
    """Return x[b, t] = wte[tokens[b, t]] + wpe[t] (3.1).

    Shapes: tokens (B, T), int64 in [0, V), T ≤ block_size, wte (V, C), wpe (block_size, C) → x (B, T, C). The ids are
    not checked here; indexing with a negative id would count from the end.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    return _with_positions(wte[tokens], wpe, record)


def embedding_fused(tokens: Tensor, wte: Tensor, wpe: Tensor, record: Record = ignore) -> Tensor:
    """Return the same with torch's embedding, which has a faster backward; it records the same activations.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    return _with_positions(functional.embedding(tokens, wte), wpe, record)


def _with_positions(token: Tensor, wpe: Tensor, record: Record) -> Tensor:
    record("token", token)
    position = wpe[: token.shape[1]]
    if record is not ignore:
        position = position.clone()  # a view of the parameters is not handed out
    record("position", position)
    out: Tensor = record("sum", token + position)  # (B, T, C) + (T, C)
    return out
