"""The edges of arithmetic inside attention: what the mask keeps out, and what gets past it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.verdicts.builders import SMALL, layer_case, values_of
from parity_tests.verdicts.evaluation import Case, Section, near
from parity_tests.verdicts.implementations import Implementation

FLOAT64, FLOAT32 = ("float64",), ("float32",)
_DOUT = [[[1.0, -2.0], [0.5, 3.0], [-1.0, 2.0]]]
_ORDINARY = [[0.5, 1.0], [1.5, -2.0], [-1.0, 4.0]]
_HUGE = 2.0**50  # a power of two: every score is exact, on every machine
_ALIKE = [[1.0, 2.0], [1.0, -3.0], [1.0, 5.0]]
_OPPOSED = [[1.0, 2.0], [-1.0, -3.0], [1.0, 5.0]]


def _attention(given: str, x: Sequence[Any], q: float = 1.0, k: float = 1.0, v: float = 1.0, **rest: Any) -> Case:
    c_attn = [[q, 0.0, k, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, v, 0.0]]
    inputs = {"x": [x], "w": c_attn, "b": None, "w_proj": [[1.0, 0.0], [0.0, 1.0]], "b_proj": None}
    return layer_case(given, "attention", inputs, _DOUT, (2,), ["out", "dx"], **rest)


def _key_bias(twin: Implementation, dtype: str) -> Mapping[str, Any]:
    config = GPTConfig(**SMALL)
    _, gradients = twin.loss_and_gradients(config, values_of(config, dtype, 3.0), [[1, 3, 0, 1]], [[3, 0, 1, 2]], None)
    query, key, _ = gradients["h.0.attn.c_attn.bias"].reshape(3, -1)
    noise = 1e-14 if dtype == "float64" else 1e-5
    return {"gradient of the key bias": near(key, 0.0, noise), "of the query bias": query}


ATTENTION = Section(
    "Attention",
    "Three positions x of two channels, and a head for each channel. Head 0 takes q and k from the first channel and "
    "v from the second; head 1 has equal scores and takes v from the first. The projection is the identity. `out` and "
    "`dx` have two numbers for each position. The mask sets scores to −inf, so that the weight of a future position is "
    "exactly 0 whatever its score. But 0·NaN and 0·inf are NaN: a *value* that is not a number reaches the past "
    "through the product of weights and values, in every implementation.",
    (
        _attention("zeros", [[0.0, 0.0]] * 3),
        _attention("ordinary: x = (½, 1), (1½, −2), (−1, 4)", _ORDINARY),
        _attention("equal scores: x = (0, 2), (0, −3), (0, 5)", [[0.0, 2.0], [0.0, -3.0], [0.0, 5.0]]),
        _attention("scores below −1e10: all −1e30", _ALIKE, q=_HUGE, k=-_HUGE, reasons=("fused-huge-scores",)),
        _attention("a gap of 1e30: scores ±1e30", _OPPOSED, q=_HUGE, k=_HUGE, reasons=("fused-huge-scores",)),
        _attention("scores overflow to inf: q and k 1e200", _ALIKE, q=1e200, k=1e200, dtypes=FLOAT64),
        _attention("scores overflow to inf: q and k 1e30", _ALIKE, q=1e30, k=1e30, dtypes=FLOAT32),
        _attention(
            "NaN in position 2, the future, so in its V: is the past clean?", [*_ORDINARY[:2], [-1.0, math.nan]]
        ),
        _attention("inf in the V of position 2, by overflow", [*_ORDINARY[:2], [-1.0, 1e10]], v=1e300, dtypes=FLOAT64),
        _attention("inf in the V of position 2, by overflow", [*_ORDINARY[:2], [-1.0, 1e10]], v=1e30, dtypes=FLOAT32),
        _attention("inf in the K of position 2, by overflow", [*_ORDINARY[:2], [1e10, 4.0]], k=1e300, dtypes=FLOAT64),
        _attention("inf in the K of position 2, by overflow", [*_ORDINARY[:2], [1e10, 4.0]], k=1e30, dtypes=FLOAT32),
        _attention("+inf in position 2", [*_ORDINARY[:2], [math.inf, 4.0]]),
        _attention("NaN in position 0", [[math.nan, 1.0], *_ORDINARY[1:]]),
        Case("the key bias, whose gradient is zero by mathematics", _key_bias),
    ),
)

SECTIONS = (ATTENTION,)
