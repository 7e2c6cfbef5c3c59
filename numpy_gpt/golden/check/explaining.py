"""Which mistake explains an array that does not follow: each is tried on all layers, and has to reproduce the error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from numpy_gpt.golden.check.comparing import Comparer, Comparison, quotients
from numpy_gpt.golden.check.places import likely_scopes, other_scopes, restrictions, single_places
from numpy_gpt.golden.evaluation import Change
from numpy_gpt.golden.graph import Node
from numpy_gpt.golden.mistakes.all_mistakes import possible_mistakes
from numpy_gpt.golden.operations.operation import BACKWARD, FORWARD, Mistake
from numpy_gpt.tolerances.rounding import Float64

CUT = 4.0
"""A cause cuts the error at least so many times."""
ROUNDED_CUT = 8.0
"""For lower precision, whose roundings cannot all be reproduced from rounded numbers: of the errors' mean square."""
_EVIDENCE = 4.5
"""So many digits a cause predicts at least, beyond those of the number of attempts: one of hundreds fits by chance."""
_LOCAL = 5
_FEW = 4  # numbers; with fewer, what is tried in many places would fit by chance
_CLEARLY = 3.0  # an explanation whose errors are so many times as large as another's is worse
_PAIRS = 4  # of the mistakes that come nearest, so many are tried together with each other one

Scopes = Callable[[Mistake, Node, bool, bool], list[Change]]


class Explanation(NamedTuple):
    """Changes that make an array follow, and how far it then is off in units of what is allowed."""

    changes: tuple[Change, ...]
    times: float

    @property
    def mistake(self) -> Mistake:
        """The mistake; of several, the last."""
        return self.changes[-1].mistake

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The mistakes' ids."""
        return tuple(change.mistake.id for change in self.changes)


class Score(NamedTuple):
    """How well a port's arrays agree with an explanation.

    ``agreements`` is how many follow only with it, less those that follow only without it; ``size`` how far off those
    are that follow; ``evidence`` how many digits of their numbers it predicts.
    """

    agreements: int
    size: float
    evidence: float


class Attempt(NamedTuple):
    """A mistake that was tried, and to what part it cuts the error."""

    change: Change
    left: float


class Explainer:
    """Finds explanations for the arrays of one port."""

    def __init__(self, comparer: Comparer, names: Sequence[str]) -> None:
        self._comparer, self._names = comparer, names
        self._nodes = comparer.graph.nodes
        self._mistakes = possible_mistakes(comparer.dtype)
        self._forward = sum(node.bit for node in self._nodes.values() if node.phase == FORWARD)

    def narrowed(self, name: str, found: Comparison, right: set[str]) -> list[Change] | None:
        """Return the known changes with one of them restricted so that the array follows, or None.

        A mistake may be made in one of several norms, in one of both branches, or in one layer. ``right`` are the stems
        of arrays that followed with the changes.
        """
        known = self._comparer.changes
        for place, change in enumerate(known):
            bits = self._comparer.graph.bits(change.mistake) & found.trail
            changed = [node for node in self._nodes.values() if node.bit & bits and change.applies(node)]
            for applies in restrictions(change, changed, right) if changed else ():
                narrower = [*known[:place], Change(change.mistake, applies), *known[place + 1 :]]
                off = self._comparer.off(name, self._comparer.with_changes(narrower))
                if _part(off, found) <= 1 / CUT and self._follows(name, narrower) is not None:
                    return narrower
        return None

    def explain(
        self, name: str, found: Comparison, known: Sequence[Mistake]
    ) -> tuple[list[Explanation], Attempt | None]:
        """Return all explanations, and the nearest attempt if there is none."""
        attempts: list[Attempt] = []
        for scopes in (likely_scopes, other_scopes):
            fits = self._fits(name, found, known, scopes, attempts)
            if fits:
                break
        if not fits and found.off.size >= _FEW:
            fits = self._in_some_places(name, found, attempts) or self._pairs(name, found, attempts)
        attempts.sort(key=lambda attempt: attempt.left)
        nearest = attempts[0] if attempts and attempts[0].left < 0.5 else None
        return self._best(name, fits, _EVIDENCE + math.log10(len(attempts) + 1)), nearest

    def _fits(
        self, name: str, found: Comparison, known: Sequence[Mistake], scopes: Scopes, attempts: list[Attempt]
    ) -> list[Explanation]:
        node, identifiers = self._nodes[name], {mistake.id for mistake in known}
        fits: list[Explanation] = []
        for mistake in sorted(self._mistakes, key=lambda mistake: mistake.id not in identifiers):
            if fits and mistake.id not in identifiers and fits[-1].mistake.id in identifiers:
                break
            bits = self._comparer.graph.bits(mistake)
            if not bits & found.trail:
                continue
            for change in scopes(mistake, node, mistake.id in identifiers, self._has_forward(mistake)):
                left, fit = self._try(name, found, (change,))
                attempts.append(Attempt(change, left))
                if fit is not None:
                    fits.append(fit)
                    break
        return [fit for fit in fits if not fit.mistake.size_only] or fits

    def _try(self, name: str, found: Comparison, changes: tuple[Change, ...]) -> tuple[float, Explanation | None]:
        """Return to what part the changes cut the error, and the explanation if they are one."""
        mistake = changes[-1].mistake
        every = [*self._comparer.changes, *changes]
        if mistake.size_only:  # in a long chain, the size of an error says nothing
            return 1.0, self._sized(name, found, every, changes) if found.trail.bit_count() <= _LOCAL else None
        evaluation = self._comparer.with_changes(every)
        off = self._comparer.off(name, evaluation)
        if not all(evaluation.applied(change.mistake) for change in changes):
            return 1.0, None
        left = _part(off, found)
        if mistake.operations is not None and spread(off) <= found.spread / ROUNDED_CUT:
            return left, Explanation(changes, float(quotients(off, found.allowed).max(initial=0.0)))
        if left > 1 / CUT:
            return left, None
        times = self._follows(name, every)
        fits = times is not None and times * CUT <= found.times
        return left, Explanation(changes, times) if fits and times is not None else None

    def _sized(
        self, name: str, found: Comparison, every: Sequence[Change], changes: tuple[Change, ...]
    ) -> Explanation | None:
        """Accept a mistake whose exact rounding is unknown, if the error has the size that it would have."""
        wider = self._comparer.compare_with(name, every)
        if 1e-3 <= wider.times <= 1 and float(wider.allowed.max()) > CUT * float(found.allowed.max()):
            return Explanation(changes, wider.times)
        return None

    def _follows(self, name: str, changes: Sequence[Change]) -> float | None:
        """Return how far an array is off with these changes, if it follows."""
        times = self._comparer.compare_with(name, changes).times
        return times if times <= 1 else None

    def _in_some_places(self, name: str, found: Comparison, attempts: Iterable[Attempt]) -> list[Explanation]:
        """Try each mistake in one of several norms, one of both branches, or one layer."""
        fits = []
        tried: dict[int, Mistake] = {id(attempt.change.mistake): attempt.change.mistake for attempt in attempts}
        for mistake in tried.values():
            if mistake.operations is not None or mistake.size_only:
                continue
            bits = self._comparer.graph.bits(mistake) & found.trail
            changed = [node for node in self._nodes.values() if node.bit & bits]
            for applies in single_places(mistake, changed):
                _, fit = self._try(name, found, (Change(mistake, applies),))
                if fit is not None:
                    fits.append(fit)
        return fits

    def _pairs(self, name: str, found: Comparison, attempts: Sequence[Attempt]) -> list[Explanation]:
        """Try two mistakes at once: each of those that come nearest, with every other one."""
        if found.trail.bit_count() < 2:
            return []
        ranked = sorted((attempt for attempt in attempts if attempt.left < 0.999), key=lambda attempt: attempt.left)
        fits = []
        for place, first in enumerate(ranked[:_PAIRS]):
            for second in ranked[place + 1 :]:
                if first.change.mistake.id != second.change.mistake.id:
                    _, fit = self._try(name, found, (first.change, second.change))
                    if fit is not None:
                        fits.append(fit)
        return fits

    def _best(self, name: str, fits: Sequence[Explanation], evidence: float) -> list[Explanation]:
        """Keep the explanations that agree best with the port's other arrays, one for each mistake."""
        ranked = [self._in_its_pass(name, fit) for fit in fits]
        fits = [fit for fit, rank in ranked if rank == min(rank for _, rank in ranked)]
        scored = [(fit, score) for fit in fits if _is_evident(fit, score := self._score(name, fit), evidence)]
        if len(scored) < 2:
            return [fit for fit, _ in scored]
        most = max(score.agreements for _, score in scored)
        likely = [(fit, score) for fit, score in scored if score.agreements == most]
        least = min(score.size for _, score in likely)
        kept = [
            (fit, score)
            for fit, score in likely
            if score.size <= max(_CLEARLY * least, 0.5) or fit.mistake.operations is not None
        ]
        best: dict[tuple[str, ...], Explanation] = {}
        for fit, _ in sorted(kept, key=lambda pair: (self._off_at_all(name, pair[0]), pair[1].size)):
            best.setdefault(fit.identifiers, fit)
        other = [fit for fit in best.values() if not fit.mistake.id.startswith("parameter.")]
        return other or list(best.values())  # a matrix that is loaded wrongly is also read wrongly

    def _in_its_pass(self, name: str, fit: Explanation) -> tuple[Explanation, int]:
        """Return an explanation in the passes that agree with it, and a rank: 1 if the forward pass contradicts it."""
        if self._nodes[name].phase != BACKWARD or len(fit.changes) > 1 or not self._has_forward(fit.mistake):
            return fit, 0
        backward = Explanation((Change(fit.mistake, lambda node: node.phase == BACKWARD),), fit.times)
        bits = self._comparer.graph.bits(fit.mistake)
        both, one = (
            self._agreement([*self._comparer.changes, *each.changes], bits).agreements for each in (fit, backward)
        )
        return (backward, 1) if one > both else (fit, 0)

    def _has_forward(self, mistake: Mistake) -> bool:
        return bool(self._comparer.graph.bits(mistake) & self._forward)

    def _off_at_all(self, name: str, explanation: Explanation) -> float:
        """Return the largest error with the cells that do not count, by which versions of a mistake may differ."""
        if not self._nodes[name].skip:
            return 0.0
        changes = [*self._comparer.changes, *explanation.changes]
        return float(self._comparer.off_at_all(name, self._comparer.with_changes(changes)).max(initial=0.0))

    def _score(self, name: str, explanation: Explanation) -> Score:
        """Return how well the port's arrays agree with an explanation, in the passes that it names or in both."""
        bits = 0
        for change in explanation.changes:
            bits |= self._comparer.graph.bits(change.mistake)
        known = self._comparer.changes
        narrow = [*known, *explanation.changes]
        wide = [*known, *(Change(each.mistake) for each in explanation.changes)]
        best = max((self._agreement(changes, bits) for changes in (narrow, wide)), key=lambda score: score.agreements)
        return best._replace(evidence=max(best.evidence, _digits(self._comparer.compare(name))))

    def _agreement(self, changes: Sequence[Change], bits: int) -> Score:
        evaluation, count, squares, evidence = self._comparer.with_changes(changes), 0, [], 0.0
        for name in self._names:
            comparison = self._comparer.compare(name)
            if comparison.trail & bits:
                off = self._comparer.off(name, evaluation)
                times = float(quotients(off, comparison.allowed).max(initial=0.0))
                if times <= 2:
                    squares.append(times**2)
                if times <= 2 < comparison.times:
                    evidence += _digits(comparison)
                unclear = 2 < times <= 8 and comparison.times <= 1
                count += 0 if unclear else int(times <= 2) - int(comparison.times <= 1)
        return Score(count, float(np.sqrt(np.mean(squares))) if squares else np.inf, evidence)


def _digits(found: Comparison) -> float:
    """Return how many digits of an array's numbers an explanation predicts, if the array follows with it."""
    return found.off.size * math.log10(max(1.0, min(found.times, 1e6)))


def _is_evident(fit: Explanation, score: Score, evidence: float) -> bool:
    """Return whether an explanation predicts enough; where only the size of an error is explained, that is another."""
    return fit.mistake.size_only or score.evidence >= evidence * len(fit.changes)


def spread(off: Float64) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(off)))) if off.size else 0.0


def _part(off: Float64, found: Comparison) -> float:
    """Return the largest error as a part of the one without the changes."""
    largest = float(off.max(initial=0.0))
    if not np.isfinite(found.largest):
        return 0.0 if np.isfinite(largest) else 1.0
    return largest / found.largest if np.isfinite(largest) else float("inf")
