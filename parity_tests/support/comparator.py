"""The one comparator: no NaN passes, no wrong shape or dtype, and a failure names the worst entry.

Every comparison leaves its largest ratio of difference to tolerance in a ledger that the test run prints at its end;
under pytest-xdist each worker sends its ledger to the controller (see conftest.py). A ratio near 1 says that the
bound is sharp, one near 0 that it could hide something, and one above 1 is a failure.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Ratio(NamedTuple):
    """The largest ratio of difference to tolerance of one kind of array, and whose it was."""

    value: float
    name: str
    dtype: str


ledger: dict[str, Ratio] = {}
"""The largest ratio of each kind in this process; a kind is a name without its block's number
and without what stands in parentheses, and a dtype."""


def assert_close(name: str, actual: Any, expected: Any, tolerance: ArrayLike) -> float:
    """Return the largest ratio |actual − expected|/tolerance, or fail where it exceeds 1 anywhere.

    ``tolerance`` is an array that broadcasts to the values' shape; where it is 0 the values must be equal. Equal
    infinities are equal. NaN is never equal to anything, and neither is any other shape or dtype.

    Raises
    ------
    AssertionError
        If the arrays differ; the message names the array, the worst index, both values, difference and tolerance.
    ValueError
        If the tolerance is negative or NaN: then the test is wrong, not what it tests.
    """
    actual, expected = _comparable(name, actual, expected)
    allowed = np.broadcast_to(np.asarray(tolerance, np.float64), actual.shape)
    if not (allowed >= 0).all():
        raise ValueError(f"the tolerance of {name} is negative or NaN")
    difference = np.zeros(actual.shape)
    np.subtract(_wide(actual), _wide(expected), out=difference, where=actual != expected)  # not where both are inf
    difference = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(difference == 0, 0.0, difference / allowed)
    ratio = np.where(np.isfinite(difference), ratio, np.inf)  # not even an infinite tolerance lets an infinity by
    worst = float(ratio.max(initial=0.0))
    if not worst <= 1:  # written so that NaN fails
        index = np.unravel_index(np.argmax(ratio), ratio.shape)
        place, wrong = list(map(int, index)), f"{int((ratio > 1).sum())} of {actual.size} entries are off"
        raise AssertionError(
            f"{name}{place}: {actual[index]!r}, expected {expected[index]!r}; difference {difference[index]:.3e}, "
            f"tolerance {allowed[index]:.3e}, ratio {worst:.3g}; {wrong} ({actual.dtype})"
        )
    note(name, worst, str(actual.dtype))
    return worst


def assert_identical(name: str, actual: Any, expected: Any) -> None:
    """Fail unless all entries are the same numbers (+0 and −0 are); for exact arithmetic, with no tolerance at all."""
    assert_close(name, actual, expected, 0.0)


def note(name: str, ratio: float, dtype: str) -> None:
    """Keep the ratio in the ledger if it is the largest of its kind."""
    kind = f"{re.sub(r'h[.][0-9]+[.]|[(].*?[)]', '', name)}, {dtype}"
    if kind not in ledger or ratio > ledger[kind].value:
        ledger[kind] = Ratio(ratio, name, dtype)


reports: list[str] = []
"""Lines that a test run prints after the ratios: measurements that have no verdict of their own."""


def summary(ratios: dict[str, Ratio], count: int = 5) -> list[str]:
    """Return the lines that a test run prints at its end: the largest ratio of all, then the next few kinds."""
    ordered = sorted(ratios.values(), reverse=True)
    if not ordered:
        return []
    first, *others = (f"{item.value:.2g} ({item.name}, {item.dtype})" for item in ordered[: count + 1])
    lines = [f"largest ratio of difference to tolerance: {first}"]
    return lines + ([f"then {'; '.join(others)}; {len(ordered)} kinds of arrays compared"] if others else [])


def _comparable(name: str, actual: Any, expected: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    actual, expected = _as_array(actual), _as_array(expected)
    if actual.shape != expected.shape:
        raise AssertionError(f"{name}: shape {actual.shape}, expected {expected.shape}")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"{name}: dtype {actual.dtype}, expected {expected.dtype}")
    for which, array in (("actual", actual), ("expected", expected)):
        if np.isnan(array).any():
            index = tuple(int(axis) for axis in np.argwhere(np.isnan(array))[0])
            raise AssertionError(f"{name}{list(index)}: the {which} value is NaN")
    return actual, expected


def _as_array(value: Any) -> NDArray[Any]:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)  # a torch tensor has detach


def _wide(array: NDArray[Any]) -> NDArray[np.float64]:
    return array.astype(np.float64)
