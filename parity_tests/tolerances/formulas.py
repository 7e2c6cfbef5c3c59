"""A test bench for the formulas: for each, inputs to draw, what numpy_gpt computes, the bound, the 60-digit truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from numpy_gpt.layers import activation, cross_entropy, embedding, layer_norm, linear, rms_norm, softmax
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.tolerances import Bounded, exact, worst_case
from parity_tests.tolerances import statement

EPSILON = 1e-5
Arrays = dict[str, Any]
_exp, _log, _sqrt, _erfc = (np.frompyfunc(getattr(mpmath, name), 1, 1) for name in ("exp", "log", "sqrt", "erfc"))


@dataclass(frozen=True)
class Formula:
    """One formula; ``sharpness`` is the ratio of error to bound that random inputs reach at least, in float32."""

    draw: Callable[[np.random.Generator, float], Arrays]
    computed: Callable[[Arrays], Arrays]
    bound: Callable[[dict[str, Bounded]], dict[str, Bounded]]
    truth: Callable[[Arrays], Arrays]
    sharpness: float


def as_mpmath(array: Any) -> Any:
    """Return the array's numbers as exact mpf objects; whole numbers (ids) stay as they are."""
    array = np.asarray(array)
    return array if array.dtype.kind in "iu" else np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)(array)


def _matrix(rng: np.random.Generator, scale: float) -> Arrays:
    rows, length, columns = rng.integers(1, 24, 3)
    spread = scale ** rng.uniform(-1, 1, (1, length))  # columns of very different size
    return {
        "x": rng.standard_normal((rows, length)) * spread,
        "weight": rng.standard_normal((length, columns)),
        "bias": scale * rng.standard_normal(columns),
        "dout": rng.standard_normal((rows, columns)),
    }


def _linear(a: Arrays) -> Arrays:
    out, cache = linear.linear_forward(a["x"], a["weight"], a["bias"])
    return {"out": out, **dict(zip(("dx", "dweight", "dbias"), linear.linear_backward(a["dout"], cache), strict=True))}


def _linear_bound(a: dict[str, Bounded]) -> dict[str, Bounded]:
    turned = {name: worst_case.shaped(a[name], np.transpose) for name in ("x", "weight")}
    return {
        "out": worst_case.linear(a["x"], a["weight"], a["bias"]),
        "dx": worst_case.matmul(a["dout"], turned["weight"]),
        "dweight": worst_case.matmul(turned["x"], a["dout"]),
        "dbias": worst_case.total(a["dout"], 0),
    }


def _linear_truth(a: Arrays) -> Arrays:
    x, weight, dout = a["x"], a["weight"], a["dout"]
    return {"out": x @ weight + a["bias"], "dx": dout @ weight.T, "dweight": x.T @ dout, "dbias": dout.sum(0)}


def _rows(rng: np.random.Generator, scale: float) -> Arrays:
    n = int(rng.integers(1, 33))
    shape = (3, n)
    offset = scale * rng.standard_normal((3, 1)) * rng.integers(0, 2)
    return {
        "x": scale * rng.standard_normal(shape) + 10 * offset,
        "weight": 1 + 0.3 * rng.standard_normal(n),
        "bias": 0.3 * rng.standard_normal(n),
        "dout": rng.standard_normal(shape),
        "targets": rng.integers(0, n, 3),
    }


def _layer_norm(a: Arrays) -> Arrays:
    kept: Arrays = {}
    _, cache = layer_norm.layer_norm_forward(a["x"], a["weight"], a["bias"], EPSILON, keep_in(kept))
    grads = layer_norm.layer_norm_backward(a["dout"], cache, keep_in(kept))
    kept |= dict(zip(("dx", "dweight", "dbias"), grads, strict=True))
    return {name: kept[name] for name in _layer_norm_names}


_FORWARD_NAMES = ("mean", "centered", "variance", "rstd", "normalized", "out")
_layer_norm_names = (*_FORWARD_NAMES, "dnormalized", "dx", "dweight", "dbias")


def _layer_norm_bound(a: dict[str, Bounded]) -> dict[str, Bounded]:
    kept: dict[str, Bounded] = {}
    _, norm = statement.layer_norm(worst_case, a["x"], a["weight"], a["bias"], EPSILON, kept.__setitem__, kernel=False)
    grads = statement.layer_norm_backward(worst_case, a["dout"], norm, kept.__setitem__)
    return kept | dict(zip(("dx", "dweight", "dbias"), grads, strict=True))


def _layer_norm_truth(a: Arrays) -> Arrays:
    n = a["x"].shape[-1]
    mean = a["x"].sum(-1, keepdims=True) / n
    centered = a["x"] - mean
    variance = (centered * centered).sum(-1, keepdims=True) / n
    rstd = 1 / _sqrt(variance + mpmath.mpf(EPSILON))
    hat, g = centered * rstd, a["dout"] * a["weight"]
    dx = rstd * (g - g.sum(-1, keepdims=True) / n - hat * ((g * hat).sum(-1, keepdims=True) / n))
    values = (mean[..., 0], centered, variance[..., 0], rstd[..., 0], hat, hat * a["weight"] + a["bias"], g, dx)
    return dict(zip(_layer_norm_names, (*values, (a["dout"] * hat).sum(0), a["dout"].sum(0)), strict=True))


def _rms_norm(a: Arrays) -> Arrays:
    kept: Arrays = {}
    _, cache = rms_norm.rms_norm_forward(a["x"], EPSILON, keep_in(kept))
    dx = rms_norm.rms_norm_backward(a["dout"], cache)
    return {**{name: kept[name] for name in ("mean_square", "rrms", "out")}, "dx": dx}


def _rms_norm_bound(a: dict[str, Bounded]) -> dict[str, Bounded]:
    kept: dict[str, Bounded] = {}
    _, norm = statement.rms_norm(worst_case, a["x"], EPSILON, kept.__setitem__)
    return kept | {"dx": statement.rms_norm_backward(worst_case, a["dout"], norm, lambda name, value: None)}


def _rms_norm_truth(a: Arrays) -> Arrays:
    n = a["x"].shape[-1]
    mean_square = (a["x"] * a["x"]).sum(-1, keepdims=True) / n
    rrms = 1 / _sqrt(mean_square + mpmath.mpf(EPSILON))
    y = a["x"] * rrms
    dx = rrms * (a["dout"] - y * ((a["dout"] * y).sum(-1, keepdims=True) / n))
    return {"mean_square": mean_square[..., 0], "rrms": rrms[..., 0], "out": y, "dx": dx}


def _softmax(a: Arrays) -> Arrays:
    kept: Arrays = {}
    p, cache = softmax.softmax_forward(a["x"], keep_in(kept))
    loss, loss_cache = cross_entropy.cross_entropy_forward(a["x"], a["targets"], keep_in(kept))
    return {
        "exponentials": kept["softmax.exponentials"],
        "sum": kept["softmax.sum"],
        "p": p,
        "dx": softmax.softmax_backward(a["dout"], cache),
        "losses": kept["losses"],
        "loss": loss,
        "dlogits": cross_entropy.cross_entropy_backward(loss_cache),
    }


def _softmax_bound(a: dict[str, Bounded]) -> dict[str, Bounded]:
    parts, targets = worst_case.softmax(a["x"]), a["targets"].value.astype(int)
    losses = worst_case.cross_entropy(a["x"], targets)
    return {
        "exponentials": parts.exponentials,
        "sum": parts.sum,
        "p": parts.probabilities,
        "dx": worst_case.softmax_backward(a["dout"], parts.probabilities),
        "losses": losses.losses,
        "loss": losses.loss,
        "dlogits": worst_case.cross_entropy_backward(parts.probabilities, targets),
    }


def _softmax_truth(a: Arrays) -> Arrays:
    exponentials = _exp(a["x"] - a["x"].max(-1, keepdims=True))
    total = exponentials.sum(-1, keepdims=True)
    p, n = exponentials / total, len(a["x"])
    losses = -_log(p[np.arange(n), a["targets"]])
    dlogits = p.copy()
    dlogits[np.arange(n), a["targets"]] -= 1
    dx = p * (a["dout"] - (p * a["dout"]).sum(-1, keepdims=True))
    kept = {"exponentials": exponentials, "sum": total[..., 0], "p": p, "dx": dx}
    return kept | {"losses": losses, "loss": np.asarray(losses.sum() / n), "dlogits": dlogits / n}


def _hidden(rng: np.random.Generator, scale: float) -> Arrays:
    x = scale * rng.standard_normal((3, int(rng.integers(1, 33))))
    return {"x": x, "dout": rng.standard_normal(x.shape)}


def _activation(kind: str) -> Callable[[Arrays], Arrays]:
    def computed(a: Arrays) -> Arrays:
        out, cache = activation.activation_forward(a["x"], kind)
        return {"out": out, "dx": activation.activation_backward(a["dout"], cache)}

    return computed


def _activation_bound(kind: str) -> Callable[[dict[str, Bounded]], dict[str, Bounded]]:
    return lambda a: {
        "out": worst_case.activation(a["x"], kind).out,
        "dx": worst_case.activation_backward(a["dout"], a["x"], kind),
    }


def _gelu_tanh_truth(a: Arrays) -> Arrays:
    x, root, cubic = a["x"], mpmath.sqrt(2 / mpmath.pi), mpmath.mpf("0.044715")
    w = root * x * (1 + cubic * x * x)
    below, above = 2 / (1 + _exp(-2 * w)), 2 / (1 + _exp(2 * w))  # 1 + tanh w and 1 − tanh w, which would cancel
    slope = below / 2 + x * below * above * root * (1 + 3 * cubic * x * x) / 2
    return {"out": x * below / 2, "dx": a["dout"] * slope}


def _gelu_erf_truth(a: Arrays) -> Arrays:
    x = a["x"]
    phi = _erfc(-x / mpmath.sqrt(2)) / 2  # 1 + erf would cancel
    return {"out": x * phi, "dx": a["dout"] * (phi + x * _exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi))}


def _relu_truth(a: Arrays) -> Arrays:
    return {"out": np.where(a["x"] > 0, a["x"], 0), "dx": np.where(a["x"] > 0, a["dout"], 0)}


def _repeated(rng: np.random.Generator, scale: float) -> Arrays:
    batch, time = rng.integers(1, 9, 2)
    return {
        "tokens": rng.integers(0, 3, (batch, time)),
        "wte": scale * rng.standard_normal((4, 3)),
        "wpe": rng.standard_normal((9, 3)),
        "dout": rng.standard_normal((batch, time, 3)) * scale ** rng.uniform(-1, 1, (batch, time, 1)),
    }


def _embedding(a: Arrays) -> Arrays:
    out, cache = embedding.embedding_forward(a["tokens"], a["wte"], a["wpe"])
    return {"out": out, **dict(zip(("dwte", "dwpe"), embedding.embedding_backward(a["dout"], cache), strict=True))}


def _embedding_bound(a: dict[str, Bounded]) -> dict[str, Bounded]:
    tokens, silent = a["tokens"].value.astype(int), lambda name, value: None
    out = statement.embedding(worst_case, tokens, a["wte"], a["wpe"], silent)
    grads = statement.embedding_backward(worst_case, a["dout"], tokens, a["wte"], a["wpe"], silent)
    return {"out": out, **dict(zip(("dwte", "dwpe"), grads, strict=True))}


def _embedding_truth(a: Arrays) -> Arrays:
    tokens, dout = a["tokens"], a["dout"]
    onehot = (tokens.reshape(-1, 1) == np.arange(4)).astype(int)
    dwpe = as_mpmath(np.zeros((9, 3)))
    dwpe[: tokens.shape[1]] = dout.sum(0)
    out = a["wte"][tokens] + a["wpe"][: tokens.shape[1]]
    return {"out": out, "dwte": onehot.T @ dout.reshape(-1, 3), "dwpe": dwpe}


FORMULAS = {
    "linear (1)": Formula(_matrix, _linear, _linear_bound, _linear_truth, 0.5),
    "embedding (1)": Formula(_repeated, _embedding, _embedding_bound, _embedding_truth, 0.5),
    "softmax and cross-entropy (2, 3, 7)": Formula(_rows, _softmax, _softmax_bound, _softmax_truth, 0.05),
    "layer norm (4, 5)": Formula(_rows, _layer_norm, _layer_norm_bound, _layer_norm_truth, 0.1),
    "RMSNorm (9)": Formula(_rows, _rms_norm, _rms_norm_bound, _rms_norm_truth, 0.1),
    "tanh GELU (6)": Formula(_hidden, _activation("gelu_tanh"), _activation_bound("gelu_tanh"), _gelu_tanh_truth, 0.2),
    "erf GELU": Formula(_hidden, _activation("gelu_erf"), _activation_bound("gelu_erf"), _gelu_erf_truth, 0.1),
    "relu": Formula(_hidden, _activation("relu"), _activation_bound("relu"), _relu_truth, 0.0),
}


def ratios(formula: Formula, inputs: Arrays, dtype: str) -> tuple[dict[str, float], Arrays, dict[str, Bounded], Arrays]:
    """Return error/bound of every array (its largest), and the computed, bounded and true arrays."""
    inputs = {name: v if v.dtype.kind in "iu" else v.astype(dtype) for name, v in inputs.items()}
    computed = formula.computed(inputs)
    bounds = formula.bound({name: exact(value, dtype) for name, value in inputs.items()})
    with mpmath.workdps(60):
        truth = formula.truth({name: as_mpmath(value) for name, value in inputs.items()})
        found = {name: largest_ratio(computed[name], truth[name], bounds[name].error) for name in computed}
    return found, computed, bounds, truth


def largest_ratio(computed: Any, truth: Any, bound: Any) -> float:
    """Return the largest |computed − truth|/bound; an error where the bound is 0 counts as infinite."""
    difference = np.asarray(abs(as_mpmath(computed) - truth)).astype(np.float64)
    if not np.isfinite(computed).all():
        return math.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(difference == 0, 0.0, difference / bound).max(initial=0.0))
