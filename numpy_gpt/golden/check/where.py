"""How an error lies in an array: in one head, one row, everywhere by the same factor."""

from __future__ import annotations

import numpy as np

from numpy_gpt.golden.graph import Node
from numpy_gpt.tolerances.rounding import Float64

_WORDS = {
    "B": "sequence",
    "T": "position",
    "S": "key position",
    "H": "head",
    "D": "channel of the head",
    "C": "channel",
    "3C": "column",
    "F": "hidden unit",
    "V": "token",
    "block_size": "position",
}


def describe_error(node: Node, theirs: Float64, value: Float64, wrong: np.ndarray) -> str:
    """Return in a few words where an array is wrong, and how; ``wrong`` marks the numbers that are."""
    if not np.isfinite(theirs).all() and not np.isfinite(theirs[wrong]).all():
        return _not_finite(node, theirs, value)
    if theirs.ndim == 0:
        return _by_what(theirs, value, wrong)
    parts = [part for part in (_places(node, wrong), _by_what(theirs, value, wrong), _moved(theirs, value)) if part]
    return "; ".join(parts)


def _not_finite(node: Node, theirs: Float64, value: Float64) -> str:
    bad = ~np.isfinite(theirs) & ~((theirs == value) | (np.isnan(theirs) & np.isnan(value)))
    if not bad.any():
        return ""
    place = tuple(int(axis[0]) for axis in np.nonzero(bad)) if theirs.ndim else ()
    kind = "NaN" if np.isnan(theirs[place]) else "infinite"
    found = f"at {list(place)}" if place else "itself"
    origin = "made here, from finite numbers" if np.isfinite(value[place]) else "it came with earlier arrays"
    return f"{int(bad.sum())} of {theirs.size} numbers are {kind} or not finite, the first {found}: {origin}"


def _places(node: Node, wrong: np.ndarray) -> str:
    axes = node.axes.split(",")
    if wrong.all():
        return "everywhere" if wrong.size > 1 else ""
    single = []
    for axis, letter in enumerate(axes):
        hit = np.unique(np.nonzero(wrong)[axis])
        if len(hit) == 1 and wrong.shape[axis] > 1:
            single.append(f"{_WORDS.get(letter, letter)} {hit[0]}")
        elif len(hit) == wrong.shape[axis] - 1 and wrong.shape[axis] > 2:
            rest = set(range(wrong.shape[axis])) - set(hit.tolist())
            single.append(f"every {_WORDS.get(letter, letter)} but {rest.pop()}")
    count = f"{int(wrong.sum())} of {wrong.size} numbers"
    return f"only in {', '.join(single)} ({count})" if single else f"in {count}"


def _by_what(theirs: Float64, value: Float64, wrong: np.ndarray) -> str:
    mine, right = theirs[wrong], value[wrong]
    if not np.isfinite(mine).all() or not np.isfinite(right).all():
        return ""
    if (mine == 0).all():
        return "it is 0 there" if theirs.ndim else "it is 0"
    useful = np.abs(right) > 1e-3 * np.abs(right).max(initial=0.0)
    if useful.any() and (right[useful] != 0).all():
        factor = mine[useful] / right[useful]
        middle = float(np.median(factor))
        if np.abs(factor - middle).max() <= 1e-3 * max(abs(middle), 1e-3) and abs(middle - 1) > 1e-6:
            return f"{middle:.4g} times the right value"
    shift = mine - right
    if shift.size > 1 and np.ptp(shift) <= 1e-3 * np.abs(shift).max():
        return f"off by {float(np.median(shift)):.3g} everywhere there"
    return ""


def _moved(theirs: Float64, value: Float64) -> str:
    if theirs.ndim >= 2 and theirs.shape[-1] == theirs.shape[-2]:
        scale = np.abs(np.where(np.isfinite(value), value, 0.0)).max(initial=0.0)
        with np.errstate(invalid="ignore"):
            off = np.abs(theirs - value.swapaxes(-1, -2))
        if scale and np.isfinite(off).all() and off.max() < 1e-4 * scale:
            return "it is the right array with its last two axes swapped"
    for axis in range(theirs.ndim):
        for by in (1, -1):
            rolled = np.roll(value, by, axis)
            scale = np.abs(np.where(np.isfinite(value), value, 0.0)).max(initial=0.0)
            with np.errstate(invalid="ignore"):
                off = np.abs(theirs - rolled)
            if scale and theirs.shape[axis] > 1 and np.isfinite(off).all() and off.max() < 1e-4 * scale:
                return f"it is the right array shifted by {by:+d} along its axis {axis}"
    return ""
