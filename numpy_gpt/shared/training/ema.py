"""How fast a running average of the weights follows them."""

from __future__ import annotations


def ema_weight(step: int, ema_decay: float) -> float:
    """Return the part of the average that the weights make up after ``step`` steps, counted from 1.

    1 − min(ema_decay, (1 + step)/(10 + step)) (13.12): early averages forget the initial values fast.
    """
    return 1 - min(ema_decay, (1 + step) / (10 + step))
