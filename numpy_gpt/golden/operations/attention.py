"""Attention (§8): forward."""

from __future__ import annotations

import math
from typing import Any

from numpy_gpt.golden.operations.linear import Linear, declare_backward, declare_forward, transposed
from numpy_gpt.golden.operations.operation import BACKWARD, FUTURE, Operation, Value
from numpy_gpt.golden.operations.softmax import declare_softmax

ATTENTION = Operation("attention")
_QKV, _SCORES, _HEADS = "B,T,3C", "B,H,T,S", "B,H,T,D"


def as_heads(s: Any, a: Any) -> Any:
    """Split channels into heads: (B, T, C) → (B, H, T, D)."""
    return a.reshape(*a.shape[:2], s.config.n_head, -1).swapaxes(1, 2)


def merge(a: Any) -> Any:
    """Put heads side by side: (B, H, T, D) → (B, T, C)."""
    merged = a.swapaxes(1, 2)
    return merged.reshape(*merged.shape[:2], -1)


def _part(s: Any, place: int) -> Value:
    width = s.config.n_embd
    return s.o.shaped(s["qkv"], lambda a: as_heads(s, a[..., place * width : (place + 1) * width]))


_C_ATTN = Linear("attn.c_attn", "x", "qkv", "c_attn", "dqkv", "dx", (_QKV, "C,3C", "3C"), "8.1", "8.17")
_C_PROJ = Linear("attn.c_proj", "merged", "out", "c_proj", "dout", "dmerged", ("B,T,C", "C,C", "C"), "8.8", "8.9")

declare_forward(ATTENTION, _C_ATTN)


@ATTENTION.array("q", _HEADS, "8.1")
def q(s: Any) -> Value:
    """Take the first C columns."""
    return _part(s, 0)


@ATTENTION.array("k", _HEADS, "8.1")
def k(s: Any) -> Value:
    """Take the second C columns."""
    return _part(s, 1)


@ATTENTION.array("v", _HEADS, "8.1")
def v(s: Any) -> Value:
    """Take the last C columns."""
    return _part(s, 2)


@ATTENTION.array("scores", _SCORES, "8.2", skip=FUTURE)
def scores(s: Any) -> Value:
    """Multiply queries and keys."""
    return s.o.matmul(s["q"], s.o.shaped(s["k"], transposed))


@ATTENTION.array("scaled", _SCORES, "8.3", skip=FUTURE)
def scaled(s: Any) -> Value:
    """Divide by √D."""
    return s.o.scale(s["scores"], 1 / math.sqrt(s.config.head_size))


@ATTENTION.array("masked", _SCORES, "8.4")
def masked(s: Any) -> Value:
    """Put −inf in the future."""
    return s.o.causal(s["scaled"])


declare_softmax(ATTENTION, "masked", "weights", _SCORES, "8.5", skip=True)


@ATTENTION.array("weights_dropout", _SCORES, "7.1")
def weights_dropout(s: Any) -> Value:
    """Multiply by the mask."""
    return s.o.multiply(s["weights"], s.mask("weights_dropout"))


def used_weights(s: Any) -> Value:
    """Return the weights that the values are weighted with."""
    return s["weights"] if s.mask("weights_dropout") is None else s["weights_dropout"]


@ATTENTION.array("heads", _HEADS, "8.6")
def heads(s: Any) -> Value:
    """Weight the values."""
    return s.o.matmul(used_weights(s), s["v"])


@ATTENTION.array("merged", "B,T,C", "8.7")
def merged(s: Any) -> Value:
    """Put the heads side by side."""
    return s.o.shaped(s["heads"], merge)


declare_forward(ATTENTION, _C_PROJ)


# Backward.

declare_backward(ATTENTION, _C_PROJ)


@ATTENTION.array("dheads", _HEADS, "8.10", BACKWARD)
def dheads(s: Any) -> Value:
    """Split back into heads."""
    return s.o.shaped(s["dmerged"], lambda a: as_heads(s, a))


def dused(s: Any) -> Value:
    """Undo the weighting, for the weights."""
    return s.o.matmul(s["dheads"], s.o.shaped(s["v"], transposed))


def recomputed(s: Any, weights: Value) -> Value:
    """Return weights as a fused backward pass may recompute them."""
    return s.o.recomputed(weights, s["q"], s["k"], 1 / math.sqrt(s.config.head_size))


@ATTENTION.array("dweights_dropout", _SCORES, "8.11", BACKWARD, skip=FUTURE)
def dweights_dropout(s: Any) -> Value:
    """Undo the weighting, for the weights after dropout."""
    return dused(s)


@ATTENTION.array("dweights", _SCORES, "8.11", BACKWARD, skip=FUTURE)
def dweights(s: Any) -> Value:
    """Undo the weighting, and the dropout, if any."""
    mask = s.mask("weights_dropout")
    return dused(s) if mask is None else s.o.multiply(s["dweights_dropout"], mask)


@ATTENTION.array("dv", _HEADS, "8.12", BACKWARD)
def dv(s: Any) -> Value:
    """Sum over the queries that attended."""
    return s.o.matmul(s.o.shaped(recomputed(s, used_weights(s)), transposed), s["dheads"])


@ATTENTION.array("dmasked", _SCORES, "8.13", BACKWARD, skip=FUTURE)
def dmasked(s: Any) -> Value:
    """Undo the softmax."""
    return s.o.softmax_backward(s["dweights"], recomputed(s, s["weights"]), (s["dheads"], s["heads"]))


@ATTENTION.array("dscaled", _SCORES, "8.19", BACKWARD, skip=FUTURE)
def dscaled(s: Any) -> Value:
    """Undo the mask: a masked weight is exactly 0, and so is its gradient."""
    return s["dmasked"]


@ATTENTION.array("dscores", _SCORES, "8.14", BACKWARD, skip=FUTURE)
def dscores(s: Any) -> Value:
    """Undo the scale."""
    return s.o.scale(s["dscaled"], 1 / math.sqrt(s.config.head_size))


@ATTENTION.array("dq", _HEADS, "8.15", BACKWARD)
def dq(s: Any) -> Value:
    """Undo the product, for the queries."""
    return s.o.matmul(s["dscores"], s["k"])


@ATTENTION.array("dk", _HEADS, "8.16", BACKWARD)
def dk(s: Any) -> Value:
    """Undo the product, for the keys: summed over queries, hence transposed."""
    return s.o.matmul(s.o.shaped(s["dscores"], transposed), s["q"])


@ATTENTION.array("dqkv", _QKV, "8.17", BACKWARD)
def dqkv(s: Any) -> Value:
    """Pack the three gradients side by side."""
    return s.o.concatenate([s.o.shaped(s[key], merge) for key in ("dq", "dk", "dv")], -1)


declare_backward(ATTENTION, _C_ATTN)
