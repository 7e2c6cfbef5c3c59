"""Sampling: the next token is drawn from the model's probabilities with a given uniform number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from numpy_gpt.gpt import gpt_forward
from numpy_gpt.layers.softmax import softmax_forward
from numpy_gpt.parameters import Parameters
from numpy_gpt.shared.arrays import Array
from numpy_gpt.shared.sampling_choice import check_choice, check_logits


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
    z = (z - z.max()) / temperature  # shifted first: a tiny temperature then makes −inf, never inf − inf
    order = np.argsort(-z, kind="stable")
    if top_k is not None:
        z[order[top_k:]] = -math.inf
    probabilities, _ = softmax_forward(z)
    if top_p < 1:
        before = np.cumsum(probabilities[order]) - probabilities[order]
        probabilities[order[before >= top_p]] = 0
        probabilities /= probabilities.sum()
    return probabilities


def sample_token(probabilities: Array, uniform: float) -> int:
    """Return the first token at which the cumulated probability (V,) exceeds ``uniform`` in [0, 1)."""
    cumulated = np.cumsum(probabilities)
    # Scaled by the last sum, which rounding may leave just below 1; so no token of probability 0 can be drawn.
    return int(np.searchsorted(cumulated, uniform * cumulated[-1], side="right"))


def generate(
    parameters: Parameters,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Iterator[int]:
    """Yield one new token for each number in ``uniforms``; past block_size the window slides.

    Raises
    ------
    UserError
        If the prompt is empty or holds an id outside the vocabulary, or a choice is out of range.
    """
    check_choice(temperature, top_k, top_p)
    tokens = [int(token) for token in prompt]
    for uniform in uniforms:
        window = np.array([tokens[-parameters.config.block_size :]], dtype=np.int64)
        logits, _ = gpt_forward(parameters, window)
        tokens.append(sample_token(token_probabilities(logits[0, -1], temperature, top_k, top_p), uniform))
        yield tokens[-1]
