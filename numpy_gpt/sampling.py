"""Sampling: the next token is drawn from the model's probabilities with a given uniform number."""

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

    ``temperature`` divides the logits; at 0 all probability is on the argmax (the first of equals). ``top_k`` keeps
    the k likeliest tokens, of equals those of lower id. ``top_p`` keeps the fewest likeliest tokens whose
    probabilities reach p together (Holtzman et al. 2020), at least one. Then the rest is scaled to sum to 1.

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
        certain: Array = np.eye(len(z))[z.argmax()]
        return certain
    if temperature != 1:
        with np.errstate(over="ignore"):
            z = (z - z.max()) / temperature  # shifted first: a tiny temperature then makes −inf, never inf − inf
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
    return np.argsort(-z, kind="stable")  # of equals that of lower id first


def sample_token(probabilities: Array, uniform: float) -> int:
    """Return the first token at which the cumulated probability (V,) exceeds ``uniform``.

    Raises
    ------
    UserError
        If ``uniform`` is not in [0, 1), or the probabilities do not sum to a finite number above 0.
    """
    check_uniform(uniform)
    cumulated = np.add.accumulate(probabilities, dtype=np.float64)
    total = float(cumulated[-1])  # Python's own: NumPy's would warn of 0·∞ before the error comes
    # Scaled by the last sum, which rounding may leave just below 1; so no token of probability 0 can be drawn.
    return check_drawn(int(cumulated.searchsorted(uniform * total, side="right")), len(cumulated), total)


def draws(
    parameters: Parameters,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    cache: bool = True,
) -> Iterator[Draw]:
    """Yield a new token, and what it was drawn from, for each of ``uniforms``; past block_size the window slides.

    With ``cache``, a GPT's keys and values are kept as long as the window does not slide: a sliding window moves every
    token to another position, which changes all of them. A bigram model looks at the last token, and has none.

    Raises
    ------
    UserError
        If the prompt is empty or holds an id outside the vocabulary, or a choice is out of range.
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
    """Yield the tokens of ``draws`` alone; the same arguments and errors."""
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
        last: Array = decoder.go_on(unread)[0, -1]
        return last

    return logits
