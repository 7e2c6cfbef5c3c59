"""Formula 8's nodes: the operations of ``statement`` in float64, each with its own rounding error (Higham 2002, §3.3).

A tape runs in one of two ways. With derivatives, torch's autograd goes through forward *and* explicit backward, and
``sensitivity`` weighs every node's error with ∂s/∂node. With noise, every node is moved at random by its own error, and
the results show how far all of them together move every entry of every array.

Each operation is split into primitives, so that a local error is that of one operation: k roundings of some magnitude,
k·u in the worst case and √k·u in the statistical form (Higham & Mary 2019), where roundings are independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.tolerances.activation import CUBIC, ROOT, Activation
from numpy_gpt.tolerances.layer_norm import LayerNorm
from numpy_gpt.tolerances.rms_norm import RMSNorm
from numpy_gpt.tolerances.rounding import ELEMENTARY
from numpy_gpt.tolerances.softmax import CrossEntropy, Softmax

Term = tuple[Any, Tensor]  # how many roundings, of what magnitude


class Node(NamedTuple):
    """An intermediate result and its local error in units of u."""

    value: Tensor
    worst: Tensor
    statistical: Tensor


class Tape:
    """The operations; ``nodes`` collects the results if derivatives are needed.

    ``noise`` is the unit in which every node is moved, by torch's global generator; None asks for derivatives instead.
    """

    def __init__(self, noise: float | None = None) -> None:
        self.nodes: list[Node] = []
        self._noise = noise

    def exact(self, array: Any) -> Tensor:
        """Return an input that has no error."""
        tensor = torch.from_numpy(np.asarray(array, np.float64).copy())
        return tensor.requires_grad_() if self._noise is None else tensor

    def shaped(self, x: Tensor, rearrange: Any) -> Tensor:
        """Move entries: exact."""
        return rearrange(x)

    def concatenate(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate: exact."""
        return torch.cat(list(parts), axis)

    def causal(self, scores: Tensor) -> Tensor:
        """Mask: exact."""
        return scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """K roundings of |a||b|."""
        return self._rounded(a @ b, (a.shape[-1], _abs(a) @ _abs(b)))

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """K roundings of |x||w|, and one more of |x||w| + |b|."""
        if bias is None:
            return self.matmul(x, weight)
        return self._rounded(x @ weight + bias, (x.shape[-1] + 1, _abs(x) @ _abs(weight) + _abs(bias)))

    def total(self, x: Tensor, axis: int) -> Tensor:
        """N − 1 roundings of Σ|x|."""
        return self._rounded(x.sum(axis), (x.shape[axis] - 1, _abs(x).sum(axis)))

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """One rounding."""
        return self._once(a + b)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """One rounding."""
        return self._once(a * b)

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """Two roundings, the constant's too."""
        return self._once(x * factor, 2)

    def scatter_rows(self, x: Tensor, index: Any, rows: int) -> Tensor:
        """Add up m terms for each row."""
        places = torch.as_tensor(np.ravel(index))
        flat, zeros = x.reshape(-1, x.shape[-1]), torch.zeros(rows, x.shape[-1], dtype=torch.float64)
        count = torch.bincount(places, minlength=rows)[:, None]
        return self._rounded(
            zeros.index_add(0, places, flat), ((count - 1).clamp(min=0), zeros.index_add(0, places, _abs(flat)))
        )

    def layer_norm(self, x: Tensor, epsilon: float, *, kernel: bool = False) -> LayerNorm:
        """Mean, difference, squares and their mean, root and reciprocal, product; ``kernel`` as in the worst case."""
        mean = self._mean(x)
        centered = self._once(x - mean)
        variance = self._mean(self._once(centered * centered))
        rstd = self._once(1 / (variance + epsilon).sqrt(), 3)
        normalized = self._once(centered * rstd)
        if kernel:
            normalized = self._rounded(normalized, (3, _abs(rstd) * (_abs(x) + _abs(mean))))
        return LayerNorm(mean, centered, variance, rstd, normalized)  # type: ignore[arg-type]

    def layer_norm_backward(self, g: Tensor, normalized: Tensor, rstd: Tensor, x: Tensor | None = None) -> Tensor:
        """Two means, each subtracted, and the product; ``x`` as in the worst case."""
        along_constant = self._mean(g)
        along_hat = self._mean(self._once(g * normalized))
        taken = self._once(normalized * along_hat)
        if x is not None:
            mu = _abs(x).mean(-1, keepdim=True)
            sums = (_abs(g) * _abs(x)).mean(-1, keepdim=True) + mu * _abs(g).mean(-1, keepdim=True)
            split = _abs(rstd) * _abs(along_hat) * (_abs(x) + mu)
            taken = self._rounded(taken, (x.shape[-1] + 5, _abs(normalized) * _abs(rstd) * sums), (3, split))
        left = self._once(self._once(g - along_constant) - taken)
        return self._once(left * rstd)

    def rms_norm(self, x: Tensor, epsilon: float) -> RMSNorm:
        """Squares and their mean, root and reciprocal, product."""
        mean_square = self._mean(self._once(x * x))
        rrms = self._once(1 / (mean_square + epsilon).sqrt(), 3)
        return RMSNorm(mean_square, rrms, self._once(x * rrms))  # type: ignore[arg-type]

    def rms_norm_backward(self, dy: Tensor, normalized: Tensor, rrms: Tensor) -> Tensor:
        """Products and their mean, product, difference, product; the form of autograd as in the worst case."""
        taken = self._once(normalized * self._mean(self._once(dy * normalized)), 6)
        return self._once(self._once(dy - taken) * rrms)

    def softmax(self, x: Tensor) -> Softmax:
        """Difference, exp, sum, quotient."""
        _, exponentials, total = self._exponentials(x)
        p = self._once(exponentials / total[..., None])
        return Softmax(x.amax(-1), exponentials, total, p)  # type: ignore[arg-type]

    def softmax_backward(self, dp: Tensor, p: Tensor, through: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Product, sum, product, difference; ``through`` as in the worst case."""
        product = self._once(p * dp)
        dot = self.total(product, -1)
        if through is not None:
            magnitude = (_abs(through[0]) * _abs(through[1])).sum(-1)
            dot = self._rounded(dot, (through[0].shape[-1], magnitude))
        return self._once(product - self._once(p * dot[..., None]))

    def recomputed(self, p: Tensor, q: Tensor, k: Tensor, factor: float) -> Tensor:
        """Weights by exp(scores − log-sum-exp), with the scores recomputed."""
        scores = _abs(q) @ _abs(k).swapaxes(-1, -2) * factor
        # A separate node: the weights of the forward pass do not have this error.
        return self._rounded(p.clone(), (q.shape[-1] + 2, _abs(p) * scores))

    def cross_entropy(self, logits: Tensor, targets: Any) -> CrossEntropy:
        """As softmax, then the logarithm of the sum, the difference, and the mean of those that count."""
        shifted, exponentials, total = self._exponentials(logits)
        p = self._once(exponentials / total[..., None])
        counted = torch.as_tensor(targets) >= 0
        at_target = shifted.gather(-1, torch.as_tensor(targets).clamp(min=0)[..., None])[..., 0]
        losses = counted * self._once(self._once(total.log(), ELEMENTARY) - at_target)
        count = counted.sum()
        loss = self._rounded(losses.sum() / count, (int(count) + 1, _abs(losses).sum() / count))
        parts = Softmax(logits.amax(-1), exponentials, total, p)  # type: ignore[arg-type]
        return CrossEntropy(parts, losses, loss)  # type: ignore[arg-type]

    def cross_entropy_backward(self, p: Tensor, targets: Any) -> Tensor:
        """Difference and quotient."""
        counted = torch.as_tensor(targets) >= 0
        onehot = torch.nn.functional.one_hot(torch.as_tensor(targets).clamp(min=0), p.shape[-1])
        return self._once(counted[..., None] * self._once(p - onehot) / counted.sum(), 2)

    def activation(self, x: Tensor, kind: str) -> Activation:
        """Argument, tanh or erf, 1 + that, and the products."""
        if kind == "relu":
            return Activation({}, x.clamp(min=0))  # type: ignore[arg-type]
        inner = self._inner(x, kind)
        out = self._once(0.5 * x * self._once(1 + inner["value"]), 2)
        names = {"argument": "gelu.argument", "value": "gelu.tanh" if kind == "gelu_tanh" else "gelu.erf"}
        recorded = {names[key]: value for key, value in inner.items() if kind == "gelu_tanh" or key == "value"}
        return Activation(recorded, out)  # type: ignore[arg-type]

    def activation_backward(self, dout: Tensor, x: Tensor, kind: str) -> Tensor:
        """Both parts of the slope, their sum, and the product with dout."""
        if kind == "relu":
            return dout * (x > 0)
        value = self._inner(x, kind)["value"]
        if kind == "gelu_tanh":
            sure = _saturated(x, kind)
            squared, rest = (value * value).masked_fill(sure, 0), (1 - value * value).masked_fill(sure, 0)
            rate = self._rounded(1 - value * value, (1, squared.detach()), (1, _abs(rest)))
            second = self._once(0.5 * x * rate * ROOT * (1 + 3 * CUBIC * x * x), 8)
        else:
            density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            density = self._rounded(density, (3, _abs(0.5 * x * x * density)), (ELEMENTARY + 2, _abs(density)))
            second = self._once(x * density)
        slope = 0.5 * self._once(1 + value) + second
        # Fused kernels add the two parts of the erf form to 1 in another order: one rounding of a number near 1.
        order = 0.5 * torch.ones_like(slope) if kind == "gelu_erf" else torch.zeros_like(slope)
        slope = self._rounded(slope, (1, _abs(slope)), (1, order.detach()))
        return self._once(dout * slope)

    def _inner(self, x: Tensor, kind: str) -> dict[str, Tensor]:
        if kind == "gelu_tanh":
            argument = self._once(ROOT * x * (1 + CUBIC * x * x), 8)
            value = torch.tanh(argument)
        else:
            argument = self._once(x / math.sqrt(2), 2)
            value = torch.erf(argument)
        # Counted absolutely for erf: see the activation's bounds.
        magnitude = _abs(value) if kind == "gelu_tanh" else torch.ones_like(value).detach()
        magnitude = magnitude.masked_fill(_saturated(x, kind), 0)
        return {"argument": argument, "value": self._rounded(value, (ELEMENTARY, magnitude))}

    def _exponentials(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shifted = x - x.amax(-1, keepdim=True)
        shifted = self._rounded(shifted, (1, _abs(shifted).nan_to_num(posinf=0.0)))
        exponentials = self._once(shifted.exp(), ELEMENTARY)
        return shifted, exponentials, self.total(exponentials, -1)

    def _mean(self, x: Tensor) -> Tensor:
        return self._rounded(x.mean(-1, keepdim=True), (x.shape[-1] + 1, _abs(x).mean(-1, keepdim=True)))

    def _once(self, value: Tensor, count: int = 1) -> Tensor:
        return self._rounded(value, (count, _abs(value)))

    def _rounded(self, value: Tensor, *terms: Term) -> Tensor:
        statistical = sum(count**0.5 * magnitude for count, magnitude in terms)
        if self._noise is not None:
            return value + torch.randn(value.shape, dtype=torch.float64) * statistical * self._noise
        if value.requires_grad:
            worst = sum(count * magnitude for count, magnitude in terms)
            self.nodes.append(Node(value, torch.as_tensor(worst), torch.as_tensor(statistical)))
        return value


def _abs(x: Tensor) -> Tensor:
    return x.detach().abs()


def _saturated(x: Tensor, kind: str) -> Tensor:
    # 1 − |tanh| or 1 − |erf| below u/32 (see activation.py), by formulas that do not cancel: where the rounded
    # value is ±1 already, another library's may still be its neighbour.
    size = x.detach().abs()
    if kind == "gelu_tanh":
        return 2 / (torch.exp(2 * ROOT * size * (1 + CUBIC * size * size)) + 1) < 2.0**-58
    return torch.erfc(size / math.sqrt(2)) < 2.0**-58
