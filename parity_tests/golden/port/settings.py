"""What a run of the port is given, apart from numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The sizes and constants of a model, of AdamW and of the run; ``accumulate`` micro-batches make up a step."""

    layers: int
    heads: int
    activation: str
    eps: float
    dropout: float
    beta1: float
    beta2: float
    adam_eps: float
    weight_decay: float
    grad_clip: float
    accumulate: int = 1
