"""The only comparator: no NaN and no wrong shape or dtype passes, and a failure names the worst entry.

Every comparison enters its largest ratio of difference to tolerance in a ledger, which the test run prints at its end;
under pytest-xdist each worker sends its ledger to the controller (see conftest.py). A ratio near 1 means that the
bound is sharp, one near 0 that it could hide an error, and one above 1 is a failure.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Ratio(NamedTuple):
    """The largest ratio of difference to tolerance of one kind of array, and the array it came from."""

    value: float
    name: str
    dtype: str


ledger: dict[str, Ratio] = {}
"""The largest ratio of each kind in this process; a kind is a name, without block numbers and text in parentheses, and
a dtype."""


def assert_close(name: str, actual: Any, expected: Any, tolerance: ArrayLike) -> float:
    """Return the largest ratio |actual − expected|/tolerance, or fail if it exceeds 1 anywhere.

    ``tolerance`` is an array that broadcasts to the values' shape; where it is 0 the values must be equal. Equal
    infinities pass. NaN never passes, and neither does any other shape or dtype.

    Raises
    ------
    AssertionError
        If the arrays differ; the message names the array, the worst index, both values, difference and tolerance.
    ValueError
        If the tolerance is negative or NaN: then the test itself is wrong.
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
    ratio = np.where(np.isfinite(difference), ratio, np.inf)  # not even an infinite tolerance lets an infinity pass
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
    """Fail unless all entries are equal (+0 equals −0); for exact arithmetic, without any tolerance."""
    assert_close(name, actual, expected, 0.0)


def note(name: str, ratio: float, dtype: str) -> None:
    """Keep the ratio in the ledger if it is the largest of its kind."""
    kind = f"{re.sub(r'h[.][0-9]+[.]|[(].*?[)]', '', name)}, {dtype}"
    if kind not in ledger or ratio > ledger[kind].value:
        ledger[kind] = Ratio(ratio, name, dtype)


reports: list[tuple[str, str]] = []
"""Measurements that a test run reports at its end but does not judge: a heading and a text each."""


def summary(ratios: dict[str, Ratio], measured: list[tuple[str, str]], count: int = 5) -> list[str]:
    """Return the details for the end of a test run: the largest ratios, and one line for each heading."""
    largest = sorted(ratios.values(), reverse=True)[1 : count + 1]
    lines = [f"the next largest: {'; '.join(map(_in_words, largest))}"] if largest else []
    texts: dict[str, list[str]] = {}
    for heading, text in sorted(measured):
        texts.setdefault(heading, []).append(text)
    return lines + [f"{heading}: {'; '.join(parts)}" for heading, parts in texts.items()]


def verdict(ratios: dict[str, Ratio], counts: dict[str, int]) -> str:
    """Return the line that says what a test run has proven; ``counts`` has the number of tests by outcome."""
    failed = counts["failed"] + counts["error"]
    opening = (
        f"NOT proven: {failed:,} of {failed + counts['passed']:,} tests failed"
        if failed
        else f"proven: {counts['passed']:,} tests"
    )
    if not ratios:
        return opening
    value, name, dtype = max(ratios.values())
    compared = f"{len(ratios):,} kinds of arrays compared"
    return f"{opening}; {compared}, the largest difference {value:.2g} of its tolerance ({name}, {dtype})"


def _in_words(ratio: Ratio) -> str:
    return f"{ratio.value:.2g} ({ratio.name}, {ratio.dtype})"


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
