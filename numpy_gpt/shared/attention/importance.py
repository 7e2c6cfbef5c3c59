"""Does a head matter? How much the loss rises without it, over all tokens and where a relation's word is predicted.

What a head looks at says nothing about what it is for: a verb's subject may be found by one head and agreement be
carried by another. So each part is replaced (``ablation``), and the rise of the loss is averaged over all tokens, and
over the tokens that a relation of the corpus ``grammar`` is about: those whose target is its later word. If the loss of
verbs rises, the verb agrees less well, or the model knows less well that a verb comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gpt_data.texts.grammar_relations import RELATIONS, is_grammar_text, text_relations
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.attention.ablation import (
    Losses,
    Mask,
    Part,
    Replacement,
    measure_baseline,
    measure_rise,
    parts_of,
)
from numpy_gpt.shared.attention.bootstrap import bootstrap
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.training.engine import Engine

ALL = "all"
PREDICTED = {
    ALL: "all tokens",
    "noun_article": "nouns that have an article",
    "noun_adjective": "nouns that have an adjective",
    "verb_subject": "verbs",
    "object_verb": "objects",
    "second_first": "second conjuncts",
}
"""The tokens over which the loss is averaged: all, and by the name of a relation the words that it is about."""


class Rise(NamedTuple):
    """How much a mean loss rises without a part, in nats per token, and the ends of its 95 % interval."""

    part: Part
    rise: float
    interval: tuple[float, float]


class Importance(NamedTuple):
    """Some tokens of a text: how many, their mean loss in nats with the unchanged model, and its rise by part."""

    name: str
    tokens: int
    loss: float
    rises: tuple[Rise, ...]

    @property
    def title(self) -> str:
        """Which tokens these are, for a reader."""
        return PREDICTED[self.name]

    @property
    def largest(self) -> Rise | None:
        """The largest rise of a head whose interval lies above 0, or None."""
        heads = [rise for rise in self.rises if rise.part.kind == "head" and rise.interval[0] > 0]
        return max(heads, key=lambda rise: rise.rise, default=None)


def measure_importance(
    engine: Engine,
    windows: Sequence[Tokens],
    tokenizer: Tokenizer,
    replacement: Replacement = "mean",
    chosen: Iterable[Part] | None = None,
) -> list[Importance]:
    """Return the importance of the parts, by default all, for all tokens and for those of each relation.

    ``windows`` are texts of token ids (T); each token but the first is a target. A relation that none of them has is
    left out. The intervals are by bootstrap over the windows.

    Raises
    ------
    UserError
        If the model is a bigram model, or there is no such part or replacement.
    """
    text, counted = pad_windows(windows)
    groups = {name: mask for name, mask in _groups(windows, counted, tokenizer).items() if mask.any()}
    before = measure_baseline(engine, text, counted)
    parts = parts_of(engine.recipe.model) if chosen is None else tuple(chosen)
    # Only sums are kept: the losses of every token for every part would not fit for a long text.
    sums = {name: [_sums(mask, before.losses)] for name, mask in groups.items()}
    for part in parts:
        rise = measure_rise(engine, before, part, replacement)
        for name, mask in groups.items():
            sums[name].append(_sums(mask, rise))
    return [_importance(name, groups[name].sum(axis=1), values, parts) for name, values in sums.items()]


def pad_windows(windows: Sequence[Tokens]) -> tuple[Tokens, Mask]:
    """Return windows of any lengths as rows (N, T + 1), filled up with id 0, and which inputs (N, T) have a target.

    A causal model never sees what fills up a row before it has read all of the window.
    """
    longest = max(map(len, windows))
    rows = np.zeros((len(windows), longest), np.int64)
    for row, window in zip(rows, windows, strict=True):
        row[: len(window)] = window
    lengths = np.array([len(window) for window in windows])
    return rows, np.arange(longest - 1) < lengths[:, None] - 1


def _groups(windows: Sequence[Tokens], counted: Mask, tokenizer: Tokenizer) -> dict[str, Mask]:
    """Return which inputs (N, T) belong to each group of tokens: those whose target is one of its words."""
    groups: dict[str, Mask] = {ALL: counted}
    if not is_grammar_text(tokenizer.vocabulary):
        return groups
    groups |= {name: np.zeros_like(counted) for name in RELATIONS}
    for row, window in enumerate(windows):
        words = [tokenizer.vocabulary[token] for token in window.tolist()]
        for name, pairs in text_relations(words).items():
            groups[name][row, [word - 1 for word, _ in pairs]] = True
    return groups


def _sums(mask: Mask, losses: Losses) -> Array:
    """Return each window's sum (N,) over the chosen tokens."""
    sums: Array = np.where(mask, losses, 0).sum(axis=1)
    return sums


def _importance(name: str, counts: Array, sums: Sequence[Array], parts: Sequence[Part]) -> Importance:
    total = int(counts.sum())
    means = [float(values.sum()) / total for values in sums]
    rises = np.stack(sums[1:], axis=1) if parts else np.empty((len(counts), 0))
    # A sample without any of the tokens has no mean; it would be nearly as rare as a text without them.
    ends = bootstrap([rises, counts[:, None]], lambda rise, count: rise / np.maximum(count, 1))
    return Importance(
        name,
        total,
        means[0],
        tuple(
            Rise(part, mean, (float(lower), float(upper)))
            for part, mean, lower, upper in zip(parts, means[1:], ends.lower, ends.upper, strict=True)
        ),
    )
