"""One transformer block: a norm *before* each sublayer, as in GPT-2, each added to the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, ignore, scoped
from torch_gpt.layers.attention import attention_forward, attention_fused
from torch_gpt.layers.dropout import dropout_forward
from torch_gpt.layers.feed_forward import feed_forward_forward, feed_forward_fused
from torch_gpt.layers.norm import norm_forward


def block_forward(
    x: Tensor,
    parameters: Mapping[str, Tensor],
    config: GPTConfig,
    masks: Mapping[str, Tensor | float] | None = None,
    record: Record = ignore,
    fused: bool = False,
    attend: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return y = a + mlp(ln_2(a)) with a = x + attn(ln_1(x)).

    ``parameters`` and ``masks`` are keyed by their names inside the block, such as ``ln_1.weight`` and
    ``attn.weights_dropout``; ``fused`` selects torch's fused operations. ``attend`` replaces attention: that of
    a decoder also reads the keys and values of earlier positions. Shapes: x (B, T, C) → y (B, T, C).

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    feed_forward = feed_forward_fused if fused else feed_forward_forward
    p, masks = parameters, masks or {}

    normed = norm_forward(x, p, "ln_1", config, record, fused)
    if attend is not None:
        attended = attend(normed)
    else:
        attention = attention_fused if fused else attention_forward
        weights_mask = masks.get("attn.weights_dropout")
        attended = attention(normed, *attention_parameters(p), config.n_head, weights_mask, scoped(record, "attn"))
    a = record("attn.residual", x + _drop(attended, "attn.out_dropout", masks, record))  # (10.1)

    fed = feed_forward(
        norm_forward(a, p, "ln_2", config, record, fused),
        p["mlp.c_fc.weight"],
        p.get("mlp.c_fc.bias"),
        p["mlp.c_proj.weight"],
        p.get("mlp.c_proj.bias"),
        config.activation,
        scoped(record, "mlp"),
    )
    y: Tensor = record("mlp.residual", a + _drop(fed, "mlp.out_dropout", masks, record))  # (10.2)
    return y


def attention_parameters(p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """Return attention's parameters, in the order of its arguments, from those of a block."""
    return p["attn.c_attn.weight"], p.get("attn.c_attn.bias"), p["attn.c_proj.weight"], p.get("attn.c_proj.bias")


def _drop(x: Tensor, name: str, masks: Mapping[str, Tensor | float], record: Record) -> Tensor:
    if name not in masks:
        return x
    out = dropout_forward(x, masks[name])
    record(name, out)
    return out
