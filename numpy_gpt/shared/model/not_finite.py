"""Find the first array of a computation that contains NaN or an infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_gpt.shared.model.arrays import Array


def first_not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Return the name of the first array that contains NaN or an infinity, or None."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)


class FirstNotFinite:
    """A recorder that remembers the first array that is not finite.

    Masked scores are −inf by design; among them only NaN and +inf count.
    """

    def __init__(self, parameters: Mapping[str, Array]) -> None:
        bad = first_not_finite(parameters)
        self.name = None if bad is None else f"the parameter {bad}"

    def record(self, name: str, array: Any) -> None:
        """Check the array, unless an earlier one was already bad."""
        if self.name is None:
            values = np.asarray(array)
            good = ~np.isnan(values) & (values != np.inf) if name.endswith(".masked") else np.isfinite(values)
            self.name = None if good.all() else name

    def name_among(self, gradients: Mapping[str, Array]) -> str | None:
        """Return the name; if every recorded array was finite, look among the parameters' gradients too."""
        bad = first_not_finite(gradients) if self.name is None else None
        return self.name if bad is None else f"the gradient of {bad}"
