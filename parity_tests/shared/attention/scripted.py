"""An engine that records attention which a test has chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record


class ScriptedAttention:
    """Records, for each row of each batch in turn, the next of the maps (N, T, T) as layer 0."""

    def __init__(self, maps: Sequence[Array], rows: int = 2) -> None:
        self._maps: Iterator[Array] = iter(maps)
        self.evaluation_tokens = rows * max(weights.shape[-1] for weights in maps)

    def predict(self, tokens: Any, record: Record) -> Array:
        batch, time = tokens.shape
        rows = [next(self._maps) for _ in range(batch)]
        padded = np.zeros((batch, len(rows[0]), time, time))
        for place, weights in zip(padded, rows, strict=True):
            place[:, : weights.shape[-1], : weights.shape[-1]] = weights
        record("h.0.attn.scores", np.full_like(padded, np.nan))
        record("h.0.attn.weights", padded)
        padded[...] = np.nan  # a layer may overwrite what it has recorded
        return np.zeros((batch, time, 1))
