"""The topics, each with a question for every level: 1 one operation, 2 a whole cell, 3 several steps."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import count_of, quote
from handcalc.exercises.exercise import Exercise, is_settled, solve
from handcalc.exercises.questions import adamw, cross_entropy, gelu, gradient, layer_norm, scores, softmax, weighted_sum
from handcalc.exercises.source import Source
from numpy_gpt.shared.model.config import GPTConfig

Builder = Callable[[Source, Random], Exercise]
SourceOf = Callable[[Random], Source]


class Topic(NamedTuple):
    """A topic: what it is about, and its questions by level."""

    about: str
    levels: tuple[Builder, Builder, Builder]


TOPICS = {
    scores.DOT_PRODUCT: Topic("how well a query matches a key", (scores.one_product, scores.score, scores.best_score)),
    scores.SCALING: Topic(
        "scores divided by the root of the head size",
        (scores.scaled_score, scores.score_and_scale, scores.scaled_exponential),
    ),
    softmax.SOFTMAX: Topic(
        "scores become shares of attention", (softmax.exponential, softmax.weight, softmax.weight_from_queries)
    ),
    weighted_sum.WEIGHTED_SUM: Topic(
        "the result of attention, and the residual stream",
        (weighted_sum.one_term, weighted_sum.mixed_value, weighted_sum.residual),
    ),
    layer_norm.LAYER_NORM: Topic(
        "mean, variance, and the normalized vector", (layer_norm.mean, layer_norm.variance, layer_norm.normalized)
    ),
    gelu.GELU: Topic("the feed-forward network's activation", (gelu.activated, gelu.argument, gelu.whole)),
    cross_entropy.CROSS_ENTROPY: Topic(
        "how surprised the model is by the next word",
        (cross_entropy.surprise, cross_entropy.from_logits, cross_entropy.mean_loss),
    ),
    gradient.GRADIENT: Topic(
        "of a logit, through a softmax, of a query",
        (gradient.of_a_logit, gradient.through_softmax, gradient.of_a_query),
    ),
    adamw.ADAMW: Topic("how a weight changes", (adamw.first_moment, adamw.length_of_step, adamw.change)),
}

LEVELS = {1: "one operation", 2: "a whole cell", 3: "several steps"}

_TEXTS, _TRIES = 10, 20

_ATTENTION = (scores.DOT_PRODUCT, scores.SCALING, softmax.SOFTMAX, weighted_sum.WEIGHTED_SUM)


def topics_of(config: GPTConfig, tokens: int) -> list[str]:
    """Return the topics that a model has when it reads a text of so many tokens."""
    return [topic for topic in TOPICS if _has(topic, config, tokens)]


def _has(topic: str, config: GPTConfig, tokens: int) -> bool:
    if topic in _ATTENTION:
        return config.n_layer > 0
    if topic == gelu.GELU:
        return config.n_layer > 0 and config.activation == "gelu_tanh"
    if topic == gradient.GRADIENT:
        return config.n_layer > 0 and tokens > 1
    if topic == layer_norm.LAYER_NORM:
        return config.norm == "layer_norm"
    return tokens > 1


class NextToTies(UserError):
    """Every exercise that was tried lies next to a tie of its rounding."""


def build_on_some_text(
    topic: str, level: int, source: Source, source_of: SourceOf, rng: Random, digits: int
) -> Exercise:
    """Return an exercise on the source's text, or on another one if all of its answers lie next to ties.

    Raises
    ------
    UserError
        As in ``build``; another text cannot help if ``source_of`` has only one.
    """
    for _ in range(_TEXTS):
        try:
            return build(topic, level, source, rng, digits)
        except NextToTies:
            source = source_of(rng)
    return build(topic, level, source, rng, digits)


def build(topic: str, level: int, source: Source, rng: Random, digits: int) -> Exercise:
    """Return an exercise of the topic and level whose answer, to so many digits, follows from its own working.

    Raises
    ------
    UserError
        If the model or the text has nothing to ask about in this topic, or only answers next to a tie.
    """
    zero = None
    for _ in range(_TRIES):
        exercise = TOPICS[topic].levels[level - 1](source, rng)._replace(whole=source.whole)
        if is_settled(exercise, digits):
            if exercise.whole or solve(exercise, digits).right:
                return exercise
            zero = exercise  # which has no significant digits, so another is better
    if zero is not None:
        return zero
    raise NextToTies(
        f"every {topic} exercise of level {level} on {quote(source.text)} that was tried lies next to a tie of its "
        f"rounding to {count_of(digits, 'digit')}; choose another number of --digits, another --text or --topic"
    )
