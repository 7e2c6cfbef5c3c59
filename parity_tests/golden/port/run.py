"""Run the port on a job that is given in the project's names, and translate what it computed into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from parity_tests.golden.port.model import train
from parity_tests.golden.port.settings import Settings
from parity_tests.golden.port.switches import Switches
from parity_tests.golden.port.table import own_masks, own_parameters, project_name, to_project

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Job:
    """What a port is to compute: parameters by the project's names, tokens and targets (steps, B, T), rates, masks."""

    config: GPTConfig
    parameters: Mapping[str, np.ndarray]
    tokens: np.ndarray
    targets: np.ndarray
    rates: Sequence[float]
    optimizer: Mapping[str, float]
    masks: Sequence[Mapping[str, np.ndarray]] = ()

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return len(self.tokens)


def run(job: Job, *bugs: str, dtype: str = "float64", accumulate: int = 1) -> Arrays:
    """Return every array that the port computed, by the project's names; steps from 2 on have the prefix ``stepK.``."""
    config, kind = job.config, getattr(torch, dtype)
    settings = Settings(
        layers=config.n_layer,
        heads=config.n_head,
        activation=config.activation,
        eps=config.layer_norm_epsilon,
        dropout=config.dropout,
        beta1=job.optimizer["beta1"],
        beta2=job.optimizer["beta2"],
        adam_eps=job.optimizer["epsilon"],
        weight_decay=job.optimizer["weight_decay"],
        grad_clip=job.optimizer["grad_clip"],
        accumulate=accumulate,
    )
    weights = {name: _tensor(x, kind) for name, x in own_parameters(config, job.parameters).items()}
    batches = [(torch.tensor(x).long(), torch.tensor(y).long()) for x, y in zip(job.tokens, job.targets, strict=True)]
    masks = [{name: _tensor(x, kind) for name, x in own_masks(config, of_step).items()} for of_step in job.masks]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps = train(weights, batches, masks or [{}] * job.steps, job.rates, settings, Switches(*bugs))
    finally:
        torch.set_num_threads(threads)
    arrays: Arrays = {}
    shapes = _parameters(config)
    for number, step in enumerate(steps, 1):
        prefix = "" if number == 1 else f"step{number}."
        for own, tensor in step.items():
            name = project_name(own)
            if name is not None and not _is_of_copied_head(name, shapes):
                arrays[prefix + name] = to_project(own, tensor)
    return arrays


def _tensor(array: np.ndarray, kind: torch.dtype) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array)).to(kind)


def _is_of_copied_head(name: str, parameters: frozenset[str]) -> bool:
    """Return whether a tensor is of a head that a port made by untying: the project's list does not have it."""
    return "lm_head" in name and "lm_head.weight" not in parameters


@lru_cache(maxsize=64)
def _parameters(config: GPTConfig) -> frozenset[str]:
    return frozenset(parameter_shapes(config))
