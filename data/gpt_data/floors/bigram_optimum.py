"""The lowest loss of any bigram table on a text, and the loss of a table counted on another text.

A bigram table q predicts each token b from the token before it, a, with probability q(b | a). With n(a, b) the number
of positions where b follows a, n(a) = Σ_b n(a, b) and N = Σ_a n(a) neighbouring pairs, its loss on the text is

    L(q) = −1/N Σ n(a, b)·ln q(b | a)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, ids_in_vocabulary, whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe

_DENSE = 1 << 20  # up to this many possible pairs are counted in one table; above, the pairs that occur are sorted
_LARGEST_VOCABULARY = 3_037_000_499  # the largest integer whose square fits int64


class _Pairs(NamedTuple):
    """The distinct pairs of a text, ascending, and their counts; a pair (a, b) is stored as a·V + b."""

    codes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def bigram_optimum(tokens: npt.ArrayLike, vocab_size: int) -> float:
    """Return the lowest loss that a bigram table can have on the text, in nats per token, over all neighbouring pairs.

    It is the conditional entropy of the counts, the loss of q*(b | a) = n(a, b)/n(a):

        L(q*) = −1/N Σ n(a, b)·ln(n(a, b)/n(a))

    No table has a lower loss. For any q, by ln x ≤ x − 1 (Gibbs' inequality), for each row over the b that do follow a,

        Σ_b q*(b | a)·ln(q(b | a)/q*(b | a)) ≤ Σ_b (q(b | a) − q*(b | a)) ≤ 1 − 1 = 0

    and weighing row a by n(a)/N gives L(q*) − L(q) ≤ 0.

    Parameters
    ----------
    tokens
        The text (n,), N = n − 1.
    vocab_size
        V; every id is below it.

    Raises
    ------
    UserError
        If the text has fewer than two tokens or an id outside the vocabulary.
    """
    codes, counts = _pairs(tokens, vocab_size, "tokens")
    _, row = np.unique(codes // vocab_size, return_inverse=True)
    row_counts = np.bincount(row, weights=counts)[row]
    return float(-(counts * np.log(counts / row_counts)).sum() / counts.sum()) + 0.0  # 0 and never −0


def bigram_counts_loss(train: npt.ArrayLike, val: npt.ArrayLike, vocab_size: int, smoothing: float = 1.0) -> float:
    """Return the loss on one text of a table counted on another, in nats per token, over all neighbouring pairs.

        q(b | a) = (n(a, b) + s) / (n(a) + s·V)

    The smoothing s gives pairs absent from the training text a probability above 0. Without it (s = 0) a single such
    pair makes the loss infinite, and infinity is returned.

    Parameters
    ----------
    train, val
        The text to count and the text to predict, (n,) each.
    vocab_size
        V; every id of both texts is below it.
    smoothing
        s, added to each pair's count; at least 0.

    Raises
    ------
    UserError
        If a text has fewer than two tokens or an id outside the vocabulary, or smoothing is negative or not finite.
    """
    if isinstance(smoothing, bool) or not isinstance(smoothing, int | float) or not 0 <= smoothing < math.inf:
        raise UserError(f"smoothing must be a finite number of at least 0, not {describe(smoothing)}")
    known, asked = _pairs(train, vocab_size, "train tokens"), _pairs(val, vocab_size, "val tokens")
    firsts, row = np.unique(known.codes // vocab_size, return_inverse=True)
    first_counts = np.bincount(row, weights=known.counts)
    pair_counts = _look_up(asked.codes, known.codes, known.counts) + smoothing
    row_counts = _look_up(asked.codes // vocab_size, firsts, first_counts) + smoothing * vocab_size
    if not pair_counts.all():
        return math.inf
    return float((asked.counts * np.log(row_counts / pair_counts)).sum() / asked.counts.sum())


def _pairs(tokens: npt.ArrayLike, vocab_size: int, what: str) -> _Pairs:
    size = whole_number("vocab_size", vocab_size, 1)
    if size > _LARGEST_VOCABULARY:
        raise UserError(
            f"vocab_size must be at most {_LARGEST_VOCABULARY}, not {describe(size)}: a pair of ids must fit 64 bits"
        )
    ids: TokenIds = ids_in_vocabulary(tokens, size, what)
    if ids.size < 2:
        raise UserError(f"{what} must be at least two, to have neighbours, not {ids.size}; use a longer text")
    codes = ids[:-1].astype(np.int64) * size + ids[1:].astype(np.int64)
    if size * size > _DENSE:
        return _Pairs(*np.unique(codes, return_counts=True))
    counts = np.bincount(codes)
    found = np.flatnonzero(counts)
    return _Pairs(found, counts[found])


def _look_up(
    wanted: npt.NDArray[np.int64], keys: npt.NDArray[np.int64], values: npt.NDArray[np.integer | np.floating]
) -> npt.NDArray[np.float64]:
    """Return the value of each wanted key, or 0 if it is not among the ascending keys."""
    index = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[index] == wanted, values[index], 0).astype(np.float64)
