"""A draw of the next token, and checks of its probabilities and options, the same for both twins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe
from numpy_gpt.shared.model.argument_checks import check_number
from numpy_gpt.shared.model.array_checks import check_row
from numpy_gpt.shared.model.arrays import Array


class Draw(NamedTuple):
    """A drawn token, and the probabilities (V,) it was drawn from: NumPy's float64 in both twins."""

    token: int
    probabilities: Array


def check_choice(temperature: float, top_k: int | None, top_p: float) -> None:
    """Check temperature, top-k and top-p.

    Raises
    ------
    UserError
        If temperature is not a number, negative or not finite, top_k is not a whole number of at least 1, or top_p is
        not in (0, 1].
    """
    check_number("temperature", temperature)
    check_number("top_p", top_p)
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature must be at least 0 and finite, not {temperature}; 0 takes the likeliest token")
    if top_k is not None:
        whole_number("top_k", top_k, 1, "leave it out to keep every token")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p must lie in (0, 1], not {top_p}; 1 keeps every token")


def check_uniform(uniform: float) -> None:
    """Check the uniform number that selects a token.

    Raises
    ------
    UserError
        If it is not a number in [0, 1).
    """
    check_number("the uniform number that picks a token", uniform)
    if not 0 <= uniform < 1:
        raise UserError(f"the uniform number that picks a token must lie in [0, 1), not {uniform}")


def check_uniforms(uniforms: Any) -> Iterator[float]:
    """Return an iterator over the uniform numbers, each of which ``check_uniform`` checks when its turn comes.

    Raises
    ------
    UserError
        If there is nothing to iterate over.
    """
    if not isinstance(uniforms, Iterable) or getattr(uniforms, "ndim", 1) == 0:
        raise UserError(f"uniforms must be a sequence of numbers in [0, 1), not {describe(uniforms)}")
    return iter(uniforms)


def check_drawn(token: int, vocab_size: int, total: float, least: float) -> int:
    """Return the token that was found by searching cumulative probabilities (V,) that end in ``total``.

    Raises
    ------
    UserError
        If ``total`` is not above 0, the token lies past the end, which happens only if ``total`` is 0, infinite or NaN,
        or ``least``, the smallest of the probabilities, is negative.
    """
    remedy = "make them by token_probabilities"
    if not (token < vocab_size and total > 0):
        raise UserError(f"probabilities must sum to a finite number above 0, not {total}; {remedy}")
    if least < 0:
        raise UserError(f"probabilities must be at least 0, but the smallest is {least}; {remedy}")
    return token


def check_logits(logits: Array) -> None:
    """Check the logits (V,) of one position, a NumPy array; −inf marks an impossible token.

    Raises
    ------
    UserError
        If they are not one row of floating-point numbers, one is NaN or +inf, or all are −inf, so that no token is
        possible.
    """
    check_row("logits", logits)
    if math.isfinite(logits[logits.argmax()]):  # false if there is a NaN or +inf, or if all are −inf
        return
    bad = np.isnan(logits) | (logits == math.inf)
    if bad.any():
        raise UserError(f"logits must be numbers, but the one of token {int(bad.argmax())} is {logits[bad][0]}")
    raise UserError("at least one logit must be a number, but all are -inf: no token is possible")
