"""What depends on the step alone: the learning rate, the weight of an EMA, and which steps have a snapshot."""

from __future__ import annotations

import math


def learning_rate_at(
    step: int, *, learning_rate: float, min_lr: float, warmup_iters: int, lr_decay_iters: int
) -> float:
    """Return the learning rate of ``step``, counted from 0: linear warm-up, then half a cosine, as in nanoGPT.

    Warm-up: learning_rate·(step + 1)/(warmup_iters + 1) (13.9). Then a cosine from learning_rate down to min_lr at
    lr_decay_iters (13.10), and min_lr after that.
    """
    if step < warmup_iters:
        return learning_rate * (step + 1) / (warmup_iters + 1)
    if step >= lr_decay_iters:
        return min_lr
    progress = (step - warmup_iters) / (lr_decay_iters - warmup_iters)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (learning_rate - min_lr)


def ema_weight(step: int, ema_decay: float) -> float:
    """Return the weight of the newest parameters in their EMA after ``step`` steps, counted from 1.

    1 − min(ema_decay, (1 + step)/(10 + step)) (13.12): in the first steps the smaller decay quickly removes the
    initial values from the EMA.
    """
    return 1 - min(ema_decay, (1 + step) / (10 + step))


def snapshot_steps(count: int, max_iters: int) -> list[int]:
    """Return ``count`` steps from 0 to max_iters, increasing and, after the first, spaced as a logarithm.

    8 of 6000 steps: 0, 1, 4, 18, 77, 330, 1408, 6000. The first is the untrained model; the others are the powers
    max_iters^(0/6), max_iters^(1/6) … max_iters^(6/6), rounded, but each at least one more than the one before.

    Raises
    ------
    ValueError
        If there are not so many steps.
    """
    if not (count == 0 or 2 <= count <= max_iters + 1):
        raise ValueError(f"there are no {count} steps from 0 to {max_iters}")
    if count <= 2:
        return [0, max_iters][:count]
    steps = [0]
    for place in range(count - 1):
        steps.append(max(steps[-1] + 1, round(max_iters ** (place / (count - 2)))))
    return steps
