"""Sampling: draw the next token from the model's probabilities with a given uniform number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.array_checks import check_row
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config import GPTConfig, ModelConfig
from numpy_gpt.shared.model.sampling_choice import (
    Draw,
    check_choice,
    check_drawn,
    check_logits,
    check_uniform,
    check_uniforms,
)
from numpy_gpt.shared.model.token_checks import check_prompt
from torch_gpt.decoding import Decoder
from torch_gpt.layers.softmax import softmax_forward
from torch_gpt.model import next_logits
from torch_gpt.parameters import check_parameters, check_tensor, on_host


def token_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    """Return the probabilities (V,) that sampling uses, for the logits (V,) of one position, in float64 on the CPU.

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
    check_logits(_row_of("logits", logits).numpy())
    temperature = float(temperature)
    z = logits.detach().to("cpu", torch.float64)
    if temperature == 0:
        return torch.zeros_like(z).index_fill(0, z.argmax(), 1.0)
    scaled = (z - z.max()) / temperature  # shifted first: a tiny temperature gives −inf, never inf − inf
    if top_k is not None:
        scaled = scaled.index_fill(0, _likeliest_first(scaled)[min(top_k, len(z)) :], -math.inf)
    probabilities = softmax_forward(scaled)
    if top_p < 1:
        likeliest_first = _likeliest_first(scaled)
        sorted_probabilities = probabilities[likeliest_first]
        before = sorted_probabilities.cumsum(0) - sorted_probabilities  # the sum over likelier tokens
        probabilities = probabilities.index_fill(0, likeliest_first[before >= top_p], 0.0)
        probabilities = probabilities / probabilities.sum()
    return probabilities


def _likeliest_first(z: Tensor) -> Tensor:
    return z.argsort(descending=True, stable=True)  # equal logits in order of their ids


def sample_token(probabilities: Tensor, uniform: float) -> int:
    """Return the first token whose cumulative probability (V,) exceeds ``uniform``.

    Raises
    ------
    UserError
        If ``uniform`` is not in [0, 1), or the probabilities are not one row of floating-point numbers of at least 0
        that sum to a finite number above 0.
    """
    check_uniform(uniform)
    row = _row_of("probabilities", probabilities)
    check_row("probabilities", row.numpy())
    cumulative = row.to(torch.float64).cumsum(0)
    total = float(cumulative[-1])
    # Scaled by the total, which rounding may leave just below 1, so that no token of probability 0 can be drawn.
    token = int(torch.searchsorted(cumulative, float(uniform) * total, right=True))
    return check_drawn(token, len(cumulative), total, float(row.min()))


def draws(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    fused: bool = False,
    cache: bool = True,
) -> Iterator[Draw]:
    """Yield a token and its probabilities for each of ``uniforms``; beyond block_size the window slides.

    With ``cache``, a GPT's keys and values are kept until the window slides and every token changes its position; a
    bigram model has none. ``fused`` uses torch's fused operations: the same function.

    Raises
    ------
    UserError
        At once if the parameters do not fit the config, the prompt is empty or contains an id outside the vocabulary,
        or an option is out of range; when its turn comes if a uniform number is not in [0, 1).
    """
    check_choice(temperature, top_k, top_p)
    check_flags(fused=fused, cache=cache)
    check_parameters(parameters, config)
    tokens = check_prompt(on_host(prompt), config)
    return _draws(parameters, config, tokens, check_uniforms(uniforms), temperature, top_k, top_p, fused, cache)


@torch.no_grad()
def _draws(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokens: list[int],
    uniforms: Iterator[float],
    temperature: float,
    top_k: int | None,
    top_p: float,
    fused: bool,
    cache: bool,
) -> Iterator[Draw]:
    decoder = Decoder(parameters, config, fused) if cache and isinstance(config, GPTConfig) else None
    window = config.block_size if isinstance(config, GPTConfig) else 1  # a bigram model looks at the last token only
    for uniform in uniforms:
        if decoder is not None and len(tokens) <= config.block_size:
            logits = decoder.read_checked(_row(tokens[decoder.length :]), last=True)[:, -1]
        else:
            logits = next_logits(parameters, config, _row(tokens[-window:]), fused)
        probabilities = token_probabilities(logits[0], temperature, top_k, top_p)
        tokens.append(sample_token(probabilities, uniform))
        yield Draw(tokens[-1], probabilities.numpy())


def generate(
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    prompt: Sequence[int],
    uniforms: Iterable[float],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    fused: bool = False,
    cache: bool = True,
) -> Iterator[int]:
    """Yield only the tokens of ``draws``; the arguments and errors are the same."""
    drawn = draws(parameters, config, prompt, uniforms, temperature, top_k, top_p, fused, cache)
    return (draw.token for draw in drawn)


def _row_of(name: str, row: Tensor) -> Tensor:
    """Return a tensor (V,) on the CPU; NumPy has no bfloat16, so such a row becomes float32."""
    check_tensor(name, row)
    row = row.detach().cpu()
    return row.float() if row.dtype == torch.bfloat16 else row


def _row(tokens: list[int]) -> Tokens:
    return np.array([tokens], dtype=np.int64)
