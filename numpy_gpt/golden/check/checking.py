"""The walk through a port's arrays, in the order of computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numpy_gpt.golden.check.comparing import Comparer, Comparison, quotients
from numpy_gpt.golden.check.explaining import ROUNDED_CUT, Explainer, Explanation, spread
from numpy_gpt.golden.check.findings import Finding, Findings
from numpy_gpt.golden.check.limits import limits
from numpy_gpt.golden.check.places import stem
from numpy_gpt.golden.check.where import describe_error
from numpy_gpt.golden.evaluation import Given, Setting
from numpy_gpt.golden.graph import GIVEN, Graph


def check(pack: Any, arrays: Mapping[str, Any], dtype: str | None = None, *, tell_limits: bool = True) -> Findings:
    """Return which of a port's arrays do not follow from its own earlier ones, and why.

    ``pack`` is what ``read_pack`` returned, ``arrays`` are the port's, by the pack's names, any subset of them;
    ``dtype`` is what the port computes in: float64, float32, bfloat16 or float16, by default that of its arrays.
    Without ``tell_limits`` it is not worked out which mistakes these arrays could not show.
    """
    graph = Graph(pack.config, pack.batch, pack.time, pack.steps)
    names = [name for name in graph.nodes if name in arrays]
    dtype = dtype or _dtype_of([np.asarray(arrays[name]) for name in names if graph.nodes[name].phase != GIVEN])
    theirs = {name: np.asarray(arrays[name], np.float64) for name in names if graph.nodes[name].kind not in _INTEGERS}
    given = Given(pack.arrays, dict(theirs), {}, theirs)
    comparer = Comparer(graph, given, Setting(pack.optimizer, pack.learning_rates), dtype)
    return _Walk(comparer, names).run(tell_limits)


_INTEGERS = ("tokens", "targets")
LONG = 5
"""Arrays; a chain that is longer amplifies roundings that cannot be reproduced."""


def _dtype_of(arrays: Sequence[np.ndarray]) -> str:
    """Return the coarsest dtype that holds all numbers exactly: a port may write its float32 numbers as float64."""
    floats = [array for array in arrays if array.dtype.kind == "f"]
    with np.errstate(over="ignore", invalid="ignore"):
        exact = all(
            np.array_equal(array, array.astype(np.float32).astype(array.dtype), equal_nan=True) for array in floats
        )
    return "float32" if exact else "float64"


class _Walk:
    def __init__(self, comparer: Comparer, names: Sequence[str]) -> None:
        self._comparer, self._nodes = comparer, comparer.graph.nodes
        self._names = [name for name in names if self._nodes[name].kind not in _INTEGERS]
        self._explainer = Explainer(comparer, self._names)
        self._findings: list[Finding] = []
        self._following: list[str] = []
        self._doubtful: list[str] = []
        self._suspects = 0
        self._explained: set[str] = set()
        self._causes: list[tuple[Finding, int]] = []

    def run(self, tell_limits: bool) -> Findings:
        with np.errstate(all="ignore"):
            for name in self._names:
                self._comparer.complete(name)
            for name in self._names:
                self._visit(name)
            cannot_tell, unseen = limits(self._comparer, self._names) if tell_limits else ([], [])
        named = {mistake.id for finding in self._findings for mistake in finding.causes}
        missing = [
            name
            for name, node in self._nodes.items()
            if name not in self._comparer.given.theirs and node.phase != GIVEN
        ]
        return Findings(
            self._findings,
            self._following,
            self._doubtful,
            missing,
            [mistake for mistake in cannot_tell if mistake.id not in named],
            [mistake for mistake in unseen if mistake.id not in named],
            self._comparer.dtype,
            self._comparer.graph.steps,
        )

    def _visit(self, name: str) -> None:
        self._comparer.complete(name)
        found = self._comparer.compare(name)
        if found.times <= 1 or self._follows_roughly(name, found):
            self._follow(name, found)
            return
        narrowed = self._explainer.narrowed(name, found, self._explained)
        if narrowed is not None:
            self._comparer.adopt(narrowed)
            self._following.append(name)
            return
        if found.trail.bit_count() > LONG and any(change.mistake.operations for change in self._comparer.changes):
            self._doubtful.append(name)  # lower precision moves the rest in ways that cannot be computed
            return
        same = next(
            (finding for finding in self._findings if not finding.causes and self._is_like(name, finding)), None
        )
        if same is not None or found.trail & self._suspects:
            (self._doubtful if same is None else same.also).append(name)
            self._suspects |= found.trail
            return
        explanations, nearest = self._explainer.explain(
            name, found, [change.mistake for change in self._comparer.changes]
        )
        if explanations:
            self._accept(name, found, explanations)
            return
        self._put(name, found)
        if nearest is not None:
            self._findings[-1].nearest = nearest.change.mistake
            self._findings[-1].nearest_cut = 1 / max(nearest.left, 1e-9)
        self._suspects |= found.trail

    def _is_like(self, name: str, finding: Finding) -> bool:
        """Return whether an array is the same as that of a finding, in another layer or step."""
        return stem(self._nodes[name]) == stem(self._nodes[finding.tensor])

    def _follows_roughly(self, name: str, found: Comparison) -> bool:
        """Return whether lower precision explains an array as well as it can, though not each number."""
        known = self._comparer.changes
        others = [change for change in known if change.mistake.operations is None]
        if len(others) == len(known):
            return False
        without = self._comparer.off(name, self._comparer.with_changes(others))
        return spread(found.off) <= spread(without) / ROUNDED_CUT

    def _follow(self, name: str, found: Comparison) -> None:
        self._following.append(name)
        for finding, bits in self._causes:
            if bits & found.trail and name not in finding.also:
                finding.also.append(name)
                finding.residual = max(finding.residual, found.times)
                self._add_explained(name, found, {mistake.id for mistake in finding.causes})

    def _add_explained(self, name: str, found: Comparison, causes: set[str]) -> None:
        """Remember that mistakes are made in such arrays, if this one would not follow without them."""
        if stem(self._nodes[name]) in self._explained:
            return
        others = [change for change in self._comparer.changes if change.mistake.id not in causes]
        off = self._comparer.off(name, self._comparer.with_changes(others))
        if quotients(off, found.allowed).max(initial=0.0) > 1:
            self._explained.add(stem(self._nodes[name]))

    def _accept(self, name: str, found: Comparison, explanations: Sequence[Explanation]) -> None:
        best = explanations[0]
        for change in best.changes:
            bits = self._comparer.graph.bits(change.mistake)
            continued = [finding for finding, _ in self._causes if change.mistake.id in {m.id for m in finding.causes}]
            if continued:
                continued[0].also.append(name)
                continued[0].residual = max(continued[0].residual, best.times)
                self._causes.append((continued[0], bits))
                continue
            self._put(name, found)
            finding = self._findings[-1]
            finding.residual = best.times
            finding.causes = [each.mistake for each in explanations] if len(best.changes) == 1 else [change.mistake]
            self._causes.append((finding, bits))
        self._explained.add(stem(self._nodes[name]))
        self._comparer.adopt([*self._comparer.changes, *best.changes])
        self._comparer.complete(name)

    def _put(self, name: str, found: Comparison) -> None:
        node = self._nodes[name]
        theirs = self._comparer.given.theirs[name]
        wrong = found.off > found.allowed
        quotient = quotients(found.off, found.allowed)
        place = np.unravel_index(int(np.argmax(quotient)), quotient.shape) if quotient.ndim else ()
        where = describe_error(node, theirs, found.value, wrong)
        allowed = np.broadcast_to(found.allowed, found.off.shape)
        self._findings.append(
            Finding(name, node.step, float(found.off[place]), float(allowed[place]), found.times, where)
        )
