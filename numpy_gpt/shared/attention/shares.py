"""How much of its attention a head gives to a target, next to what it would be without a role: the controls.

Over all queries t that have the target, i.e. for which its set of keys K(t) is not empty, this is the mean of

    share       Σ w(t, s)          over s ∈ K(t), where w is the head's attention: its ``attn.weights``
    even        |K(t)| / (t + 1)   what the share would be if it were spread evenly over the query and its past
    position    Σ w̄(t, s)          what it would be if it depended on places alone

w̄(t, s) is the head's mean attention over all queries with a key at the same place: at the same distance t − s, from
queries of the same kind (white space or not), about as far into the window (t + 1 between the same two powers of 2),
because the more keys there are, the less is left for each. The first key is a place of its own, because many heads
rest there. The mean contains the target's own keys: if they are the fraction f of the keys at a place, the difference
share − position is 1 − f of the difference to the other keys there. So this control understates a role. Some targets
are places themselves, or nearly so: ``targets.Place`` says what is held fixed for them.

What a target is may depend on the token. For this there is a third control: a head may look from verbs at nouns,
whether they are the subject or not, or always at the first noun; and from spaces at spaces, which are copies. So over
the queries that also have other keys O(t) of the class of K(t), the mean share is compared with

    others      |K(t)| / |K(t) ∪ O(t)| · Σ w(t, s)   over s ∈ K(t) ∪ O(t), what it would be if all got the same

Axis letters: W windows, N heads of all layers, K targets, T query time, S key time, P places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gpt_data.errors import UserError
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.attention.targets import Mask, Target, read_tokens
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record

_Indices = npt.NDArray[np.int64]


class Predictor(Protocol):
    """What is asked for the attention: an engine."""

    @property
    def evaluation_tokens(self) -> int:
        """How many tokens are evaluated at once."""

    def predict(self, tokens: Any, record: Record) -> Array:
        """Return the probability of every next token, and record every activation."""


class Sums(NamedTuple):
    """Sums over the queries of each window, from which all means follow; or of several windows together.

    The two kinds of queries are white space and others; P are the other differences of place.
    """

    share: Array
    """(W, N, K): attention to the target's keys."""
    even: Array
    """(W, K): the same if attention were spread evenly."""
    queries: Array
    """(W, K): queries that have the target."""
    contested: Array
    """(W, N, K): attention to the target's keys, of queries that have other keys of its class."""
    others: Array
    """(W, N, K): the same if the attention to the class were spread evenly."""
    contested_queries: Array
    """(W, K): queries that have the target and other keys of its class."""
    attention: Array
    """(W, N, 2, P): attention to all keys, by place."""
    keys: Array
    """(W, 2, P): number of keys, by place."""
    target_keys: Array
    """(W, K, 2, P): number of the target's keys, by place."""
    kind_attention: Array
    """(W, N, 2, 2, O): attention to all keys, by the kinds of query and key and the octave of t + 1."""
    kind_keys: Array
    """(W, 2, 2, O): number of keys, in the same way."""
    kind_target_keys: Array
    """(W, K, 2, 2, O): number of the target's keys, in the same way."""


class Figures(NamedTuple):
    """Shares and controls (…, N, K); NaN where no query has the target, or there is no such control.

    ``contested`` is the share over the queries for which there is the control ``others``.
    """

    share: Array
    even: Array
    position: Array
    contested: Array
    others: Array

    def differences(self) -> Array:
        """Return share less control (…, N, K, 3): even, position, others."""
        return np.stack([self.share - self.even, self.share - self.position, self.contested - self.others], -1)


def sum_attention(
    engine: Predictor, windows: Sequence[Tokens], tokenizer: Tokenizer, targets: Sequence[Target]
) -> Sums:
    """Return the sums of each of the windows (T or shorter).

    Raises
    ------
    UserError
        If attention is not finite, because the model's numbers overflow.
    """
    longest = max(map(len, windows))
    rows: dict[int, tuple[Array, ...]] = {}
    for place, weights in _attention(engine, windows):
        if not np.isfinite(weights).all():
            raise UserError("attention must be finite, but overflows to NaN; is the model damaged?")
        rows[place] = _sum_window(weights, windows[place], tokenizer, targets, longest)
    return Sums(*map(np.stack, zip(*(rows[place] for place in range(len(windows))), strict=True)))


def figures(sums: Sums, targets: Sequence[Target]) -> Figures:
    """Return the figures for sums over windows with any leading axes (…)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # a target that no query has: 0/0
        by_place = _at_means(sums.attention, sums.keys, sums.target_keys, axes=2)
        by_distance = _at_means(sums.attention.sum(-2), sums.keys.sum(-2), sums.target_keys.sum(-2), axes=1)
        by_kind = _at_means(sums.kind_attention, sums.kind_keys, sums.kind_target_keys, axes=3)
        queries = sums.queries[..., None, :]
        places = np.array([target.place for target in targets])
        position = np.where(places == "distance and kind", by_place, by_distance)
        position = np.where(places == "distance or kind", np.maximum(by_distance, by_kind), position) / queries
        even = np.broadcast_to(sums.even[..., None, :] / queries, sums.share.shape)
        position = np.where(places == "itself", np.nan, position)
        contested = sums.contested_queries[..., None, :]
        return Figures(sums.share / queries, even, position, sums.contested / contested, sums.others / contested)


def _at_means(attention: Array, keys: Array, target_keys: Array, axes: int) -> Array:
    """Return the attention (…, N, K) to each target's keys if each key had the mean of those like it.

    The last ``axes`` axes are those of which keys are like each other: attention (…, N, P), keys (…, P), target_keys
    (…, K, P).
    """
    attention, keys, target_keys = (part.reshape(*part.shape[:-axes], -1) for part in (attention, keys, target_keys))
    product: Array = np.nan_to_num(attention / keys[..., None, :]) @ target_keys.swapaxes(-1, -2)
    return product


def _attention(engine: Predictor, windows: Sequence[Tokens]) -> Iterator[tuple[int, Array]]:
    """Yield each window's place and attention (N, T, T), computed in batches of windows of about the same length."""
    order = sorted(range(len(windows)), key=lambda place: len(windows[place]))
    rows = max(1, engine.evaluation_tokens // len(windows[order[-1]]))
    for first in range(0, len(order), rows):
        batch = order[first : first + rows]
        tokens = np.zeros((len(batch), len(windows[batch[-1]])), np.int64)  # nothing sees the padding: it comes later
        for row, place in zip(tokens, batch, strict=True):
            row[: len(windows[place])] = windows[place]
        kept: dict[str, Array] = {}

        def record(name: str, array: Any, kept: dict[str, Array] = kept) -> None:
            if name.endswith(".attn.weights"):
                kept[name] = np.array(array)

        engine.predict(tokens, record)
        for number, place in enumerate(batch):
            length = len(windows[place])
            layers = [weights[number, :, :length, :length] for weights in kept.values()]
            yield place, np.concatenate(layers).astype(np.float64)


def _sum_window(
    weights: Array, window: Tokens, tokenizer: Tokenizer, targets: Sequence[Target], longest: int
) -> tuple[Array, ...]:
    """Return the sums of one window with attention (N, T, T)."""
    text, time = read_tokens(tokenizer, window), len(window)
    masks = np.array([target.select(text) for target in targets], np.float64)
    none = np.zeros_like(masks[0])
    others = np.array([none if target.others is None else target.others(text) for target in targets], np.float64)
    contested = others.any(2, keepdims=True) & masks.any(2, keepdims=True)
    spread = (masks + others) * masks.sum(2, keepdims=True) / np.maximum((masks + others).sum(2, keepdims=True), 1)
    past = np.tri(time)[None]
    maps, heads = np.concatenate([weights, past, masks]), len(weights)
    by_place, by_kind = _sum_by_place(maps, text.blank, longest), _sum_by_kind(maps, text.blank, longest)
    return (
        _attention_to(weights, masks),
        (masks.sum(2) / np.arange(1, time + 1)).sum(1),
        masks.any(2).sum(1),
        _attention_to(weights, masks * contested),
        _attention_to(weights, spread * contested),
        contested.sum((1, 2)),
        *(by_place[:heads], by_place[heads], by_place[heads + 1 :]),
        *(by_kind[:heads], by_kind[heads], by_kind[heads + 1 :]),
    )


def _attention_to(weights: Array, masks: Array) -> Array:
    """Return the sum (N, K) of each head's attention (N, T, T), weighted with each of the masks (K, T, T)."""
    sums: Array = weights.reshape(len(weights), -1) @ masks.reshape(len(masks), -1).T
    return sums


def _sum_by_place(maps: Array, blank: Mask, longest: int) -> Array:
    """Return the sums (M, 2, P) of maps (M, T, T), by the kind of the query and the place of the key."""
    count, time, _ = maps.shape
    square = np.zeros((2, count, longest, longest))
    square[0, :, :time, :time] = maps * blank[:, None]
    square[1, :, :time, :time] = maps * ~blank[:, None]
    order, starts = _places(longest)
    sums: Array = np.add.reduceat(square.reshape(2, count, -1)[..., order], starts, axis=-1)
    return sums.swapaxes(0, 1)


def _sum_by_kind(maps: Array, blank: Mask, longest: int) -> Array:
    """Return the sums (M, 2, 2, O) of maps (M, T, T), by the kinds of query and key and the octave of the query."""
    kinds = np.array([blank, ~blank], np.float64)
    octaves = np.eye(int(_octave(np.array(longest - 1))) + 1)[_octave(np.arange(len(blank)))]
    to_kinds = maps @ kinds.T  # (M, T, 2): attention to the keys of each kind
    sums: Array = np.einsum("qt,mtk,to->mqko", kinds, to_kinds, octaves, optimize=True)
    return sums


def _octave(query: _Indices) -> _Indices:
    """Return 0 for t + 1 = 1, 1 for 2 and 3, 2 for 4 to 7 …."""
    return np.frexp(query + 1)[1].astype(np.int64) - 1


@cache
def _places(time: int) -> tuple[_Indices, _Indices]:
    """Return the pairs (t, s) of the past, as indices into (T·T), ordered by place, and where each place starts."""
    query, key = np.tril_indices(time)
    place = np.where(key == 0, query, (_octave(query) + 1) * time + query - key)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    return (query * time + key)[order].astype(np.int64), starts.astype(np.int64)
