"""The same operations with random rounding errors: the sharper tolerance of a long computation (Parker 1997).

Bounds that are propagated from layer to layer multiply up. Here every operation moves its result by a normal random
number of its rounding error's size, √k·u·magnitude for k roundings (Higham & Mary 2019); a few runs then show how far
all of them together move every entry of every array. With ``unit`` 0 the operations are plain float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpy_gpt.tolerances.activation import CUBIC, ROOT, Activation, erf, erfc
from numpy_gpt.tolerances.elementary import row_size
from numpy_gpt.tolerances.layer_norm import LayerNorm
from numpy_gpt.tolerances.rms_norm import RMSNorm
from numpy_gpt.tolerances.rounding import ELEMENTARY, Float64
from numpy_gpt.tolerances.softmax import CrossEntropy, Softmax

Term = tuple[Any, Float64]
"""How many roundings, of what magnitude."""


class Sampled:
    """The operations over plain float64 arrays; ``unit`` is u, and ``seed`` chooses the random errors."""

    def __init__(self, unit: float = 0.0, seed: int = 0) -> None:
        self.unit = unit
        self._generator = np.random.default_rng(seed)

    def exact(self, array: Any, dtype: Any = None) -> Float64:
        """Return an input that has no error; ``dtype`` is not used."""
        return np.asarray(array, np.float64)

    def stored(self, array: Any, dtype: Any = None) -> Float64:
        """Return an array that may be a rounded copy of what was computed with."""
        return self.once(np.asarray(array, np.float64))

    def rounded(self, value: Float64, *terms: Term) -> Float64:
        """Return the value, moved at random by the roundings of all terms."""
        if self.unit == 0:
            return value
        size = sum(count**0.5 * magnitude for count, magnitude in terms) * self.unit
        moved: Float64 = value + self._generator.standard_normal(np.shape(value)) * size
        return moved

    def once(self, value: Float64, count: int = 1) -> Float64:
        """Return the value with the roundings of one operation."""
        return value if self.unit == 0 else self.rounded(value, (count, np.where(np.isfinite(value), abs(value), 0.0)))

    def shaped(self, x: Float64, rearrange: Callable[[Any], Any]) -> Any:
        """Move entries: exact."""
        return rearrange(x)

    def concatenate(self, parts: Sequence[Float64], axis: int) -> Float64:
        """Concatenate: exact."""
        return np.concatenate(parts, axis)

    def causal(self, scores: Float64) -> Float64:
        """Mask: exact."""
        return self.hide(scores, np.tri(*scores.shape[-2:], dtype=np.bool_))

    def hide(self, scores: Float64, allowed: Any, instead: float = -np.inf) -> Float64:
        """Put one number where the scores are not allowed: exact."""
        return np.where(allowed, scores, instead)

    def matmul(self, a: Float64, b: Float64) -> Float64:
        """K roundings of |a||b|."""
        return self._sum(a @ b, a.shape[-1], lambda: np.abs(a) @ np.abs(b))

    def linear(self, x: Float64, weight: Float64, bias: Float64 | None) -> Float64:
        """K roundings of |x||w|, and one more of |x||w| + |b|."""
        if bias is None:
            return self.matmul(x, weight)
        return self._sum(x @ weight + bias, x.shape[-1] + 1, lambda: np.abs(x) @ np.abs(weight) + np.abs(bias))

    def total(self, x: Float64, axis: int) -> Float64:
        """N − 1 roundings of Σ|x|."""
        return self._sum(x.sum(axis), x.shape[axis] - 1, lambda: np.abs(x).sum(axis))

    def mean(self, x: Float64) -> Float64:
        """N + 1 roundings of mean|x|."""
        return self._sum(np.asarray(x.mean()), x.size + 1, lambda: np.abs(x).mean())

    def row_mean(self, x: Float64) -> Float64:
        """N + 1 roundings of mean|x|; the axis stays, with length 1."""
        return self._sum(x.mean(-1, keepdims=True), x.shape[-1] + 1, lambda: np.abs(x).mean(-1, keepdims=True))

    def norm(self, parts: Sequence[Float64]) -> Float64:
        """Squares of N terms, and the root."""
        square = np.asarray(sum(float((part**2).sum()) for part in parts))
        return self.once(np.sqrt(self._sum(square, sum(part.size for part in parts), lambda: square)))

    def add(self, a: Float64, b: Float64) -> Float64:
        """One rounding."""
        return self.once(a + b)

    def subtract(self, a: Float64, b: Float64) -> Float64:
        """One rounding."""
        return self.once(a - b)

    def multiply(self, a: Float64, b: Float64) -> Float64:
        """One rounding."""
        return self.once(a * b)

    def divide(self, a: Float64, b: Float64) -> Float64:
        """One rounding."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.once(a / b)

    def scale(self, x: Float64, factor: float) -> Float64:
        """Two roundings, the constant's too."""
        return self.once(x * factor, 2)

    def shift(self, x: Float64, constant: float) -> Float64:
        """Two roundings, the constant's too."""
        return self.once(x + constant, 2)

    def root(self, x: Float64) -> Float64:
        """One rounding."""
        return self.once(np.sqrt(np.maximum(x, 0.0)))

    def exponential(self, x: Float64) -> Float64:
        """As accurate as an elementary function."""
        return self.once(np.exp(x), ELEMENTARY)

    def smooth(self, function: Callable[..., Float64], *inputs: Float64, roundings: int = 8) -> Float64:
        """Return any smooth function, with some roundings."""
        with np.errstate(all="ignore"):
            out = np.asarray(function(*inputs), np.float64)
        return out if self.unit == 0 else self.rounded(out, (roundings, row_size(out)))

    def loosened(self, value: Float64, like: Float64) -> Float64:
        """Return the value: only the worst case differs."""
        return value

    def scatter_rows(self, x: Float64, index: Any, rows: int) -> Float64:
        """Add up m terms for each row."""
        value, magnitude = np.zeros((rows, x.shape[-1])), np.zeros((rows, x.shape[-1]))
        np.add.at(value, index, x)
        if self.unit == 0:
            return value
        np.add.at(magnitude, index, np.abs(x))
        count = np.maximum(np.bincount(np.ravel(index), minlength=rows)[:, None] - 1, 0)
        return self.rounded(value, (count, magnitude))

    def layer_norm(self, x: Float64, epsilon: float, *, kernel: bool = False) -> LayerNorm:
        """Mean, difference, squares and their mean, root and reciprocal, product; ``kernel`` as in the worst case."""
        mean = self.row_mean(x)
        centered = self.once(x - mean)
        variance = self.row_mean(self.once(centered * centered))
        rstd = self.once(1 / np.sqrt(variance + epsilon), 3)
        normalized = self.once(centered * rstd)
        if kernel:
            normalized = self.rounded(normalized, (3, np.abs(rstd) * (np.abs(x) + np.abs(mean))))
        return LayerNorm(mean, centered, variance, rstd, normalized)  # type: ignore[arg-type]

    def layer_norm_backward(self, g: Float64, normalized: Float64, rstd: Float64, x: Float64 | None = None) -> Float64:
        """Two means, each subtracted, and the product; ``x`` as in the worst case."""
        along_constant, along_hat = self.row_mean(g), self.row_mean(self.once(g * normalized))
        taken = self.once(normalized * along_hat)
        if x is not None and self.unit:
            mu, size = np.abs(x).mean(-1, keepdims=True), np.abs(x)
            sums = (np.abs(g) * size).mean(-1, keepdims=True) + mu * np.abs(g).mean(-1, keepdims=True)
            split = np.abs(rstd) * np.abs(along_hat) * (size + mu)
            taken = self.rounded(taken, (x.shape[-1] + 5, np.abs(normalized) * np.abs(rstd) * sums), (3, split))
        return self.once(self.once(self.once(g - along_constant) - taken) * rstd)

    def rms_norm(self, x: Float64, epsilon: float) -> RMSNorm:
        """Squares and their mean, root and reciprocal, product."""
        mean_square = self.row_mean(self.once(x * x))
        rrms = self.once(1 / np.sqrt(mean_square + epsilon), 3)
        return RMSNorm(mean_square, rrms, self.once(x * rrms))  # type: ignore[arg-type]

    def rms_norm_backward(self, dy: Float64, normalized: Float64, rrms: Float64) -> Float64:
        """Subtract a mean, and multiply; with the roundings of forms that compute both terms apart."""
        taken = self.once(normalized * self.row_mean(self.once(dy * normalized)), 6)
        return self.once(self.once(dy - taken) * rrms)

    def softmax(self, x: Float64) -> Softmax:
        """Difference, exp, sum, quotient."""
        _, exponentials, total = self._exponentials(x)
        p = self.once(exponentials / total[..., None])
        return Softmax(x.max(-1), exponentials, total, p)  # type: ignore[arg-type]

    def softmax_backward(self, dp: Float64, p: Float64, through: tuple[Float64, Float64] | None = None) -> Float64:
        """Product, sum, product, difference; ``through`` as in the worst case."""
        product = self.once(p * dp)
        dot = self.total(product, -1)
        if through is not None and self.unit:
            magnitude = (np.abs(through[0]) * np.abs(through[1])).sum(-1)
            dot = self.rounded(dot, (through[0].shape[-1], magnitude))
        return self.once(product - self.once(p * dot[..., None]))

    def recomputed(self, p: Float64, q: Float64, k: Float64, factor: float) -> Float64:
        """Weights by exp(scores − log-sum-exp), with the scores recomputed."""
        if self.unit == 0:
            return p
        return self.rounded(p, (q.shape[-1] + 2, p * (np.abs(q) @ np.abs(k).swapaxes(-1, -2) * factor)))

    def cross_entropy(self, logits: Float64, targets: Any) -> CrossEntropy:
        """As softmax, then the logarithm of the sum, the difference, and the mean of those that count."""
        shifted, exponentials, total = self._exponentials(logits)
        parts = Softmax(logits.max(-1), exponentials, total, self.once(exponentials / total[..., None]))  # type: ignore[arg-type]
        at_target = np.take_along_axis(shifted, np.maximum(targets, 0)[..., None], -1)[..., 0]
        losses = (targets >= 0) * self.once(self.once(np.log(total), ELEMENTARY) - at_target)
        return CrossEntropy(parts, losses, self.mean(losses[targets >= 0]))  # type: ignore[arg-type]

    def cross_entropy_backward(self, p: Float64, targets: Any) -> Float64:
        """Difference and quotient."""
        counted, difference = targets >= 0, p.copy()
        at_target = np.maximum(targets, 0)[..., None]
        np.put_along_axis(difference, at_target, np.take_along_axis(difference, at_target, -1) - 1, -1)
        return self.once(counted[..., None] * self.once(difference) / counted.sum(), 2)

    def activation(self, x: Float64, kind: str) -> Activation:
        """Argument, tanh or erf, 1 + that, and the products."""
        if kind == "relu":
            return Activation({}, np.maximum(x, 0.0))  # type: ignore[arg-type]
        argument, value = self._inner(x, kind)
        inner = {"gelu.argument": argument, "gelu.tanh": value} if kind == "gelu_tanh" else {"gelu.erf": value}
        return Activation(inner, self.once(0.5 * x * self.once(1 + value), 2))  # type: ignore[arg-type]

    def _inner(self, x: Float64, kind: str) -> tuple[Float64, Float64]:
        if kind == "gelu_tanh":
            argument = self.once(ROOT * x * (1 + CUBIC * x * x), 8)
            value = np.tanh(argument)
            size = np.abs(value)
            complement = 2 / (np.exp(np.minimum(2 * np.abs(argument), 700)) + 1)
        else:
            argument = self.once(x / math.sqrt(2), 2)
            value, complement = erf(argument), erfc(np.abs(argument))
            size = np.ones_like(value)  # counted absolutely: see the activation's bounds
        if self.unit == 0:
            return argument, value
        # Where another library's value may be exactly ±1, it is off by the complement.
        saturated = complement < self.unit / 32
        return argument, self.rounded(value, (ELEMENTARY, np.where(saturated, complement / self.unit, size)))

    def activation_backward(self, dout: Float64, x: Float64, kind: str) -> Float64:
        """Both parts of the slope, their sum, and the product with dout."""
        if kind == "relu":
            return dout * (x > 0)
        value = self._inner(x, kind)[1]
        if kind == "gelu_tanh":
            rate = self.rounded(1 - value * value, (1, value * value), (1, np.abs(1 - value * value)))
            second = self.once(0.5 * x * rate * ROOT * (1 + 3 * CUBIC * x * x), 8)
        else:
            density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            density = self.rounded(density, (3, 0.5 * x * x * density), (ELEMENTARY + 2, density))
            second = self.once(x * density)
        slope = 0.5 * self.once(1 + value) + second
        order = np.full_like(slope, 0.5 if kind == "gelu_erf" else 0.0)  # fused kernels add to 1 in another order
        return self.once(dout * self.rounded(slope, (1, np.abs(slope)), (1, order)))

    def _exponentials(self, x: Float64) -> tuple[Float64, Float64, Float64]:
        shifted = self.once(x - x.max(-1, keepdims=True))
        exponentials = self.once(np.exp(shifted), ELEMENTARY)
        return shifted, exponentials, self.total(exponentials, -1)

    def _sum(self, value: Float64, count: int, magnitude: Callable[[], Any]) -> Float64:
        return value if self.unit == 0 else self.rounded(np.asarray(value), (max(count, 0), np.asarray(magnitude())))
