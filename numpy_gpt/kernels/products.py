"""Matrix products with a weight: all positions at once, as the rows of one matrix.

NumPy's ``@`` multiplies a (B, T, I) array by a matrix in B small products; one product of B·T rows is faster: gain
0.88, 0.88. For two matrices, ``dot`` is ``@`` without the handling of leading axes: gain 0.67 at ``tiny``.
"""

from __future__ import annotations

from numpy_gpt.shared.model.arrays import Array


def matmul(x: Array, weight: Array) -> Array:
    """Return x w: the product over the last axis of x and the first of w. (…, I) (I, O) → (…, O)."""
    product: Array
    if x.ndim == 2:
        product = x.dot(weight)
        return product
    shape = x.shape
    product = x.reshape(-1, shape[-1]).dot(weight).reshape(shape[:-1] + weight.shape[1:])
    return product


def transposed_matmul(x: Array, y: Array) -> Array:
    """Return xᵀ y, with all leading axes flattened to N rows. (…, I), (…, O): (I, N) (N, O) → (I, O)."""
    if x.ndim > 2:
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    product: Array = x.T.dot(y)
    return product
