"""How far each array of a right port may be from the pack's, for each of three dtypes."""

from __future__ import annotations

from numpy_gpt.golden.pack.case import Case


def tolerances_of(case: Case) -> dict[str, dict[str, float]]:
    """Return the largest difference that rounding explains, by dtype and name."""
    return {}
