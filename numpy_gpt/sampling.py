"""Sampling: draw the next token from the model's probabilities with a given uniform number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from numpy_gpt.decoding import Decoder
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.model import model_forward
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.inputs import check_prompt
from numpy_gpt.shared.model.sampling_choice import Draw, check_choice, check_drawn, check_logits, check_uniform


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
        from the logits: one is NaN or +inf, or all are −inf.
    """
    check_choice(temperature, top_k, top_p)
    z = logits.astype(np.float64)
    check_logits(z)
    if temperature == 0:
        certain = np.zeros_like(z)
        certain[z.argmax()] = 1
        return certain
    if temperature != 1:
        with np.errstate(over="ignore"):
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


def sample_token(probabilities: Array, uniform: float) -> int:
    """Return the first token whose cumulative probability (V,) exceeds ``uniform``.

    Raises
    ------
    UserError
        If ``uniform`` is not in [0, 1), or the probabilities do not sum to a finite number above 0.
    """
    check_uniform(uniform)
    cumulative = np.add.accumulate(probabilities, dtype=np.float64)
    total = float(cumulative[-1])  # a Python float: NumPy's would warn of 0·∞ before the error is raised
    # Scaled by the total, which rounding may leave just below 1, so that no token of probability 0 can be drawn.
    return check_drawn(int(cumulative.searchsorted(uniform * total, side="right")), len(cumulative), total)


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
        If the prompt is empty or contains an id outside the vocabulary, or an option is out of range.
    """
    check_choice(temperature, top_k, top_p)
    tokens = list(check_prompt(prompt, parameters.config))
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
    for draw in draws(parameters, prompt, uniforms, temperature, top_k, top_p, cache):
        yield draw.token


def _next_logits(parameters: Parameters, cache: bool) -> Callable[[list[int]], Array]:
    if isinstance(parameters.config, BigramConfig):
        return _window_logits(parameters, 1)
    return _cached_logits(parameters) if cache else _window_logits(parameters, parameters.config.block_size)


def _window_logits(parameters: Parameters, length: int) -> Callable[[list[int]], Array]:
    def logits(tokens: list[int]) -> Array:
        window = np.array([tokens[-length:]], dtype=np.int64)
        all_logits, _ = model_forward(parameters, window)
        last: Array = all_logits[0, -1]
        return last

    return logits


def _cached_logits(parameters: Parameters) -> Callable[[list[int]], Array]:
    block_size = parameters.config.block_size
    decoder, window_logits = Decoder(parameters), _window_logits(parameters, block_size)

    def logits(tokens: list[int]) -> Array:
        if len(tokens) > block_size:
            return window_logits(tokens)
        unread = np.array([tokens[decoder.length :]], dtype=np.int64)
        last: Array = decoder.read_checked(unread)[0, -1]
        return last

    return logits
