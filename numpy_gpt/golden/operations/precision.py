"""Lower precision than the port's arrays have: products whose inputs, or whose sums, are rounded to fewer digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_gpt.golden.operations.operation import Operation

PRECISION = Operation("precision")


def rounded_to(array: Any, bits: int) -> Any:
    """Round float64 numbers to ``bits`` significant bits, half to even."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


class Rounded:
    """Operations in which the inputs of products, or their results, have only ``bits`` significant bits."""

    def __init__(self, operations: Any, bits: int, *, result: bool = False) -> None:
        self._operations, self._bits, self._result = operations, bits, result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operations, name)

    def matmul(self, a: Any, b: Any) -> Any:
        """Multiply rounded matrices, or round the product."""
        return self._after(self._operations.matmul(self._before(a), self._before(b)))

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """Multiply rounded matrices, or round the product; the bias is added in full precision."""
        product = self.matmul(x, weight)
        return product if bias is None else self._operations.add(product, bias)

    def _before(self, value: Any) -> Any:
        return value if self._result else self._operations.shaped(value, self._round)

    def _after(self, value: Any) -> Any:
        return self._operations.shaped(value, self._round) if self._result else value

    def _round(self, array: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(array), rounded_to(array, self._bits), array)


def _declare(identifier: str, sentence: str, bits: int, *, result: bool = False) -> None:
    change: Callable[[Any], Any] = lambda operations: Rounded(operations, bits, result=result)  # noqa: E731
    PRECISION.mistake(identifier, sentence, "2.1", operations=change)


_declare("precision.bfloat16", "products take their inputs in bfloat16", 8)
_declare("precision.float16", "products take their inputs in float16", 11)
_declare("precision.tf32", "products take their inputs in TF32", 11)
_declare("precision.bfloat16_results", "the results of products are rounded to bfloat16", 8, result=True)
_declare("precision.float16_results", "the results of products are rounded to float16", 11, result=True)
_declare("precision.float32", "products take their inputs in float32", 24)
