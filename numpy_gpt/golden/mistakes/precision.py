"""Lower precision than the port's arrays have: products whose inputs, or whose sums, are rounded to fewer digits."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.operations.operation import Operation

PRECISION = Operation("precision")


class Format(NamedTuple):
    """A floating-point format: its significant bits, and the exponent of its smallest normal number."""

    bits: int
    smallest: int


BFLOAT16, FLOAT16, TF32, FLOAT32 = Format(8, -126), Format(11, -14), Format(11, -126), Format(24, -126)


def rounded_to(array: Any, form: Format) -> Any:
    """Round float64 numbers to a format, half to even; below its smallest normal number it has fewer bits."""
    with np.errstate(invalid="ignore"):
        exponent = np.maximum(np.frexp(array)[1], form.smallest + 1) - form.bits
        return np.where(np.isfinite(array), np.ldexp(np.rint(np.ldexp(array, -exponent)), exponent), array)


class Rounded:
    """Operations in which the inputs of products, or their results, or all partial sums, have another format."""

    def __init__(self, operations: Any, form: Format, what: str) -> None:
        self._operations, self._form, self._what = operations, form, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operations, name)

    def matmul(self, a: Any, b: Any) -> Any:
        """Multiply, with the rounding."""
        if self._what == "inputs":
            return self._operations.matmul(self._rounded(a), self._rounded(b))
        product = self._operations.matmul(a, b)
        if self._what == "results":
            return self._rounded(product)
        value = self._summed(_value(a), _value(b))
        return value if isinstance(product, np.ndarray) else type(product)(value, product.error, product.rounding)

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """Multiply, with the rounding; the bias is added in full precision."""
        product = self.matmul(x, weight)
        return product if bias is None else self._operations.add(product, bias)

    def _summed(self, a: Any, b: Any) -> Any:
        """Add up one product after the other, and round after each."""
        total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))
        for k in range(a.shape[-1]):
            total = rounded_to(total + a[..., :, k, None] * b[..., None, k, :], self._form)
        return total

    def _rounded(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return rounded_to(value, self._form)
        middle = rounded_to(value.value, self._form)
        # Where the number is close to a boundary, its own error decides to which side it is rounded.
        sides = [np.abs(rounded_to(value.value + sign * value.error, self._form) - middle) for sign in (1, -1)]
        return type(value)(middle, np.nan_to_num(np.maximum(*sides)), value.rounding)


def _value(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) else x.value


def _declare(identifier: str, sentence: str, form: Format, what: str = "inputs") -> None:
    PRECISION.mistake(identifier, sentence, "2.1", operations=partial(Rounded, form=form, what=what))


_declare("precision.bfloat16", "products take their inputs in bfloat16", BFLOAT16)
_declare("precision.float16", "products take their inputs in float16", FLOAT16)
_declare("precision.tf32", "products take their inputs in TF32", TF32)
_declare("precision.bfloat16_results", "the results of products are rounded to bfloat16", BFLOAT16, "results")
_declare("precision.float16_results", "the results of products are rounded to float16", FLOAT16, "results")
_declare("precision.bfloat16_sums", "the sums of products are accumulated in bfloat16", BFLOAT16, "sums")
_declare("precision.float16_sums", "the sums of products are accumulated in float16", FLOAT16, "sums")
_declare("precision.float32", "products take their inputs in float32", FLOAT32)
