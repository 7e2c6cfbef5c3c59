"""The optimizer's update as expressions: clipping, AdamW for every weight, and the forward pass with the new weights.

It is the first step of a training: AdamW's averages start from 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.steps import Sizes, Step
from handcalc.update.adamw import adamw_steps
from handcalc.update.clipping import clipping_steps
from handcalc.update.parameters import parameter_names
from numpy_gpt.shared.model.config import GPTConfig


def update_steps(config: GPTConfig, optimizer: Optimizer, time: int) -> Iterator[Step]:
    """Yield every step from the gradients to the new weights."""
    yield from clipping_steps(config, optimizer, Sizes.of(config, time))
    for name in parameter_names(config):
        yield from adamw_steps(name, optimizer)
