"""Numbers at the edge of arithmetic, given to the layers: large, small, equal, infinite and NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity_tests.verdicts.builders import layer_case
from parity_tests.verdicts.evaluation import Case, Section, near
from parity_tests.verdicts.implementations import Implementation

INF, NAN = math.inf, math.nan
FLOAT64, FLOAT32 = ("float64",), ("float32",)


_SHOWN = ("out", "dx", "dweight")


def _layer_norm(given: str, x: Sequence[float], **rest: Any) -> Case:
    inputs = {"x": [x], "weight": [1.0, 2.0, -1.0, 0.5], "bias": [0.5, -1.0, 0.0, 2.0]}
    return layer_case(given, "layer_norm", inputs, [[1.0, -2.0, 0.5, 3.0]], (1e-5,), _SHOWN, **rest)


def _fused_norm(dtypes: tuple[str, ...], out: float, **rest: float) -> dict[str, Any]:
    return {"dtypes": dtypes, "reasons": ("fused-norm-rounding",), "fused_within": {"out": out, **rest}}


_CONSTANT_64 = _fused_norm(FLOAT64, 1e-12, dweight=1e-12, dx=1e-9)
_CONSTANT_32 = _fused_norm(FLOAT32, 1e-3, dweight=1e-3, dx=1e-1)
_OFFSET = [1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 6]

LAYER_NORM = Section(
    "Layer norm",
    "One row of four channels, weight 1, 2, −1, ½, bias ½, −1, 0, 2, upstream gradient 1, −2, ½, 3, ε = 1e-5.",
    (
        _layer_norm("zeros", [0.0] * 4),
        _layer_norm("−0 everywhere", [-0.0] * 4),
        _layer_norm("a constant row, all 3", [3.0] * 4, **_CONSTANT_64),
        _layer_norm("a constant row, all 3", [3.0] * 4, **_CONSTANT_32),
        _layer_norm("constant 1e20", [1e20] * 4, **_fused_norm(FLOAT64, 1e8, dweight=1e8, dx=1e19)),
        _layer_norm("constant 1e20", [1e20] * 4, dtypes=FLOAT32, reasons=("variance-overflow",)),
        _layer_norm("offset 1e6: 1e6 + 1, 2, 3, 6", _OFFSET, negligible=1e-9, dtypes=FLOAT64),
        _layer_norm("offset 1e6: 1e6 + 1, 2, 3, 6", _OFFSET, **_fused_norm(FLOAT32, 0.2, dweight=0.5, dx=0.2)),
        _layer_norm("a single spike: 1e6, 0, 0, 0", [1e6, 0.0, 0.0, 0.0], negligible=1e-11),
        _layer_norm("subnormals: 1e-310, −2e-310, 3e-310, 0", [1e-310, -2e-310, 3e-310, 0.0], dtypes=FLOAT64),
        _layer_norm("subnormals: 1e-40, −2e-40, 3e-40, 0", [1e-40, -2e-40, 3e-40, 0.0], dtypes=FLOAT32),
        _layer_norm(
            "variance overflows: 1e160, −1e160, 2e160, 0",
            [1e160, -1e160, 2e160, 0.0],
            dtypes=FLOAT64,
            reasons=("variance-overflow",),
        ),
        _layer_norm(
            "variance overflows: 1e30, −1e30, 2e30, 0",
            [1e30, -1e30, 2e30, 0.0],
            dtypes=FLOAT32,
            reasons=("variance-overflow",),
        ),
        _layer_norm("+inf in one channel", [INF, 0.0, 1.0, 2.0]),
        _layer_norm("−inf in one channel", [-INF, 0.0, 1.0, 2.0]),
        _layer_norm("NaN in one channel", [NAN, 0.0, 1.0, 2.0]),
    ),
)


def _softmax(given: str, x: Sequence[float], **rest: Any) -> Case:
    return layer_case(given, "softmax", {"x": [x]}, [[1.0, -2.0, 3.0][: len(x)]], **rest)


SOFTMAX = Section(
    "Softmax",
    "One row; the upstream gradient is 1, −2, 3. The maximum is subtracted first, so exp never overflows.",
    (
        _softmax("equal: 2, 2, 2", [2.0] * 3),
        _softmax("zeros", [0.0] * 3),
        _softmax("0, −0, subnormal 1e-40", [0.0, -0.0, 1e-40]),
        _softmax("0, 88", [0.0, 88.0]),
        _softmax("0, −88", [0.0, -88.0]),
        _softmax("0, 89", [0.0, 89.0]),
        _softmax("0, −89", [0.0, -89.0]),
        _softmax("0, 709", [0.0, 709.0]),
        _softmax("0, −709", [0.0, -709.0]),
        _softmax("0, 710", [0.0, 710.0]),
        _softmax("0, −710", [0.0, -710.0]),
        _softmax("a gap of 1e30: 0, 1e30, −1e30", [0.0, 1e30, -1e30]),
        _softmax("all below −1e10: −3e10, −2e10, −1e10", [-3e10, -2e10, -1e10]),
        _softmax("one masked: 0, −inf, 1", [0.0, -INF, 1.0]),
        _softmax("a fully masked row: all −inf", [-INF] * 3),
        _softmax("+inf: 0, inf, 1", [0.0, INF, 1.0]),
        _softmax("NaN: 0, NaN, 1", [0.0, NAN, 1.0]),
    ),
)


def _cross_entropy(given: str, logits: Sequence[float], target: int, **rest: Any) -> Case:
    return layer_case(given, "cross_entropy", {"logits": [[logits]], "targets": np.array([[target]])}, **rest)


CROSS_ENTROPY = Section(
    "Cross-entropy",
    "One position; `out` is the loss in nats. It is computed from the logits, never as −ln p of a p that underflows.",
    (
        _cross_entropy("equal logits: 2, 2, 2; target 0", [2.0] * 3, 0),
        _cross_entropy("0, 88; target 0", [0.0, 88.0], 0),
        _cross_entropy("0, 89; target 0", [0.0, 89.0], 0),
        _cross_entropy("0, 709; target 0", [0.0, 709.0], 0),
        _cross_entropy("0, 710; target 0", [0.0, 710.0], 0),
        _cross_entropy("0, 710; target 1", [0.0, 710.0], 1),
        _cross_entropy("a gap of 1e30: 0, 1e30, −1e30; target 0", [0.0, 1e30, -1e30], 0),
        _cross_entropy("a gap of 1e30: 0, 1e30, −1e30; target 1", [0.0, 1e30, -1e30], 1),
        _cross_entropy("the target's logit is −inf: −inf, 0, 1; target 0", [-INF, 0.0, 1.0], 0),
        _cross_entropy("another logit is −inf: −inf, 0, 1; target 1", [-INF, 0.0, 1.0], 1),
        _cross_entropy("all −inf", [-INF] * 3, 0),
        _cross_entropy("+inf: 0, inf, 1; target 1", [0.0, INF, 1.0], 1),
        _cross_entropy("NaN: 0, NaN, 1; target 0", [0.0, NAN, 1.0], 0),
        _cross_entropy("V = 1: a single logit", [7.0], 0),
    ),
)


def _activation(given: str, kind: str, x: Sequence[float], **rest: Any) -> Case:
    return layer_case(given, "activation", {"x": x}, [1.0, -2.0, 3.0][: len(x)], (kind,), **rest)


def _gelu_at_minus_5(kind: str, value: float, slope: float) -> Case:
    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        results = twin.layer("activation", {"x": np.array([-5.0], dtype)}, np.array([1.0], dtype), (kind,))
        if dtype == "float64":
            return results
        return {"out": near(results["out"], value, 5e-7), "dx": near(results["dx"], slope, 2e-6)}

    return Case(f"{kind} at −5", run)


def _gelu_of_inf() -> Case:
    def run(twin: Implementation, dtype: str) -> Mapping[str, Any]:
        results = twin.layer(
            "activation", {"x": np.full(3, INF, dtype)}, np.array([1.0, -2.0, 3.0], dtype), ("gelu_erf",)
        )
        either = twin.fused and not np.isfinite(results["out"]).any() and not (results["out"] == -INF).any()
        return {"out": "inf or NaN" if either else results["out"], "dx": results["dx"]}

    return Case("gelu_erf at +inf", run, ("fused-gelu-of-inf",))


def _activations(kind: str, reasons: Mapping[str, tuple[str, ...]]) -> tuple[Case, ...]:
    return (
        _activation(f"{kind} at 0, −0", kind, [0.0, -0.0]),
        _activation(f"{kind} at ±1e-310, subnormal", kind, [1e-310, -1e-310], dtypes=FLOAT64),
        _activation(f"{kind} at ±1e-40, subnormal", kind, [1e-40, -1e-40], dtypes=FLOAT32),
        *(
            _activation(f"{kind} at ±{size}", kind, [float(size), -float(size)], reasons=reasons.get(size, ()), **only)
            for size, only in (("1e13", {}), ("1e15", {}), ("1e20", {}), ("1e120", {"dtypes": FLOAT64}))
        ),
        _gelu_of_inf() if kind == "gelu_erf" else _activation(f"{kind} at +inf", kind, [INF] * 3),
        _activation(f"{kind} at −inf", kind, [-INF] * 3),
        _activation(f"{kind} at NaN", kind, [NAN]),
    )


ACTIVATION = Section(
    "Activations",
    "The upstream gradient is 1, −2. In float32 the GELU of −5 is 30 % off in every implementation, because 1 + tanh "
    "cancels: only its size is a verdict, not its digits.",
    (
        _gelu_at_minus_5("gelu_tanh", -2.2918e-7, -1.5504e-6),
        *_activations("gelu_tanh", {}),
        _gelu_at_minus_5("gelu_erf", -1.4333e-6, -7.1460e-6),
        *_activations("gelu_erf", {}),
        _activation("relu at −5, 5", "relu", [-5.0, 5.0]),
        *_activations("relu", {}),
    ),
)

SECTIONS = (LAYER_NORM, SOFTMAX, CROSS_ENTROPY, ACTIVATION)
