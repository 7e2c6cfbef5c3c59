"""Which array of a computation was the first to hold NaN or an infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpt_data.errors import UserError
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.runs.tensor_files import first_not_finite


class Diverged(UserError):
    """Training came to a loss or a gradient that is not finite."""


class FirstNotFinite:
    """Listens to a computation as a ``record``, and remembers the first array that is not finite.

    Masked scores are −inf where a position must not be seen; there only NaN and +inf are bad.
    """

    def __init__(self, parameters: Mapping[str, Array]) -> None:
        bad = first_not_finite(parameters)
        self.name = None if bad is None else f"the parameter {bad}"

    def record(self, name: str, array: Any) -> None:
        """Look at the array, if none was bad so far."""
        if self.name is None:
            values = np.asarray(array)
            good = ~np.isnan(values) & (values != np.inf) if name.endswith(".masked") else np.isfinite(values)
            self.name = None if good.all() else name

    def name_among(self, gradients: Mapping[str, Array]) -> str | None:
        """Return the name; where everything else was finite, it may be one of the parameters' gradients."""
        bad = first_not_finite(gradients) if self.name is None else None
        return self.name if bad is None else f"the gradient of {bad}"
