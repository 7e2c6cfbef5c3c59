"""Easy exercises: made-up whole numbers, so small that no calculator is needed until a root or an exponential comes.

The questions are the same as those about a trained model; only the numbers differ. Head size 4 has the root 2,
attention weights are quarters and the values that they average are multiples of 4, and vectors to be normalized have a
whole mean and a whole standard deviation. Each tensor is made up by itself: it does not follow from those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from random import Random

from gpt_data.texts.tiny import tiny_phrases
from handcalc.arithmetic.expression import Index, MutableNumbers
from handcalc.exercises.questions import cross_entropy, gradient, layer_norm, scores, softmax, weighted_sum
from handcalc.exercises.source import Source
from handcalc.tracing.plan import make_plan
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig

EASY_TOPICS = (
    scores.DOT_PRODUCT,
    scores.SCALING,
    softmax.SOFTMAX,
    weighted_sum.WEIGHTED_SUM,
    layer_norm.LAYER_NORM,
    cross_entropy.CROSS_ENTROPY,
    gradient.GRADIENT,
)
"""The topics whose numbers can be whole; those of GELU and AdamW cannot."""

_WORDS, _SIZE = 3, 4
_QUARTERS = ((4,), (1, 3), (2, 2), (3, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1))
_PATTERNS = ((1, 1, -1, -1), (2, 2, -2, -2), (5, -1, -1, -3), (3, 1, 1, -5))
"""Numbers of mean 0 whose variance is a square: 1, 4, 9 and 9."""

Rows = Sequence[Sequence[int | Decimal]]


class EasySource(Source):
    """Made-up numbers for three words; ``rng`` decides which."""

    whole = True

    def __init__(self, rng: Random, digits: int) -> None:
        words = rng.choice([phrase.split()[:_WORDS] for phrase in tiny_phrases() if len(phrase.split()) >= _WORDS])
        self.vocabulary = tuple(words)
        self.config = replace(_CONFIG, vocab_size=len(words))
        self.text, self.digits, self.tokens = " ".join(words), digits, tuple(range(len(words)))
        self._seed = rng.random()

    @cached_property
    def forward(self) -> Trace:
        """The numbers of all three words."""
        return self._make_up(self.tokens, ())

    @cached_property
    def training(self) -> Trace:
        """The numbers of predicting each next word, with their gradients."""
        return self._make_up(self.tokens[:-1], self.tokens[1:])

    def scene(self, where: str = "") -> str:
        """Return the sentence that says where the numbers come from."""
        return f'The numbers are made up; the words are "{self.text}".'

    def _make_up(self, tokens: tuple[int, ...], targets: tuple[int, ...]) -> Trace:
        plan = make_plan(self.config, tokens, targets, digits=self.digits)
        numbers = _numbers(Random(f"{self._seed} {len(targets)}"), len(tokens), len(self.vocabulary))
        return Trace(plan, "made up", self.vocabulary, self.text, numbers, frozenset(), [], None)


_CONFIG = GPTConfig(vocab_size=_WORDS, block_size=_WORDS, n_layer=1, n_head=1, n_embd=_SIZE, bias=False)


def _numbers(rng: Random, time: int, words: int) -> MutableNumbers:
    """Return all tensors that the questions read, for so many positions and words."""
    queries, keys = _queries_and_keys(rng, time)
    dots = [[sum(a * b for a, b in zip(query, key, strict=True)) for key in keys] for query in queries]
    attn: dict[str, Rows] = {
        "q": queries,
        "k": keys,
        "v": _draw(rng, time, _SIZE, (-4, 0, 4, 8)),
        "scores": dots,
        "scaled": [[dot // 2 for dot in row] for row in dots],
        "weights": [[Decimal(part) / 4 for part in _quarters(rng, t + 1, time)] for t in range(time)],
        "dweights": [[part * (s <= t) for s, part in enumerate(row)]
                     for t, row in enumerate(_draw(rng, time, time, (-8, -4, 0, 4)))],
    }  # fmt: skip
    numbers = {f"h.0.attn.{name}": _cells(rows, 0) for name, rows in attn.items()}
    numbers["h.0.attn.merged"] = _cells(_draw(rng, time, _SIZE, (-1, 0, 1, 2)))
    numbers["h.0.attn.c_proj.weight"] = _cells(_draw(rng, _SIZE, _SIZE, (-2, -1, 0, 1, 2)))
    numbers |= _norms(rng, time)
    numbers["probabilities"] = _cells([[Decimal(part) / 4 for part in _quarters(rng, words, words)]
                                       for _ in range(time)])  # fmt: skip
    logits = _draw(rng, time, words, (-2, -1, 0, 1, 2, 3))
    numbers["logits"] = _cells(logits)
    numbers["softmax.max"] = {(t,): Decimal(max(row)) for t, row in enumerate(logits)}
    numbers["softmax.sum"] = {(t,): Decimal(rng.choice((2, 3, 4))) for t in range(time)}
    return numbers


def _norms(rng: Random, time: int) -> MutableNumbers:
    """Return the vectors before each layer norm, how far they are from their means, and the weights."""
    numbers: MutableNumbers = {}
    for norm, before in (
        ("h.0.ln_1", "embedding.sum"), ("h.0.ln_2", "h.0.attn.residual"), ("ln_f", "h.0.mlp.residual")
    ):  # fmt: skip
        centered = [rng.sample(rng.choice(_PATTERNS), _SIZE) for _ in range(time)]
        means = [rng.choice((-2, -1, 1, 2, 3)) for _ in range(time)]
        numbers[before] = _cells([[mean + part for part in row] for mean, row in zip(means, centered, strict=True)])
        numbers[f"{norm}.centered"] = _cells(centered)
        numbers[f"{norm}.weight"] = {(c,): Decimal(rng.choice((1, 2, 3))) for c in range(_SIZE)}
    numbers["h.0.ln_1.out"] = _cells(_draw(rng, time, _SIZE, (-2, -1, 1, 2)))
    return numbers


def _queries_and_keys(rng: Random, time: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return vectors whose dot products are even, so that half of each is whole, and not larger than 8."""
    queries = _draw(rng, time, _SIZE, (-1, 1, 2, 3))
    keys: list[list[int]] = []
    while len(keys) < time:
        (key,) = _draw(rng, 1, _SIZE, (-2, -1, 0, 1, 2))
        dots = [sum(a * b for a, b in zip(query, key, strict=True)) for query in queries]
        if any(key) and all(dot % 2 == 0 and abs(dot) <= 8 for dot in dots):
            keys.append(key)
    return queries, keys


def _quarters(rng: Random, count: int, length: int) -> list[int]:
    """Return so many whole numbers whose sum is 4, followed by zeros."""
    parts = rng.choice([parts for parts in _QUARTERS if len(parts) == count])
    return [*parts, *(0,) * (length - count)]


def _draw(rng: Random, rows: int, columns: int, numbers: Sequence[int]) -> list[list[int]]:
    return [[rng.choice(numbers) for _ in range(columns)] for _ in range(rows)]


def _cells(rows: Rows, *before: int) -> dict[Index, Decimal]:
    return {(*before, t, c): Decimal(value) for t, row in enumerate(rows) for c, value in enumerate(row)}
