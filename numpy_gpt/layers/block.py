"""A transformer block, pre-norm as in GPT-2: attention, then feed-forward, each added to the residual stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from numpy_gpt.layers.attention import AttentionCache, KeyValues, attention_backward, attention_forward
from numpy_gpt.layers.dropout import dropout_backward, dropout_forward
from numpy_gpt.layers.feed_forward import FeedForwardCache, feed_forward_backward, feed_forward_forward
from numpy_gpt.layers.norm import NormCache, norm_backward, norm_forward
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, ignore, scoped

MASKS = ("attn.weights_dropout", "attn.out_dropout", "mlp.out_dropout")
"""The names of a block's dropout masks."""


class BlockCache(NamedTuple):
    """What block_backward needs."""

    ln_1: NormCache
    attn: AttentionCache
    attn_mask: Array | None
    ln_2: NormCache
    mlp: FeedForwardCache
    mlp_mask: Array | None


def block_forward(
    x: Array,
    parameters: Mapping[str, Array],
    config: GPTConfig,
    batch: int,
    masks: Mapping[str, Array] | None = None,
    record: Record = ignore,
    past: KeyValues | None = None,
    length: int = 0,
) -> tuple[Array, BlockCache]:
    """Return y = a + mlp(ln_2(a)) with a = x + attn(ln_1(x)).

    ``parameters`` and ``masks`` are keyed by their names inside the block, such as ``ln_1.weight`` and
    ``attn.weights_dropout``. With ``past``, the positions follow ``length`` earlier ones, whose keys and values it
    contains. Shapes: x (N, C) → y (N, C), the N = B·T positions of ``batch`` sequences; only attention separates them.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    p, masks = parameters, masks or {}
    normed, ln_1 = norm_forward(x, p, "ln_1", config, record)
    attended, attn = attention_forward(
        normed.reshape(batch, -1, config.n_embd),
        p["attn.c_attn.weight"],
        p.get("attn.c_attn.bias"),
        p["attn.c_proj.weight"],
        p.get("attn.c_proj.bias"),
        config.n_head,
        masks.get("attn.weights_dropout"),
        scoped(record, "attn"),
        past,
        length,
    )
    attn_mask = masks.get("attn.out_dropout")
    a = _add_branch(x, attended.reshape(x.shape), attn_mask, scoped(record, "attn"))  # (10.1)

    normed, ln_2 = norm_forward(a, p, "ln_2", config, record)
    fed, mlp = feed_forward_forward(
        normed,
        p["mlp.c_fc.weight"],
        p.get("mlp.c_fc.bias"),
        p["mlp.c_proj.weight"],
        p.get("mlp.c_proj.bias"),
        config.activation,
        scoped(record, "mlp"),
    )
    mlp_mask = masks.get("mlp.out_dropout")
    y = _add_branch(a, fed, mlp_mask, scoped(record, "mlp"))  # (10.2)
    return y, BlockCache(ln_1, attn, attn_mask, ln_2, mlp, mlp_mask)


def block_backward(dout: Array, cache: BlockCache, record: Record = ignore) -> tuple[Array, dict[str, Array | None]]:
    """Return dx and the parameters' gradients by name for dout (N, C); None for an absent one.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    batch, _, time, _ = cache.attn.q.shape
    dout = record("mlp.dresidual", dout)
    dfed = dout
    if cache.mlp_mask is not None:
        record("mlp.dout_dropout", dfed)
        dfed = dropout_backward(dfed, cache.mlp_mask)
    mlp = feed_forward_backward(dfed, cache.mlp, scoped(record, "mlp"))
    da, dln_2_weight, dln_2_bias = norm_backward(mlp.x, cache.ln_2, scoped(record, "ln_2"))
    da += dout  # (10.3): a went into ln_2 and around it; the bypass joins after the norm's backward, not before
    da = record("attn.dresidual", da)

    dattended = da
    if cache.attn_mask is not None:
        record("attn.dout_dropout", dattended)
        dattended = dropout_backward(dattended, cache.attn_mask)
    attn = attention_backward(dattended.reshape(batch, time, -1), cache.attn, scoped(record, "attn"))
    dx, dln_1_weight, dln_1_bias = norm_backward(attn.x.reshape(da.shape), cache.ln_1, scoped(record, "ln_1"))
    dx += da  # (10.4): x went into ln_1 and around it
    return dx, {
        "ln_1.weight": dln_1_weight,
        "ln_1.bias": dln_1_bias,
        "attn.c_attn.weight": attn.c_attn_weight,
        "attn.c_attn.bias": attn.c_attn_bias,
        "attn.c_proj.weight": attn.c_proj_weight,
        "attn.c_proj.bias": attn.c_proj_bias,
        "ln_2.weight": dln_2_weight,
        "ln_2.bias": dln_2_bias,
        "mlp.c_fc.weight": mlp.c_fc_weight,
        "mlp.c_fc.bias": mlp.c_fc_bias,
        "mlp.c_proj.weight": mlp.c_proj_weight,
        "mlp.c_proj.bias": mlp.c_proj_bias,
    }


def _add_branch(stream: Array, branch: Array, mask: Array | None, record: Record) -> Array:
    if mask is not None:
        branch, _ = dropout_forward(branch, mask)
        record("out_dropout", branch)
    total: Array = record("residual", stream + branch)
    return total
