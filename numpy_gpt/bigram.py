"""The bigram model, the baseline that a GPT must beat: the logits of the next token are a row of one table.

Everything it learns could be counted instead: at the minimum of the loss, row u contains the logarithms of how often
each token follows u, up to a constant (15.3), and the loss is the text's conditional entropy (15.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.kernels.lookup import gather_rows, scatter_add_
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.shared.model.array_checks import check_cotangent
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config_checks import require_bigram
from numpy_gpt.shared.model.interventions import recorder_of, scales_of, with_scaled_gradients
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.token_checks import check_tokens


class BigramCache(NamedTuple):
    """What bigram_backward needs; ``scales`` are those of changes by ``record``, by the name of the gradient."""

    parameters: Parameters
    tokens: Tokens
    scales: Mapping[str, Any]


@ieee
def bigram_forward(parameters: Parameters, tokens: Any, record: Record = ignore) -> tuple[Array, BigramCache]:
    """Return logits[b, t] = table[tokens[b, t]] (15.1): what follows a token depends on that token alone.

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V); the table (V, V) is ``wte.weight``,
    a token embedding as wide as the vocabulary.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the model is not a bigram model, or the tokens do not meet these conditions.
    """
    config = require_bigram(check_parameters(parameters).config)
    return bigram_logits_of(parameters, check_tokens(tokens, config), recorder_of(record, config))


def bigram_logits_of(parameters: Parameters, tokens: Tokens, record: Record = ignore) -> tuple[Array, BigramCache]:
    """Return the result of bigram_forward for tokens that have already been checked.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    logits: Array = record("logits", gather_rows(parameters["wte.weight"], tokens))  # (15.1)
    return logits, BigramCache(parameters, tokens, scales_of(record))


@ieee
def bigram_backward(dlogits: Array, cache: BigramCache, record: Record = ignore) -> dict[str, Array]:
    """Return the gradient of the table for dlogits (B, T, V); rows of tokens that do not occur get exactly zero.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.

    Raises
    ------
    UserError
        If ``cache`` does not come from bigram_forward, or dlogits differ from its logits in shape or dtype.
    """
    if not isinstance(cache, BigramCache):
        raise UserError(f"cache must be what bigram_forward returned with the logits, not {describe(cache)}")
    shape = *cache.tokens.shape, cache.parameters.config.vocab_size
    check_cotangent("dlogits", dlogits, shape, cache.parameters.flat.dtype)
    return bigram_gradients_of(dlogits, cache, recorder_of(record, cache.parameters.config))


def bigram_gradients_of(dlogits: Array, cache: BigramCache, record: Record = ignore) -> dict[str, Array]:
    """Return the result of bigram_backward for arguments that have already been checked.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    dlogits = with_scaled_gradients(record, cache.scales)("dlogits", dlogits)
    dtable = np.zeros_like(cache.parameters["wte.weight"])
    scatter_add_(dtable, cache.tokens, dlogits)  # (15.2) undoes (15.1): a repeated token adds
    return {"wte.weight": dtable}
