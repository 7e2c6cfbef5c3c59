"""Which mistake explains an array that does not follow: each is tried on the whole layer, and has to reproduce the error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from numpy_gpt.golden.check.comparing import Comparer, Comparison
from numpy_gpt.golden.evaluation import Change
from numpy_gpt.golden.graph import Node
from numpy_gpt.golden.operations.mistakes import all_mistakes
from numpy_gpt.golden.operations.operation import BACKWARD, FORWARD, Mistake, NotApplicable

CUT = 4.0
"""A cause cuts the error at least so many times."""
_ROUNDED_CUT = 8.0  # for lower precision, whose exact roundings cannot be reproduced from rounded numbers
_CLEARLY = 3.0  # an explanation whose errors are so many times as large as another's is worse
_PAIRS = 4  # of the mistakes that come nearest, so many are tried together with each other one


class Explanation(NamedTuple):
    """Changes that make an array follow, and how far it then is off in units of what is allowed."""

    changes: tuple[Change, ...]
    times: float

    @property
    def mistake(self) -> Mistake:
        """The mistake; of several, the last."""
        return self.changes[-1].mistake


class Score(NamedTuple):
    """How many arrays follow only with an explanation, less those that follow only without it; and how far off they are."""

    count: int
    size: float


class Attempt(NamedTuple):
    """A mistake that was tried, and to what part it cuts the error."""

    change: Change
    left: float


class Explainer:
    """Finds explanations for the arrays of one port."""

    def __init__(self, comparer: Comparer, names: Sequence[str]) -> None:
        self._comparer, self._names = comparer, names
        self._nodes = comparer.graph.nodes
        self._mistakes = all_mistakes()
        self._forward = sum(node.bit for node in self._nodes.values() if node.phase == FORWARD)

    def without_known(self, name: str) -> list[Change] | None:
        """Return the known changes after restricting one so that the array follows: a mistake in some layers only."""
        known = self._comparer.changes
        node = self._nodes[name]
        for place, change in enumerate(known):
            rest = [*known[:place], *known[place + 1 :]]
            if self._follows(name, rest) is not None:
                narrowed = Change(change.mistake, _but_not(change.applies, node))
                return [*known[:place], narrowed, *known[place + 1 :]]
        return None

    def explain(
        self, name: str, found: Comparison, known: Sequence[Mistake]
    ) -> tuple[list[Explanation], Attempt | None]:
        """Return all explanations, and if there is none the nearest attempt."""
        node = self._nodes[name]
        attempts: list[Attempt] = []
        for scopes in (_likely_scopes, _other_scopes):
            fits = self._fits(name, found, known, scopes, attempts)
            if fits:
                break
        fits = fits or self._in_one_layer(name, found, attempts) or self._pairs(name, found, attempts)
        attempts.sort(key=lambda attempt: attempt.left)
        return self._best(name, fits), attempts[0] if attempts and attempts[0].left < 0.5 else None

    def _fits(
        self,
        name: str,
        found: Comparison,
        known: Sequence[Mistake],
        scopes: Callable[[Mistake, Node, bool, bool], list[Change]],
        attempts: list[Attempt],
    ) -> list[Explanation]:
        node, identifiers = self._nodes[name], {mistake.id for mistake in known}
        fits: list[Explanation] = []
        for mistake in sorted(self._mistakes, key=lambda mistake: mistake.id not in identifiers):
            if not self._comparer.graph.bits(mistake) & found.trail:
                continue
            for change in scopes(mistake, node, mistake.id in identifiers, self._has_forward(mistake)):
                left, fit = self._try(name, found, (change,))
                attempts.append(Attempt(change, left))
                if fit is not None:
                    fits.append(fit)
                    break
            if fits and fits[-1].mistake.id in identifiers:
                return fits[-1:]
        return [fit for fit in fits if not fit.mistake.size_only] or fits

    def _has_forward(self, mistake: Mistake) -> bool:
        return bool(self._comparer.graph.bits(mistake) & self._forward)

    def _try(self, name: str, found: Comparison, changes: tuple[Change, ...]) -> tuple[float, Explanation | None]:
        """Return to what part the changes cut the error, and the explanation if they are one."""
        mistake = changes[-1].mistake
        every = [*self._comparer.changes, *changes]
        try:
            if mistake.size_only:
                return 1.0, self._sized(name, found, every, changes)
            off = self._comparer.off(name, self._comparer.with_changes(every))
            left = _part(off, found)
            if mistake.operations is not None and _spread(off) <= found.spread / _ROUNDED_CUT:
                return left, Explanation(changes, float((off / found.allowed).max()))
            if left > 1 / CUT:
                return left, None
            times = self._follows(name, every)
        except NotApplicable:
            return 1.0, None
        if times is None or times * CUT > found.times:
            return left, None
        return left, Explanation(changes, times)

    def _sized(
        self, name: str, found: Comparison, every: Sequence[Change], changes: tuple[Change, ...]
    ) -> Explanation | None:
        """Accept a mistake whose exact rounding is unknown, if the error has the size that it would have."""
        wider = self._comparer.compare_with(name, every)
        if wider.times <= 1 and wider.times >= 1e-3 and float(wider.allowed.max()) > CUT * float(found.allowed.max()):
            return Explanation(changes, wider.times)
        return None

    def _follows(self, name: str, changes: Sequence[Change]) -> float | None:
        """Return how far an array is off with these changes, if it follows."""
        try:
            times = self._comparer.compare_with(name, changes).times
        except NotApplicable:
            return None
        return times if times <= 1 else None

    def _in_one_layer(self, name: str, found: Comparison, attempts: Iterable[Attempt]) -> list[Explanation]:
        """Try the mistakes in single layers, where several were computed for the array."""
        layers = {self._layer(node) for node in self._nodes.values() if node.bit & found.trail} - {-1}
        if len(layers) < 2:
            return []
        fits = []
        for mistake in dict.fromkeys(attempt.change.mistake for attempt in attempts if _hashable(attempt)):
            for layer in sorted(layers):
                _, fit = self._try(name, found, (Change(mistake, _in_layer(layer)),))
                if fit is not None:
                    fits.append(fit)
        return fits

    def _layer(self, node: Node) -> int:
        return -1 if node.place is None else node.place.layer

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

    def _best(self, name: str, fits: Sequence[Explanation]) -> list[Explanation]:
        """Keep the explanations that agree best with the port's other arrays, one for each mistake."""
        best: dict[tuple[str, ...], Explanation] = {}
        for fit in sorted(fits, key=lambda fit: fit.times):
            best.setdefault(tuple(change.mistake.id for change in fit.changes), fit)
        if len(best) < 2:
            return list(best.values())
        scores = {key: self._score(fit) for key, fit in best.items()}
        most = max(score.count for score in scores.values())
        likely = [key for key in best if scores[key].count >= most - 1]
        least = min(scores[key].size for key in likely)
        return [best[key] for key in likely if scores[key].size <= max(_CLEARLY * least, 0.1)]

    def _score(self, explanation: Explanation) -> Score:
        """Return how well the port's arrays agree with an explanation, in the passes that it names or in both."""
        bits = 0
        for change in explanation.changes:
            bits |= self._comparer.graph.bits(change.mistake)
        known = self._comparer.changes
        narrow = [*known, *explanation.changes]
        wide = [*known, *(Change(each.mistake) for each in explanation.changes)]
        return max((self._agreement(changes, bits) for changes in (narrow, wide)), key=lambda score: score.count)

    def _agreement(self, changes: Sequence[Change], bits: int) -> Score:
        evaluation, count, squares = self._comparer.with_changes(changes), 0, []
        for name in self._names:
            comparison = self._comparer.compare(name)
            if not comparison.trail & bits:
                continue
            try:
                off = self._comparer.off(name, evaluation)
            except NotApplicable:
                continue
            times = float(_quotients(off, comparison.allowed).max(initial=0.0))
            if times <= 2:
                squares.append(times**2)
            count += int(times <= 2) - int(comparison.times <= 1)
        return Score(count, float(np.sqrt(np.mean(squares))) if squares else np.inf)


def _hashable(attempt: Attempt) -> bool:
    return attempt.change.mistake.operations is None and not attempt.change.mistake.size_only


def _quotients(off: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(off == 0, 0.0, off / allowed)


def _part(off: np.ndarray, found: Comparison) -> float:
    """Return the largest error as a part of the one without the changes."""
    largest = float(off.max(initial=0.0))
    if not np.isfinite(found.largest):
        return 0.0 if np.isfinite(largest) else 1.0
    return largest / found.largest if np.isfinite(largest) else float("inf")


def _spread(off: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(off)))) if off.size else 0.0


def _likely_scopes(mistake: Mistake, node: Node, is_known: bool, has_forward: bool) -> list[Change]:
    """Return a mistake as it is usually made: forward, or backward, or in both passes."""
    if node.phase != BACKWARD:
        return [Change(mistake, _not_in_phase(BACKWARD))]
    return [Change(mistake, _in_phase(BACKWARD))] if is_known or not has_forward else [Change(mistake)]


def _other_scopes(mistake: Mistake, node: Node, is_known: bool, has_forward: bool) -> list[Change]:
    """Return a mistake as it is made more rarely: in one pass, though the other one has it as well."""
    if node.phase != BACKWARD:
        return [Change(mistake)]
    return [Change(mistake, _in_phase(BACKWARD)), Change(mistake, _not_in_phase(BACKWARD))] if has_forward else []


def _in_phase(phase: str) -> Callable[[Node], bool]:
    return lambda node: node.phase == phase


def _not_in_phase(phase: str) -> Callable[[Node], bool]:
    return lambda node: node.phase != phase


def _in_layer(layer: int) -> Callable[[Node], bool]:
    return lambda node: node.place is not None and node.place.layer == layer


def _but_not(applies: Callable[[Node], bool], other: Node) -> Callable[[Node], bool]:
    """Restrict to the layers (and steps) other than that of an array."""
    layer = -1 if other.place is None else other.place.layer

    def narrowed(node: Node) -> bool:
        same = (
            node.step == other.step
            and (node.place is not None and node.place.layer == layer)
            and (layer >= 0 or node.name == other.name)
        )
        return applies(node) and not same

    return narrowed
