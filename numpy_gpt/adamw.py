"""AdamW, Adam with decoupled weight decay, and the exponential moving average (EMA) of the weights it updates.

Kingma & Ba 2015; Loshchilov & Hutter 2019; the average is Polyak & Juditsky's (1992) in its exponential form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_gpt.parameters import Parameters, in_chunks


class AdamWState(NamedTuple):
    """The moving averages of the gradient (m) and of its square (v), laid out like the parameters."""

    m: Parameters
    v: Parameters


def adamw_state(parameters: Parameters) -> AdamWState:
    """Return the state before the first step: all zeros."""
    return AdamWState(parameters.zeros_like(), parameters.zeros_like())


def adamw_step(
    parameters: Parameters,
    gradients: Parameters,
    state: AdamWState,
    step: int,
    learning_rate: float,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None:
    """Take one step in place; ``step`` counts from 1, as the bias correction requires.

    θ ← θ − η·λ·θ for matrices, then θ ← θ − η·m̂/(√v̂ + ε). Only matrices decay: a norm's scale has no reason to be
    near 0. ``gradients`` are overwritten.
    """
    matrices = parameters.decayed
    matrices *= 1 - learning_rate * weight_decay  # (13.3)
    # Processed in chunks that stay in cache; g's memory is reused for intermediate results.
    for theta, g, m, v in in_chunks(parameters.flat, gradients.flat, state.m.flat, state.v.flat):
        m *= beta1
        m += (1 - beta1) * g  # (13.4)
        g *= g
        g *= 1 - beta2
        v *= beta2
        v += g  # (13.5)

        denominator = np.sqrt(v, out=g)
        denominator *= 1 / (1 - beta2**step) ** 0.5  # (13.7): √v̂ = √v / √(1 − β₂ᵗ)
        denominator += epsilon
        change = np.divide(m, denominator, out=denominator)
        change *= learning_rate / (1 - beta1**step)  # (13.6)
        theta -= change  # (13.8)


def update_ema(ema: Parameters, parameters: Parameters, weight: float) -> None:
    """Move the EMA in place toward the parameters, by ``weight`` of the difference (13.11)."""
    for average, theta in in_chunks(ema.flat, parameters.flat):
        change = theta - average
        change *= weight
        average += change
