"""Sampling: draw the next token from the model's probabilities with a given uniform number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.decoding import Decoder
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.model import next_logits
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.array_checks import check_array, check_row
from numpy_gpt.shared.model.arrays import Array, Tokens, ieee
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.sampling_choice import (
    Draw,
    check_choice,
    check_drawn,
    check_logits,
    check_uniform,
    check_uniforms,
)
from numpy_gpt.shared.model.token_checks import check_prompt

NextLogits = Callable[[list[int]], Array]
"""Returns the logits (V,) after a list of tokens, which grows from call to call."""


def softmax(z: Array) -> Array:
    """Return the softmax of one row (V,)."""
    return softmax_forward(z)[0]


class Reading(NamedTuple):
    """What computes a text's next token: the logits, and the softmax of a row."""

    logits: NextLogits
    softmax: Callable[[Array], Array] = softmax


@ieee
def token_probabilities(logits: Array, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0) -> Array:
    """Return the probabilities (V,) that sampling uses, for the logits (V,) of one position, in float64.

    ``temperature`` divides the logits; at 0 the argmax gets probability 1 (the first if several are equal). ``top_k``
    keeps the k likeliest tokens, and the lower ids if several are equal. ``top_p`` keeps the smallest set of likeliest
    tokens whose probabilities sum to at least p (Holtzman et al. 2020). The remaining probabilities are scaled to sum
    to 1.

    Raises
    ------
    UserError
        If temperature is negative or not finite, top_k is below 1, top_p is not in (0, 1], or no token can be drawn
        from the logits: they are not one row of floating-point numbers, one is NaN or +inf, or all are −inf.
    """
    check_choice(temperature, top_k, top_p)
    check_array("logits", logits)
    return _probabilities(logits, float(temperature), top_k, top_p, softmax)


def _probabilities(
    logits: Array, temperature: float, top_k: int | None, top_p: float, softmax: Callable[[Array], Array]
) -> Array:
    """Return the result of ``token_probabilities`` for a choice that has been checked."""
    check_logits(logits)
    z = logits.astype(np.float64)
    if temperature == 0:
        certain = np.zeros_like(z)
        certain[z.argmax()] = 1
        return certain
    if temperature != 1:
        z = (z - z.max()) / temperature  # shifted first: a tiny temperature gives −inf, never inf − inf
    if top_k is not None:
        z[_likeliest_first(z)[top_k:]] = -math.inf
    probabilities = softmax(z)
    if top_p < 1:
        order = _likeliest_first(z)
        before = np.cumsum(probabilities[order]) - probabilities[order]
        probabilities[order[before >= top_p]] = 0
        probabilities /= probabilities.sum()
    return probabilities


def _likeliest_first(z: Array) -> NDArray[np.intp]:
    return np.argsort(-z, kind="stable")  # equal logits in order of their ids


@ieee
def sample_token(probabilities: Array, uniform: float) -> int:
    """Return the first token whose cumulative probability (V,) exceeds ``uniform``.

    Raises
    ------
    UserError
        If ``uniform`` is not in [0, 1), or the probabilities are not one row of floating-point numbers of at least 0
        that sum to a finite number above 0.
    """
    check_uniform(uniform)
    check_array("probabilities", probabilities)
    check_row("probabilities", probabilities)
    return _first_beyond(probabilities, uniform)


def _first_beyond(probabilities: Array, uniform: float) -> int:
    """Return the result of ``sample_token`` for arguments that have been checked."""
    cumulative = np.add.accumulate(probabilities, dtype=np.float64)
    total = float(cumulative[-1])
    # Scaled by the total, which rounding may leave just below 1, so that no token of probability 0 can be drawn.
    token = int(cumulative.searchsorted(float(uniform) * total, side="right"))
    return check_drawn(token, len(cumulative), total, float(probabilities.min()))


def draws(
    parameters: Parameters,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    cache: bool = True,
    reading: Callable[[bool], AbstractContextManager[Reading]] | None = None,
) -> Iterator[Draw]:
    """Yield a token and its probabilities for each of ``uniforms``; beyond block_size the window slides.

    With ``cache``, a GPT's keys and values are kept until the window slides: then every token changes its position, and
    all keys and values change too. A bigram model uses only the last token and has none. Given ``cache``, another
    function can open what computes the next token: ``reading``.

    Raises
    ------
    UserError
        At once if the prompt is empty or contains an id outside the vocabulary, or an option is out of range; when its
        turn comes if a uniform number is not in [0, 1).
    """
    check_choice(temperature, top_k, top_p)
    check_flags(cache=cache)
    tokens = check_prompt(prompt, check_parameters(parameters).config)
    opened = nullcontext(Reading(logits_reader(parameters, cache))) if reading is None else reading(cache)
    return _draws(opened, tokens, check_uniforms(uniforms), (float(temperature), top_k, top_p))


def _draws(
    opened: AbstractContextManager[Reading],
    tokens: list[int],
    uniforms: Iterator[float],
    choice: tuple[float, int | None, float],
) -> Iterator[Draw]:
    with opened as reading:
        for uniform in uniforms:
            draw = _draw(reading, tokens, uniform, choice)
            tokens.append(draw.token)
            yield draw


@ieee
def _draw(reading: Reading, tokens: list[int], uniform: float, choice: tuple[float, int | None, float]) -> Draw:
    probabilities = _probabilities(reading.logits(tokens), *choice, reading.softmax)
    check_uniform(uniform)
    return Draw(_first_beyond(probabilities, uniform), probabilities)


def generate(
    parameters: Parameters,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    cache: bool = True,
) -> Iterator[int]:
    """Yield only the tokens of ``draws``; the arguments and errors are the same."""
    return (draw.token for draw in draws(parameters, prompt, uniforms, temperature, top_k, top_p, cache))


def logits_reader(
    parameters: Parameters,
    cache: bool,
    decoder: Decoder | None = None,
    window: Callable[[Tokens], Array] | None = None,
) -> NextLogits:
    """Return what computes the logits after a text that grows.

    With ``cache``, a GPT's text is read by ``decoder``, which has read nothing yet. Another function can compute the
    logits after the last of the tokens (B, T): ``window``.
    """
    window = window or partial(next_logits, parameters)
    if isinstance(parameters.config, BigramConfig):
        return _window_logits(window, 1)
    block_size = parameters.config.block_size
    return (
        _cached_logits(decoder or Decoder(parameters), window, block_size)
        if cache
        else _window_logits(window, block_size)
    )


def _window_logits(window: Callable[[Tokens], Array], length: int) -> NextLogits:
    def logits(tokens: list[int]) -> Array:
        row: Array = window(np.array([tokens[-length:]], dtype=np.int64))[0]
        return row

    return logits


def _cached_logits(decoder: Decoder, window: Callable[[Tokens], Array], block_size: int) -> NextLogits:
    window_logits = _window_logits(window, block_size)

    def logits(tokens: list[int]) -> Array:
        if len(tokens) > block_size:
            return window_logits(tokens)
        unread = np.array([tokens[decoder.length :]], dtype=np.int64)
        last: Array = decoder.read_checked(unread, last=True)[0, -1]
        return last

    return logits
