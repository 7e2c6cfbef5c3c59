"""What the port is given: models at two scales of weights, random ones, and numpy_gpt's own results for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.golden.pack.case import default_case
from numpy_gpt.golden.pack.form import SEED
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.config import ACTIVATIONS, GPTConfig
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.model.token_checks import IGNORED_TARGET
from numpy_gpt.shared.training.randomness import dropout_masks
from parity_tests.golden.port.bug import Bug
from parity_tests.golden.port.run import Arrays, Job

OPTIMIZER = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1, "grad_clip": 1.0}
_SIZES = (1, 2, 3, 4, 5, 7, 8)
_HEADS_AND_SIZES = ((1, 1), (1, 4), (2, 1), (2, 3), (3, 2), (3, 4), (5, 1), (2, 8), (4, 4))


def random_job(seed: int, *, steps: int = 2, scale: float | None = None) -> Job:
    """Return a job of a random config, of any kind that a GPTConfig allows, and random weights, tokens and targets."""
    rng = np.random.default_rng(seed)
    heads, size = _HEADS_AND_SIZES[rng.integers(len(_HEADS_AND_SIZES))]
    config = GPTConfig(
        vocab_size=int(rng.choice((2, 3, 5, 11))),
        block_size=int(rng.choice(_SIZES)),
        n_layer=int(rng.integers(0, 4)),
        n_head=heads,
        n_embd=heads * size,
        bias=bool(rng.integers(2)),
        tie_weights=bool(rng.integers(2)),
        activation=str(rng.choice(ACTIVATIONS)),
        dropout=float(rng.choice((0.0, 0.0, 0.2))),
        layer_norm_epsilon=float(rng.choice((1e-5, 1e-5, 1e-6))),
    )
    time, batch = int(rng.integers(1, config.block_size + 1)), int(rng.integers(1, 4))
    scale = float(np.exp(rng.uniform(np.log(0.02), np.log(1.0)))) if scale is None else scale
    parameters = {
        name: _like_float32(
            scale * rng.standard_normal(shape) + (len(shape) == 1 and name.endswith(".weight")),
        )
        for name, shape in parameter_shapes(config).items()
    }
    tokens, targets = (rng.integers(0, config.vocab_size, (steps, batch, time)) for _ in range(2))
    if rng.random() < 0.3:
        drawn = rng.random(targets.shape)
        targets[(drawn < 0.3) & (drawn < drawn.max((1, 2), keepdims=True))] = IGNORED_TARGET
    optimizer = OPTIMIZER | {
        "grad_clip": float(rng.choice((0.0, 0.01, 1.0))),
        "beta2": float(rng.choice((0.95, 0.999))),
    }
    masks = [dropout_masks(config, batch, time, seed, step, "float64") for step in range(steps)]
    rates = [float(rate) for rate in np.exp(rng.uniform(np.log(1e-4), np.log(1e-2), steps))]
    return Job(config, parameters, tokens, targets, rates, optimizer, masks if config.dropout else ())


def reference(job: Job, dtype: str = "float64") -> Arrays:
    """Return numpy_gpt's own arrays for a job, under the names of a pack."""
    parameters = parameters_from(job.config, {name: x.astype(dtype) for name, x in job.parameters.items()})
    state, arrays = adamw_state(parameters), {}
    for step in range(job.steps):
        found: Arrays = {}
        masks = {name: x.astype(dtype) for name, x in job.masks[step].items()} if job.masks else None
        loss, gradients = loss_and_gradients(
            parameters, job.tokens[step], job.targets[step], masks, record=keep_in(found)
        )
        found |= {"loss": np.array(loss)} | {gradient_name(name): x.copy() for name, x in gradients.items()}
        flat = parameters_from(job.config, gradients)
        found["clipping.norm"] = np.array(clip_gradients(flat, job.optimizer["grad_clip"]))
        found |= {f"clipped.{name}": x.copy() for name, x in flat.items()}
        rest = {name: value for name, value in job.optimizer.items() if name != "grad_clip"}
        adamw_step(parameters, flat, state, step + 1, job.rates[step], **rest)
        for word, tensors in (("m", state.m), ("v", state.v), ("updated", parameters)):
            found |= {f"{word}.{name}": x.copy() for name, x in tensors.items()}
        arrays |= {("" if step == 0 else f"step{step + 1}.") + name: x for name, x in found.items()}
    return arrays


def _like_float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(np.float64)


def job(scale: str = "loud", needs: str = "") -> Job:
    """Return the job of one of the ``SCALES``, with what a bug needs: dropout, padding, relu, untied.

    Loud and without needs, it is that of the pack which `golden pack` writes by default.
    """
    case = default_case(3, SEED)
    config = replace(
        case.config,
        tie_weights=needs != "untied",
        activation="relu" if needs == "relu" else "gelu_tanh",
        dropout=0.25 if needs == "dropout" else 0.0,
    )
    rng = np.random.default_rng(22)
    parameters = dict(case.parameters)
    if needs == "untied":
        parameters["lm_head.weight"] = _like_float32(0.5 * rng.standard_normal(parameters["wte.weight"].shape))
    if scale != "loud":
        parameters = {name: SCALES[scale](rng, config, name, shape) for name, shape in parameter_shapes(config).items()}
    tokens, targets = np.array(case.tokens), np.array(case.targets)
    if needs == "padding":
        targets[:, 1, 2:] = targets[:, 3, 4:] = IGNORED_TARGET
    batch, time = case.batch_shape
    masks = [dropout_masks(config, batch, time, 22, step, "float64") for step in range(3)] if needs == "dropout" else ()
    optimizer = dict(case.optimizer) | ({} if scale == "loud" else {"grad_clip": _CLIP[scale]})
    return Job(config, parameters, tokens, targets, case.learning_rates, optimizer, masks)


def job_for(scale: str, bug: Bug) -> Job:
    """Return the job in which a bug can be seen."""
    return job(scale, bug.needs if bug.needs in ("dropout", "padding", "relu", "untied") else "")


_CLIP = {"quiet": 0.8, "quiet-noisy": 0.72}
"""Between the norms of the steps' gradients: clipping is active in one step and not in another."""


def _quiet(rng: np.random.Generator, config: GPTConfig, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 1:
        return np.full(shape, float(name.endswith(".weight")))
    std = 0.02 / (2 * config.n_layer) ** 0.5 if name.endswith("c_proj.weight") else 0.02
    return _like_float32(std * rng.standard_normal(shape))


def _quiet_noisy(rng: np.random.Generator, config: GPTConfig, name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = 0.02 * rng.standard_normal(shape) if len(shape) == 1 else 0.0
    return _like_float32(_quiet(rng, config, name, shape) + noise)


SCALES: dict[str, Any] = {"loud": None, "quiet": _quiet, "quiet-noisy": _quiet_noisy}
"""Loud weights show mistakes; quiet ones are GPT-2's initial weights, where biases are 0 and norms are 1; with
quiet-noisy, biases and norms are a little off."""


class GivenPack(NamedTuple):
    """A pack that was never written: what a checker reads of one."""

    config: GPTConfig
    optimizer: Mapping[str, float]
    learning_rates: Sequence[float]
    batch: int
    time: int
    steps: int
    level: str
    arrays: Mapping[str, np.ndarray]


def pack_of(job: Job) -> GivenPack:
    """Return the pack of a job."""
    given: Arrays = {}
    for step in range(job.steps):
        prefix = "" if step == 0 else f"step{step + 1}."
        given |= {prefix + "tokens": job.tokens[step], prefix + "targets": job.targets[step]}
        given |= {f"{prefix}mask.{name}": x for name, x in job.masks[step].items()} if job.masks else {}
    arrays = given | dict(job.parameters) | reference(job)
    _, batch, time = job.tokens.shape
    return GivenPack(job.config, job.optimizer, job.rates, batch, time, job.steps, "all", arrays)
