"""Softmax, its backward pass, and cross-entropy (formulas 2, 3 and 7; Blanchard, D. Higham & N. Higham 2021)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.tolerances.linear import mean
from numpy_gpt.tolerances.rounding import ELEMENTARY, Bounded, Float64, bounded

_LARGEST_EXPONENT = 50.0  # e^50 times any probability is vacuous anyway; the clip keeps exp from overflowing


class Softmax(NamedTuple):
    """Every array that a softmax computes, by the names that it records."""

    max: Bounded
    exponentials: Bounded
    sum: Bounded
    probabilities: Bounded


class _Row(NamedTuple):
    shifted: Float64  # |x − max|, 0 where x is −inf
    error: Float64  # of x, 0 where x is −inf
    probabilities: Float64
    growth: Float64  # how much the logarithm of the sum may move


def softmax(x: Bounded) -> Softmax:
    """Return softmax over the last axis.

    Formula 2 with an input error: pⱼ·expm1(eⱼ + G + u(|zⱼ| + Σpᵢ|zᵢ| + n + 2c + 1)), z = x − max. |zⱼ| is the
    subtraction's rounding, which exp turns into a relative error; its average Σp|z| and n come with the sum; the rest
    is exp twice and the division. G = log Σpᵢexp(eᵢ) ≥ Σpᵢeᵢ (Jensen) makes it hold for large e as well.
    Masked entries (−inf) are exactly 0, and no probability is off by more than 1.
    """
    unit, row = x.rounding.unit, _row(x)
    largest = x.value.max(-1)
    exponentials = np.exp(x.value - largest[..., None])
    moved = row.error.max(-1)  # a maximum moves by no more than the entry that moves most
    grown = np.expm1(_clip(row.error + moved[..., None] + unit * (row.shifted + ELEMENTARY)))
    lost = np.where(np.isfinite(x.value), x.rounding.underflow, 0)
    spread = bounded(exponentials, np.minimum(exponentials * grown, 1) + lost, x)
    n = x.shape[-1]
    summed = spread.error.sum(-1) + x.rounding.gamma(n - 1) * spread.magnitude.sum(-1)
    average = (row.probabilities * row.shifted).sum(-1, keepdims=True)
    relative = row.error + row.growth + unit * (row.shifted + average + n + 2 * ELEMENTARY + 1)
    error = np.minimum(row.probabilities * np.expm1(_clip(relative)), 1) + lost
    return Softmax(
        bounded(largest, moved, x),
        spread,
        bounded(exponentials.sum(-1), summed, x),
        bounded(row.probabilities, error, x),
    )


def softmax_backward(dp: Bounded, p: Bounded, through: tuple[Bounded, Bounded] | None = None) -> Bounded:
    """Return p·(dp − Σp·dp).

    Formula 7: p[γ_{n+3}Σ|p·dp| + u|dp − dot|] + 3u|dx|. Multiplying dp − dot by p needs only γ_{n+1}; two more cover
    the form p·dp − p·dot.
    """
    unit = p.rounding.unit
    products = p.magnitude * dp.magnitude
    dot = (p.value * dp.value).sum(-1, keepdims=True)
    moved_dot = (p.error * np.abs(dp.value) + p.magnitude * dp.error).sum(-1, keepdims=True)
    bracket = np.abs(dp.value - dot)
    out = p.value * (dp.value - dot)
    moved = p.error * bracket + p.magnitude * (dp.error + moved_dot)
    summed = p.rounding.gamma(p.shape[-1] + 3) * products.sum(-1, keepdims=True)
    if through is not None:
        width = through[0].shape[-1]
        summed = summed + p.rounding.gamma(width) * (through[0].magnitude * through[1].magnitude).sum(-1, keepdims=True)
    local = p.magnitude * (summed + unit * (bracket + dp.error + moved_dot))
    local = local + 3 * unit * (np.abs(out) + moved) + np.where(p.value > 0, p.rounding.underflow, 0)
    return bounded(out, moved + local, p)


def recomputed(p: Bounded, q: Bounded, k: Bounded, factor: float) -> Bounded:
    """Return attention's weights as its backward pass may use them, with an added error p·expm1(γ_{D+2}·(|q||k|ᵀ)/√D).

    Fused kernels keep log-sum-exp and compute exp(scores − log-sum-exp) from recomputed scores
    (Dao et al. 2022, algorithm 4). Softmax ignores an error that all scores of a row share; this form does not.
    """
    scores = q.magnitude @ k.magnitude.swapaxes(-1, -2) * factor
    grown = np.expm1(_clip(p.rounding.gamma(q.shape[-1] + 2) * scores))
    return bounded(p.value, np.minimum(p.error + p.magnitude * grown, 1), p)


class CrossEntropy(NamedTuple):
    """Every array that cross-entropy computes, by the names that it records."""

    softmax: Softmax
    losses: Bounded
    loss: Bounded


def cross_entropy(logits: Bounded, targets: np.ndarray) -> CrossEntropy:
    """Return −log softmax(logits)[target] at each position, 0 for a negative target, and the mean of the others.

    Formula 3, for L = log S − z_y: u·(Σp|z| + V + c + c|log S| + |z_y| + |L|): the errors of S relative to S, of the
    logarithm, of z_y and of the subtraction. An input error moves log S by at most G (see softmax) and z_y by its own.
    """
    unit, row, counted = logits.rounding.unit, _row(logits), targets >= 0
    at_target = np.maximum(targets, 0)[..., None]
    shifted_target = np.take_along_axis(row.shifted, at_target, -1)[..., 0]
    log_sum = np.log(np.exp(logits.value - logits.value.max(-1, keepdims=True)).sum(-1))
    losses = log_sum + shifted_target
    average = (row.probabilities * row.shifted).sum(-1)
    local = unit * (
        average + logits.shape[-1] + ELEMENTARY + ELEMENTARY * np.abs(log_sum) + shifted_target + np.abs(losses)
    )
    moved = row.growth[..., 0] + np.take_along_axis(row.error, at_target, -1)[..., 0]
    per_place = bounded(np.where(counted, losses, 0), np.where(counted, moved + local, 0), logits)
    average_loss = mean(bounded(losses[counted], (moved + local)[counted], logits))  # adding a 0 rounds nothing
    return CrossEntropy(softmax(logits), per_place, average_loss)


def cross_entropy_backward(p: Bounded, targets: np.ndarray) -> Bounded:
    """Return (p − onehot)/N, and exactly 0 for a negative target.

    Its error is (e_p + 3u|p − 1_y|)/N: formula 3's gradient, absolute, not relative to p.
    """
    difference = p.value.copy()
    counted, at_target = targets >= 0, np.maximum(targets, 0)[..., None]
    np.put_along_axis(difference, at_target, np.take_along_axis(difference, at_target, -1) - 1, -1)
    count = counted.sum()
    error = (p.error + 3 * p.rounding.unit * (np.abs(difference) + p.error)) / count + p.rounding.underflow
    return bounded(counted[..., None] * difference / count, counted[..., None] * error, p)


def _row(x: Bounded) -> _Row:
    allowed = np.isfinite(x.value)
    shifted = x.value - x.value.max(-1, keepdims=True)
    probabilities = np.exp(shifted)
    probabilities = probabilities / probabilities.sum(-1, keepdims=True)
    error = np.where(allowed, x.error, 0.0)
    growth = np.log((probabilities * np.exp(_clip(error))).sum(-1, keepdims=True))
    return _Row(np.where(allowed, np.abs(shifted), 0.0), error, probabilities, np.maximum(growth, 0))


def _clip(exponent: Float64) -> Float64:
    return np.minimum(exponent, _LARGEST_EXPONENT)
