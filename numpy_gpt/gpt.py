"""The whole GPT: from tokens to logits, and from the gradient of the logits back to that of every parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.layers.block import MASKS, BlockCache, block_backward, block_forward
from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from numpy_gpt.layers.embedding import EmbeddingCache, embedding_backward, embedding_forward
from numpy_gpt.layers.linear import LinearCache, linear_backward, linear_forward
from numpy_gpt.layers.norm import NormCache, norm_backward, norm_forward
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.shared.model.array_checks import check_cotangent, check_masks
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.interventions import recorder_of, scales_of, with_scaled_gradients
from numpy_gpt.shared.model.names import EMBEDDING_USE, HEAD_USE, gradient_name
from numpy_gpt.shared.model.record import Record, ignore, scoped, unflattened
from numpy_gpt.shared.model.token_checks import check_tokens

Masks = Mapping[str, Array]
"""Dropout masks by the names of ``shared.names.dropout_shapes``; entries are 0 or 1/(1 − dropout)."""


class GPTCache(NamedTuple):
    """What gpt_backward needs; ``scales`` are those of changes by ``record``, by the name of the gradient.

    Of ``embedding_norm`` and ``ln_f``, a model has one.
    """

    parameters: Parameters
    embedding: EmbeddingCache
    embedding_mask: Array | None
    embedding_norm: NormCache | None
    blocks: list[BlockCache]
    ln_f: NormCache | None
    head: LinearCache
    scales: Mapping[str, Any]


@ieee
def gpt_forward(
    parameters: Parameters, tokens: Any, masks: Masks | None = None, record: Record = ignore
) -> tuple[Array, GPTCache]:
    """Return the logits of every next token.

    Shapes: tokens (B, T), integers in [0, V), T ≤ block_size → logits (B, T, V). ``masks`` are needed only in
    training with dropout.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them, or ``intervene(changes)`` to
    change them.

    Raises
    ------
    UserError
        If the model is not a GPT, the tokens do not meet these conditions, or some masks are given but not all of
        them with the right shapes and dtype.
    """
    config = require_gpt(check_parameters(parameters).config)
    record = recorder_of(record, config)
    tokens, masks = check_tokens(tokens, config), {} if masks is None else masks
    check_masks(masks, config, tokens.shape[0], tokens.shape[1], parameters.flat.dtype)
    return logits_of(parameters, tokens, masks, record)


def logits_of(
    parameters: Parameters,
    tokens: Tokens,
    masks: Masks,
    record: Record = ignore,
    *,
    backward: bool = True,
    last: bool = False,
) -> tuple[Array, GPTCache]:
    """Return the result of gpt_forward for tokens and masks that have already been checked.

    Without ``backward``, the blocks keep nothing for a backward pass, which the cache then does not allow; their memory
    no longer grows with n_layer. With ``last``, only the logits after the last position are computed, (B, 1, V).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    config = require_gpt(parameters.config)
    wte, wpe = parameters["wte.weight"], parameters["wpe.weight"]
    x, embedding = embedding_forward(tokens, wte, wpe, scoped(record, "embedding"))  # (12.1)
    if (embedding_mask := masks.get("embedding.dropout")) is not None:
        x, _ = dropout_forward(x, embedding_mask)
        record("embedding.dropout", x)

    blocks, batch = [], len(tokens)
    x, positions = (
        x.reshape(-1, config.n_embd),
        unflattened(record, *tokens.shape),
    )  # (B, T, C) → (N, C): a row per position
    embedding_norm = ln_f = None
    if config.has_embedding_norm:
        x, embedding_norm = norm_forward(x, parameters.views, "embedding.norm", config, positions)  # (19.8)
    for layer, block in enumerate(parameters.blocks):  # (12.2)
        name = f"h.{layer}"
        x, cache = block_forward(x, block, config, batch, _inside(masks, name), scoped(positions, name))
        if backward:
            blocks.append(cache)

    if last:
        x = x.reshape(batch, -1, config.n_embd)[:, -1]
        positions = unflattened(record, batch, 1)
    if not config.has_embedding_norm:
        x, ln_f = norm_forward(x, parameters.views, "ln_f", config, positions)
    flat_logits, head = linear_forward(x, parameters.head.T, None)  # (12.3), or (19.9)
    logits = flat_logits.reshape(batch, -1, flat_logits.shape[-1])
    logits = record("logits", logits)
    scales = scales_of(record)
    return logits, GPTCache(parameters, embedding, embedding_mask, embedding_norm, blocks, ln_f, head, scales)


@ieee
def gpt_backward(dlogits: Array, cache: GPTCache, record: Record = ignore) -> dict[str, Array]:
    """Return the gradient of every parameter by name for dlogits (B, T, V).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.

    Raises
    ------
    UserError
        If ``cache`` does not come from gpt_forward, or dlogits differ from its logits in shape or dtype.
    """
    if not isinstance(cache, GPTCache):
        raise UserError(f"cache must be what gpt_forward returned with the logits, not {describe(cache)}")
    shape = *cache.embedding.tokens.shape, cache.embedding.vocab_size
    check_cotangent("dlogits", dlogits, shape, cache.parameters.flat.dtype)
    return gradients_of(dlogits, cache, recorder_of(record, cache.parameters.config))


def gradients_of(dlogits: Array, cache: GPTCache, record: Record = ignore) -> dict[str, Array]:
    """Return the result of gpt_backward for arguments that have already been checked.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    gradients: dict[str, Any] = {}
    if cache.scales:
        record = with_scaled_gradients(record, cache.scales)
    dlogits = record("dlogits", dlogits)
    batch, time, vocab_size = dlogits.shape
    positions = unflattened(record, batch, time)
    dx, dhead_transposed, _ = linear_backward(dlogits.reshape(-1, vocab_size), cache.head)  # (12.4), (12.5) undo (12.3)
    tied = require_gpt(cache.parameters.config).tie_weights
    if tied:
        record(gradient_name(HEAD_USE), dhead_transposed.T)
    if cache.ln_f is not None:
        dx, dweight, dbias = norm_backward(dx, cache.ln_f, scoped(positions, "ln_f"))
        gradients |= {"ln_f.weight": dweight, "ln_f.bias": dbias}

    for layer in reversed(range(len(cache.blocks))):  # undoes (12.2)
        dx, dblock = block_backward(dx, cache.blocks[layer], scoped(positions, f"h.{layer}"))
        gradients |= {name: dblock[inner] for inner, name in cache.parameters.block_names[layer].items()}

    if cache.embedding_norm is not None:
        dx, _, _ = norm_backward(dx, cache.embedding_norm, scoped(positions, "embedding.norm"))  # undoes (19.8)
    dx = dx.reshape(batch, time, -1)
    if cache.embedding_mask is not None:
        record("embedding.ddropout", dx)
        dx = dropout_backward(dx, cache.embedding_mask)
    dwte, dwpe = embedding_backward(dx, cache.embedding, scoped(record, "embedding"))  # undoes (12.1)
    if tied:
        record(gradient_name(EMBEDDING_USE), dwte)
        dwte += dhead_transposed.T  # (12.6): one matrix in two places, so both gradients add
    gradients |= {"wte.weight": dwte, "wpe.weight": dwpe, "lm_head.weight": dhead_transposed.T}
    return {name: gradients[name] for name in cache.parameters}  # drops the entries of absent biases and of a tied head


def _inside(masks: Masks, name: str) -> Masks:
    return {key: masks[f"{name}.{key}"] for key in MASKS} if masks else {}
