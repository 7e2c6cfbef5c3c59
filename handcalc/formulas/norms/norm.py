"""The norms of a model: layer norm or RMSNorm, what they read, and what the head reads after the last of them."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.formulas.norms.layer_norm import layer_norm_gradient_steps, layer_norm_steps
from handcalc.formulas.norms.rms_norm import rms_norm_gradient_steps, rms_norm_steps
from handcalc.formulas.step import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig

EMBEDDING_NORM = "embedding.norm"


def norm_steps(norm: str, x: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps of the norm called ``norm``, which reads ``x`` (T, C), to its ``out`` (T, C)."""
    steps = rms_norm_steps if config.norm == "rms_norm" else layer_norm_steps
    yield from steps(norm, x, config, sizes)


def first_stream(config: GPTConfig) -> str:
    """Return the name of the residual stream (T, C) that the first block reads."""
    return f"{EMBEDDING_NORM}.out" if config.has_embedding_norm else "embedding.sum"


def stream_before(layer: int, config: GPTConfig) -> str:
    """Return the name of the residual stream (T, C) that the block ``layer`` reads; after the last, the model's end."""
    return f"h.{layer - 1}.mlp.residual" if layer else first_stream(config)


def head_input(config: GPTConfig) -> str:
    """Return the name of the vectors (T, C) that the head compares with every word: (12.3), or (19.9)."""
    return stream_before(config.n_layer, config) if config.has_embedding_norm else "ln_f.out"


# Backward


def norm_gradient_steps(norm: str, x: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the norm called ``norm``, down to ``dx`` (T, C), that of its input ``x``."""
    if config.norm == "rms_norm":
        yield from rms_norm_gradient_steps(norm, x, sizes)
    else:
        yield from layer_norm_gradient_steps(norm, config, sizes)


def readers_of_input(norm: str, config: GPTConfig) -> tuple[str, ...]:
    """Return the steps of a norm that use its input."""
    uses = ("out", "mean_square") if config.norm == "rms_norm" else ("centered", "mean")
    return tuple(f"{norm}.{name}" for name in uses)
