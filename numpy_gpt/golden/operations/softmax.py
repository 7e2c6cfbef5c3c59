"""Softmax (§6) as attention and the loss share it: its intermediate arrays, its backward pass, its mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import FUTURE, Operation, Value


def declare_softmax(operation: Operation, x: str, out: str, axes: str, section: str, skip: bool) -> None:
    """Declare max, exponentials, sum and the result of a softmax of ``x`` over its last axis."""
    row = axes.rpartition(",")[0]
    inner = ("softmax.max", "softmax.exponentials", "softmax.sum")

    @operation.array("softmax.max", row, "6.1")
    def largest(s: Any) -> Value:
        return s.o.softmax(s[x]).max

    @operation.array("softmax.exponentials", axes, "6.2", skip=FUTURE if skip else "")
    def exponentials(s: Any) -> Value:
        if not s.touched("softmax.max"):
            return s.o.softmax(s[x]).exponentials
        return s.o.exponential(s.o.subtract(s[x], s.o.shaped(s["softmax.max"], lambda a: a[..., None])))

    @operation.array("softmax.sum", row, "6.3")
    def row_sum(s: Any) -> Value:
        if not s.touched(*inner[:2]):
            return s.o.softmax(s[x]).sum
        return s.o.total(s["softmax.exponentials"], -1)

    @operation.array(out, axes, section)
    def weights(s: Any) -> Value:
        if not s.touched(*inner):
            return s.o.softmax(s[x]).probabilities
        return s.o.divide(s["softmax.exponentials"], s.o.shaped(s["softmax.sum"], lambda a: a[..., None]))

    _declare_mistakes(operation, x, out)


def _declare_mistakes(operation: Operation, x: str, out: str) -> None:
    operation.mistake(
        f"{operation.name}.no_max",
        "the softmax does not subtract the maximum: right, until exp overflows",
        "6.1",
        {"softmax.exponentials": lambda s: s.o.exponential(s[x])},
    )
    operation.mistake(
        f"{operation.name}.base_2",
        "the softmax takes powers of 2, not of e",
        "6.2",
        {"softmax.exponentials": lambda s: s.o.smooth(lambda a: np.exp2(a - a.max(-1, keepdims=True)), s[x])},
    )
    operation.mistake(
        f"{operation.name}.twice",
        "the softmax is applied twice",
        "6.4",
        wraps={out: lambda s, right: s.o.softmax(right).probabilities},
    )


def softmax_over(a: Any, axis: int) -> Any:
    """Return the softmax of an array over any axis; where all is −inf, zeros."""
    with np.errstate(invalid="ignore"):
        largest = a.max(axis, keepdims=True)
        exponentials = np.where(np.isfinite(a), np.exp(a - np.where(np.isfinite(largest), largest, 0.0)), 0.0)
        total = exponentials.sum(axis, keepdims=True)
    return exponentials / np.where(total > 0, total, 1.0)
