"""Sampling: draw the next token from the model's probabilities with a given uniform number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.decoding import Decoder
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.model import next_logits
from numpy_gpt.parameters import Parameters, check_parameters
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.array_checks import check_array, check_row
from numpy_gpt.shared.model.arrays import Array, ieee
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
    check_logits(logits)
    temperature = float(temperature)
    z = logits.astype(np.float64)
    if temperature == 0:
        certain = np.zeros_like(z)
        certain[z.argmax()] = 1
        return certain
    if temperature != 1:
        z = (z - z.max()) / temperature  # shifted first: a tiny temperature gives −inf, never inf − inf
    if top_k is not None:
        z[_likeliest_first(z)[top_k:]] = -math.inf
    probabilities, _ = softmax_forward(z)
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
) -> Iterator[Draw]:
    """Yield a token and its probabilities for each of ``uniforms``; beyond block_size the window slides.

    With ``cache``, a GPT's keys and values are kept until the window slides: then every token changes its position, and
    all keys and values change too. A bigram model uses only the last token and has none.

    Raises
    ------
    UserError
        At once if the prompt is empty or contains an id outside the vocabulary, or an option is out of range; when its
        turn comes if a uniform number is not in [0, 1).
    """
    check_choice(temperature, top_k, top_p)
    check_flags(cache=cache)
    tokens = check_prompt(prompt, check_parameters(parameters).config)
    return _draws(parameters, tokens, check_uniforms(uniforms), temperature, top_k, top_p, cache)


def _draws(
    parameters: Parameters,
    tokens: list[int],
    uniforms: Iterator[float],
    temperature: float,
    top_k: int | None,
    top_p: float,
    cache: bool,
) -> Iterator[Draw]:
    next_logits = _next_logits(parameters, cache)
    for uniform in uniforms:
        probabilities = token_probabilities(next_logits(tokens), temperature, top_k, top_p)
        tokens.append(sample_token(probabilities, uniform))
        yield Draw(tokens[-1], probabilities)


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


def _next_logits(parameters: Parameters, cache: bool) -> Callable[[list[int]], Array]:
    if isinstance(parameters.config, BigramConfig):
        return _window_logits(parameters, 1)
    return _cached_logits(parameters) if cache else _window_logits(parameters, parameters.config.block_size)


def _window_logits(parameters: Parameters, length: int) -> Callable[[list[int]], Array]:
    def logits(tokens: list[int]) -> Array:
        window = np.array([tokens[-length:]], dtype=np.int64)
        row: Array = next_logits(parameters, window)[0]
        return row

    return logits


def _cached_logits(parameters: Parameters) -> Callable[[list[int]], Array]:
    block_size = parameters.config.block_size
    decoder, window_logits = Decoder(parameters), _window_logits(parameters, block_size)

    def logits(tokens: list[int]) -> Array:
        if len(tokens) > block_size:
            return window_logits(tokens)
        unread = np.array([tokens[decoder.length :]], dtype=np.int64)
        last: Array = decoder.read_checked(unread, last=True)[0, -1]
        return last

    return logits
