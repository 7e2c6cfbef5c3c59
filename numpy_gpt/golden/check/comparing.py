"""How far an array of a port is from what follows, and how far it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.evaluation import Change, Evaluation, Given, Setting
from numpy_gpt.golden.graph import Graph
from numpy_gpt.golden.operations.operation import FUTURE
from numpy_gpt.tolerances import rounding, worst_case
from numpy_gpt.tolerances.rounding import Float64
from numpy_gpt.tolerances.sampled import Sampled

SAMPLES = 8
STATISTICAL_FACTOR = 6
"""As in the tests, 4 × the statistical form are allowed, and half as much again because few samples estimate it."""
_NOISE_UNIT = 2.0**-33  # above float64's own rounding, far below float32's: first order
_LOUD = 4.0
_TOO_FAR = 0.1
"""Where rounding to coarse numbers moves an array by so much of its size, nothing is known about it."""
_SHORT = 3  # arrays; of a chain that is no longer, the bound is sharp


class Comparison(NamedTuple):
    """An array of a port and what follows for it: how far off, how far is allowed, and all arrays computed for it."""

    off: Float64
    allowed: Float64
    value: Float64
    trail: int

    @property
    def times(self) -> float:
        """The largest error in units of what is allowed."""
        return float(quotients(self.off, self.allowed).max(initial=0.0))

    @property
    def largest(self) -> float:
        """The largest error."""
        return float(self.off.max(initial=0.0))

    @property
    def spread(self) -> float:
        """The root of the mean of the squared errors."""
        finite = np.nan_to_num(self.off, posinf=1e300)
        scale = finite.max(initial=0.0)
        return float(scale * np.sqrt(np.mean((finite / scale) ** 2))) if scale > 0 else 0.0


def quotients(off: Float64, allowed: Float64) -> Float64:
    """Return the errors in units of what is allowed."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found: Float64 = np.where(off == 0, 0.0, off / allowed)
    return found


def difference(theirs: Any, value: Any) -> Float64:
    """Return |theirs − value|: 0 where both are the same infinity or both NaN, inf where only one is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(theirs - value)
    same = (theirs == value) | (np.isnan(theirs) & np.isnan(value))
    found: Float64 = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
    return found


class Comparer:
    """Compares a port's arrays with what follows from its earlier ones, with mistakes that are already known."""

    def __init__(self, graph: Graph, given: Given, setting: Setting, dtype: str) -> None:
        self.graph, self.given, self.setting, self.dtype = graph, given, setting, dtype
        self.changes: list[Change] = []
        # To first order, errors grow with u. Not at ReLU's kink, and not where u is a percent: there it is as large as
        # the largest of several errors may be.
        self._is_linear = dtype == "float64" or (dtype == "float32" and graph.config.activation != "relu")
        self._noise = _NOISE_UNIT if self._is_linear else _LOUD * rounding(dtype).unit
        self._start()

    def _start(self) -> None:
        self._plain = self._evaluation(Sampled())
        self._bounded = self._evaluation(worst_case)
        self._samples = [self._evaluation(Sampled(self._noise, seed)) for seed in range(SAMPLES)]
        self._found: dict[str, Comparison] = {}

    def adopt(self, changes: Sequence[Change]) -> None:
        """Take these mistakes for granted from now on; what does not depend on them stays computed."""
        bits = self._bits_between(self.changes, changes)
        self._plain, self._bounded, *self._samples = (
            self.with_changes(changes, base) for base in (self._plain, self._bounded, *self._samples)
        )
        self._found = {name: found for name, found in self._found.items() if not found.trail & bits}
        self.changes = list(changes)

    def _evaluation(self, operations: Any) -> Evaluation:
        return Evaluation(self.graph, self.given, self.setting, operations, self.dtype, self.changes)

    def with_changes(self, changes: Sequence[Change], base: Evaluation | None = None) -> Evaluation:
        """Return an evaluation with other mistakes than the known ones, by default without bounds, which is quick."""
        base = self._plain if base is None else base
        bits = self._bits_between(self.changes, changes)
        return Evaluation(self.graph, self.given, self.setting, base.plain_operations, self.dtype, changes, base, bits)

    def _bits_between(self, before: Sequence[Change], after: Sequence[Change]) -> int:
        """Return the bits of all arrays that change when other mistakes are made."""
        bits = 0
        for change in (*before, *after):
            if (change in before) != (change in after):
                bits |= self.graph.bits(change.mistake)
        return bits

    def compare(self, name: str) -> Comparison:
        """Compare an array with what follows for it, with the mistakes that are known."""
        if name not in self._found:
            self._found[name] = self._compare(name, self._bounded, self._samples)
        return self._found[name]

    def compare_with(self, name: str, changes: Sequence[Change]) -> Comparison:
        """Compare an array with what follows for it with these mistakes."""
        samples = [self.with_changes(changes, base) for base in self._samples]
        return self._compare(name, self.with_changes(changes, self._bounded), samples)

    def off(self, name: str, evaluation: Evaluation) -> Float64:
        """Return only how far an array is off."""
        value = evaluation.computed(name, self.compare(name).trail)[0]
        return self._counted(name, difference(self.given.theirs[name], value))

    def off_at_all(self, name: str, evaluation: Evaluation) -> Float64:
        """Return how far an array is off, with the cells that do not count."""
        return difference(self.given.raw[name], evaluation.computed(name, self.compare(name).trail)[0])

    def complete(self, name: str) -> None:
        """Fill the cells of an array that do not count with what follows for them."""
        if self.graph.nodes[name].skip != FUTURE:
            return
        found, raw = self.compare(name), self.given.raw[name]
        past = np.tri(*raw.shape[-2:], dtype=np.bool_)
        filled = np.where(past, raw, found.value)
        self.given.doubt[name] = np.where(past, 0.0, found.allowed)
        if not np.array_equal(filled, self.given.theirs[name], equal_nan=True):
            self.given.theirs[name] = filled
            self._start()  # what was computed from the old cells is void

    def _compare(self, name: str, bounded: Evaluation, samples: Sequence[Evaluation]) -> Comparison:
        with np.errstate(all="ignore"):
            computed, trail = bounded.computed(name)
            value, allowed = np.asarray(computed.value), np.nan_to_num(computed.error, nan=np.inf)
            if trail.bit_count() > _SHORT:
                allowed = np.minimum(allowed, self._statistical(name, value, samples))
        if self.dtype == "float64":  # what follows is itself computed in float64
            allowed = 2 * allowed
        allowed = allowed + rounding(self.dtype).underflow
        return Comparison(self._counted(name, difference(self.given.theirs[name], value)), allowed, value, trail)

    def _counted(self, name: str, off: Float64) -> Float64:
        if self.graph.nodes[name].skip != FUTURE:
            return off
        return np.where(np.tri(*off.shape[-2:], dtype=np.bool_), off, 0.0)

    def _statistical(self, name: str, value: Float64, samples: Sequence[Evaluation]) -> Float64:
        with np.errstate(all="ignore"):
            off = [difference(sample.computed(name)[0], value) for sample in samples]
            squares = np.mean(np.square(off), 0)
            row = squares.mean(-1, keepdims=True) if squares.ndim else squares
            # Few samples may miss an entry's errors by chance, so its row counts as well.
            size = np.sqrt((2 * squares + row) / 3)
        found: Float64 = STATISTICAL_FACTOR * rounding(self.dtype).unit / self._noise * size
        if not self._is_linear:
            found = np.maximum(found, np.max(off, 0))
            finite = np.abs(value[np.isfinite(value)])
            if np.max(off) > _TOO_FAR * finite.max(initial=0.0):
                return np.full_like(found, np.inf)
        return np.nan_to_num(found, nan=np.inf, posinf=np.inf)
