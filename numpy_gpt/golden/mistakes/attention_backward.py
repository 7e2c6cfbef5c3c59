"""What ports get wrong in attention's backward pass (§8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.mistakes.split_of_heads import pack_gradients
from numpy_gpt.golden.operations.attention import ATTENTION, dused, merge, recomputed, used_weights
from numpy_gpt.golden.operations.linear import transposed
from numpy_gpt.golden.operations.operation import Value

ATTENTION.mistake(
    "attention.dk_transposed",
    "dk is dscores q: dscores is not transposed",
    "8.16",
    {"dk": lambda s: s.o.matmul(s["dscores"], s["q"])},
)
ATTENTION.mistake(
    "attention.dq_transposed",
    "dq takes the transposed dscores",
    "8.15",
    {"dq": lambda s: s.o.matmul(s.o.shaped(s["dscores"], transposed), s["k"])},
)
ATTENTION.mistake(
    "attention.dq_of_q",
    "dq is dscores q: it needs the keys",
    "8.15",
    {"dq": lambda s: s.o.matmul(s["dscores"], s["q"])},
)
ATTENTION.mistake(
    "attention.dk_of_k",
    "dk is dscoresᵀ k: it needs the queries",
    "8.16",
    {"dk": lambda s: s.o.matmul(s.o.shaped(s["dscores"], transposed), s["k"])},
)
ATTENTION.mistake(
    "attention.dv_transposed",
    "dv takes the weights, not their transpose",
    "8.12",
    {"dv": lambda s: s.o.matmul(used_weights(s), s["dheads"])},
)
ATTENTION.mistake(
    "attention.dscale_missing",
    "the gradient of the scores is not scaled by 1/√D",
    "8.14",
    {"dscores": lambda s: s.o.scale(s["dscaled"], 1.0)},
)
ATTENTION.mistake(
    "attention.dscale_one_side",
    "only one of dq and dk is scaled by 1/√D",
    "8.14",
    {"dk": lambda s: s.o.scale(s.right("dk"), math.sqrt(s.config.head_size))},
)
ATTENTION.mistake(
    "attention.dscale_one_side",
    "only one of dq and dk is scaled by 1/√D",
    "8.14",
    {"dq": lambda s: s.o.scale(s.right("dq"), math.sqrt(s.config.head_size))},
)


def _softmax_backward(identifier: str, sentence: str, formula: Callable[[Any, Any], Any]) -> None:
    for masks in (True, False):

        def rule(s: Any, masks: bool = masks) -> Value:
            weights = recomputed(s, s["weights"])
            return s.o.smooth(
                lambda p, dp: np.where((p > 0) | (not masks), formula(p, dp), 0.0), weights, s["dweights"]
            )

        ATTENTION.mistake(identifier, sentence, "8.13", {"dmasked": rule})


def _dot(p: Any, dp: Any) -> Any:
    return (p * np.where(p > 0, dp, 0.0)).sum(-1, keepdims=True)


_softmax_backward("attention.dsoftmax_no_sum", "the softmax's backward lacks its sum: p·dp only", lambda p, dp: p * dp)
_softmax_backward(
    "attention.dsoftmax_no_p",
    "the softmax's backward does not multiply by the weights: dp − Σ p·dp only",
    lambda p, dp: dp - _dot(p, dp),
)
_softmax_backward(
    "attention.dsoftmax_sum_of_dp",
    "the softmax's backward subtracts Σ dp, not Σ p·dp",
    lambda p, dp: p * (dp - np.where(p > 0, dp, 0.0).sum(-1, keepdims=True)),
)
_softmax_backward(
    "attention.dsoftmax_mean",
    "the softmax's backward subtracts the mean of dp, not Σ p·dp",
    lambda p, dp: p * (dp - np.where(p > 0, dp, 0.0).mean(-1, keepdims=True)),
)
_softmax_backward(
    "attention.dsoftmax_diagonal",
    "the softmax's backward is that of a sigmoid: p·(1 − p)·dp",
    lambda p, dp: p * (1 - p) * dp,
)
_softmax_backward(
    "attention.dsoftmax_sign",
    "the softmax's backward adds its sum, where it should subtract",
    lambda p, dp: p * (dp + _dot(p, dp)),
)
_softmax_backward(
    "attention.dsoftmax_unweighted_sum",
    "the softmax's backward does not multiply its sum by the weights: p·dp − Σ p·dp",
    lambda p, dp: p * dp - _dot(p, dp),
)
ATTENTION.mistake(
    "attention.dsoftmax_skipped",
    "the softmax's backward is skipped",
    "8.13",
    {"dmasked": lambda s: s.o.smooth(lambda p, dp: np.where(p > 0, dp, 0.0), s["weights"], s["dweights"])},
)
ATTENTION.mistake(
    "attention.dsoftmax_queries",
    "the softmax's backward sums over the queries, not over the keys",
    "8.13",
    {
        "dmasked": lambda s: s.o.smooth(
            lambda p, dp: p * (dp - (p * np.where(p > 0, dp, 0.0)).sum(-2, keepdims=True)), s["weights"], s["dweights"]
        )
    },
)


def _unmasked(s: Any) -> Value:
    """Return dscores with the future's part of the weights' gradient, as if no mask had been there."""
    time = s.tokens.shape[1]
    past = np.tri(time, time, dtype=np.bool_)
    scale = 1 / math.sqrt(s.config.head_size)
    return s.o.smooth(lambda d, lost: np.where(past, d, scale * lost), s["dscores"], dused(s))


ATTENTION.mistake(
    "attention.dmask_lost",
    "gradients flow to the future: the scores' gradient is not masked",
    "8.19",
    {
        "dq": lambda s: s.o.matmul(_unmasked(s), s["k"]),
        "dk": lambda s: s.o.matmul(s.o.shaped(_unmasked(s), transposed), s["q"]),
    },
)
for _key in ("dq", "dk", "dv"):

    def _without(parts: list[Any], n_head: int, lost: str = _key) -> Any:
        return np.concatenate(
            [merge(part) * (key != lost) for key, part in zip(("dq", "dk", "dv"), parts, strict=True)], -1
        )

    ATTENTION.mistake(
        f"attention.{_key}_lost",
        f"{_key} is not passed back: its columns of dqkv are 0",
        "8.17",
        {"dqkv": pack_gradients(_without)},
    )


def _dropped_after(s: Any) -> Value:
    mask = s.mask("weights_dropout")
    s.require(mask is not None)
    return s.o.scale(s["dweights_dropout"], 1.0)


ATTENTION.mistake(
    "attention.ddropout_lost",
    "the dropout of the weights is not undone in the backward pass",
    "7.2",
    {"dweights": _dropped_after},
)
