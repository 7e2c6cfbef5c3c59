"""Dropout with a given mask: randomness is an argument, so that both twins can drop the same values."""

from __future__ import annotations

from numpy_gpt.shared.model.arrays import Array


def dropout_forward(x: Array, mask: Array) -> tuple[Array, Array]:
    """Return (x·mask, mask) (7.1); mask has as many entries as x, each 0 (dropped) or 1/(1 − rate) (kept).

    Scaling the kept values preserves the expectation, so evaluation needs no dropout at all.
    """
    return x * mask.reshape(x.shape), mask


def dropout_backward(dout: Array, mask: Array) -> Array:
    """Return dx = dout·mask (7.2)."""
    return dout * mask.reshape(dout.shape)
