"""The norm of a model's config: layer norm with the parameters of its name, or RMSNorm, which has none."""

from __future__ import annotations

from collections.abc import Mapping

from numpy_gpt.layers.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward
from numpy_gpt.layers.rms_norm import RMSNormCache, rms_norm_backward, rms_norm_forward
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.record import Record, ignore, scoped

NormCache = LayerNormCache | RMSNormCache
"""What norm_backward needs."""


def norm_forward(
    x: Array, parameters: Mapping[str, Array], name: str, config: GPTConfig, record: Record = ignore
) -> tuple[Array, NormCache]:
    """Return x (…, C), normalized over the last axis by the norm called ``name``, such as ``ln_1``.

    ``record`` receives every named array, with ``name`` before its own; pass ``keep_in(store)`` to keep copies of them.
    """
    epsilon, inside = config.layer_norm_epsilon, scoped(record, name)
    if config.norm == "rms_norm":
        return rms_norm_forward(x, epsilon, inside)
    return layer_norm_forward(x, parameters[f"{name}.weight"], parameters.get(f"{name}.bias"), epsilon, inside)


def norm_backward(dy: Array, cache: NormCache, record: Record = ignore) -> tuple[Array, Array | None, Array | None]:
    """Return (dx, dweight, dbias) for dy (…, C); None for a parameter that the norm does not have.

    ``record`` receives every named array; pass ``keep_in(store)`` to keep copies of them.
    """
    if isinstance(cache, RMSNormCache):
        return rms_norm_backward(dy, cache, record), None, None
    return layer_norm_backward(dy, cache, record)
