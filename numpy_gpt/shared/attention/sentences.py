"""One measured sentence for each head: what draws the most of its attention in a text, and how much.

A sentence is a measurement of one text, not a role: a share is high by chance where there is little else to look at. So
each share stands next to the share that attention spread evenly over the past would have.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.shared.attention.maps import AttentionMaps
from numpy_gpt.shared.attention.targets import TARGETS, Target, Text
from numpy_gpt.shared.model.arrays import Array

STANDS_OUT = 0.1
"""A target is named if its share lies at least so far above that of evenly spread attention."""
SPREAD_OUT = 0.75
"""A head without such a target is called spread out if so much of its attention is spread evenly."""


class TargetShare(NamedTuple):
    """The share of attention that a target gets, and would get if attention were spread evenly.

    Both are means over the ``queries`` that say something: those that have such a target, and something else to look
    at.
    """

    target: Target
    share: float
    even_share: float
    queries: int

    @property
    def excess(self) -> float:
        """How far the share lies above that of evenly spread attention."""
        return self.share - self.even_share

    @property
    def stands_out(self) -> bool:
        """Whether the target gets clearly more than it would if attention were spread evenly."""
        return self.excess >= STANDS_OUT


class Measurement(NamedTuple):
    """What one head of a text of ``time`` tokens attends to.

    ``main`` is the target that explains the most of its attention, None for a single token. ``evenness`` is the share
    of its attention that agrees with attention spread evenly over the past, Σ min(weight, even weight), as a mean over
    the tokens that have a past.
    """

    time: int
    main: TargetShare | None
    evenness: float

    def sentence(self) -> str:
        """Return the measurement as a sentence."""
        if self.main is None:
            return "a first token can only attend to itself"
        title, share = self.main.target.title, f"{self.main.share:.2f}"
        over = f"mean over {self.main.queries} of {self.time} tokens"
        even = f"{self.main.even_share:.2f} if spread evenly"
        if self.main.stands_out:
            return f"{title}: {share} of its attention ({over}; {even})"
        if self.evenness >= SPREAD_OUT:
            return f"spread out: {self.evenness:.2f} of its attention is spread evenly over the past"
        return f"no target stands out: the most is {title}, {share} of its attention ({over}; {even})"


def measure(weights: Array, text: Text) -> Measurement:
    """Return what one head with the weights (T, S) attends to.

    The main target is the one of those that stand out, or else of all, with the largest excess over evenly spread
    attention, added up over its queries: so a target of many queries is preferred to one of few.
    """
    time = len(text.tokens)
    past = np.tri(time, dtype=bool)
    shares = [share_of(target, weights, text) for target in TARGETS]
    found = [share for share in shares if share is not None]
    candidates = [share for share in found if share.stands_out] or found
    main = max(candidates, key=lambda share: share.excess * share.queries, default=None)
    even = past / past.sum(axis=1, keepdims=True)
    evenness = np.minimum(weights, even).sum(axis=1)[1:].mean() if time > 1 else 1.0
    return Measurement(time, main, float(evenness))


def share_of(target: Target, weights: Array, text: Text) -> TargetShare | None:
    """Return a target's share of the weights (T, S), or None if no query has it and something else to look at."""
    mask, past = target.select(text), np.tri(len(text.tokens), dtype=bool)
    telling = mask.any(axis=1) & (mask != past).any(axis=1)
    if not telling.any():
        return None
    share = np.where(mask, weights, 0.0).sum(axis=1)[telling].mean()
    even_share = (mask.sum(axis=1) / past.sum(axis=1))[telling].mean()
    return TargetShare(target, float(share), float(even_share), int(telling.sum()))


def measure_heads(maps: AttentionMaps) -> list[list[Measurement]]:
    """Return what each head attends to, by layer and head."""
    return [[measure(head, maps.tokens) for head in layer] for layer in maps.weights]
