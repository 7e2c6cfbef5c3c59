"""The bigram model, the baseline that a GPT must beat: the logits of the next token are a row of one table.

Nothing is learned that could not be counted: where the loss is least, row v holds the logarithms of how often each
token follows v, but for a constant (15.3), and the loss is the text's conditional entropy (15.4).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.layers.rows import add_rows
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.inputs import check_tokens
from numpy_gpt.shared.model.record import Record, ignore


class BigramCache(NamedTuple):
    """What bigram_backward needs."""

    parameters: Parameters
    tokens: Tokens


def bigram_forward(parameters: Parameters, tokens: Any, record: Record = ignore) -> tuple[Array, BigramCache]:
    """Return logits[b, t] = table[tokens[b, t]] (15.1): what follows a token depends on that token alone.

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V); the table (V, V) is ``wte.weight``,
    a token embedding as wide as the vocabulary.

    Raises
    ------
    UserError
        If the tokens are not such an array.
    """
    tokens = check_tokens(tokens, parameters.config)
    logits = parameters["wte.weight"].take(tokens, axis=0)  # (15.1)
    record("logits", logits)
    return logits, BigramCache(parameters, tokens)


def bigram_backward(dlogits: Array, cache: BigramCache, record: Record = ignore) -> dict[str, Array]:
    """Return the gradient of the table for dlogits (B, T, V); rows of tokens that did not occur get exactly zero."""
    record("dlogits", dlogits)
    dtable = np.zeros_like(cache.parameters["wte.weight"])
    add_rows(dtable, cache.tokens, dlogits)  # (15.2) undoes (15.1): a repeated token adds
    return {"wte.weight": dtable}
