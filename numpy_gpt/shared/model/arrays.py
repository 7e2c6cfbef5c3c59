"""The array types used in signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Floating-point numbers, float32 or float64 as the parameters are; nothing is cast silently."""

Tokens: TypeAlias = NDArray[np.integer[Any]]
"""Token ids."""
