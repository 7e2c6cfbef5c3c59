"""Whether the fast ways of training train the same: their losses, step by step, beside the explicit float32 path's.

How far two correct implementations drift apart is not theirs to decide: training amplifies whatever rounding there is.
So, as in ``parity_tests/fast/test_engine.py``, a control says how far is too far: the explicit path itself, with errors
of a rounding's size put in. A way of training may be four times as far off as the control ever was by then, and beside
that by 16 roundings of the loss itself, and in half precision by one of the first logits, which come out rounded. There
is no dropout, since each path draws its own, and batches are small, since the explicit path is slow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.gpu.variants import Setting, Variant, engine_of
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.schedule import learning_rate_at
from torch_gpt.engine import TorchEngine

UNIT = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
SEEDS = 2
LARGEST_BATCH = 16
Losses = npt.NDArray[np.float64]

# How many units of rounding the control is off by. In float32 it is c of the tolerances, for elementary functions and
# for sums in another order (parity_tests/support/lockstep.py); in half precision it is one: only what goes into a
# product is rounded, once, and sums are kept in float32, but where cuBLAS adds up parts of a product.
NOISE = {"float32": 8, "bfloat16": 1, "float16": 1}


class RoundingEngine(TorchEngine):
    """The explicit path, but that it reads each weight, and leaves each gradient, with an error of a rounding's size.

    A weight w is read as w·(1 + e), where e is uniform in ±noise; a gradient is off by normal numbers of noise times
    the largest of its tensor. ``noise`` 0 is the explicit path itself.
    """

    def __init__(self, setting: Setting, noise: float, seed: int) -> None:
        recipe = setting.recipe.override({"dtype": "float32"})
        super().__init__(recipe, initial_values(recipe.model, recipe.training.seed), None, setting.device)
        self._noise, self._random = noise, torch.Generator(self.device).manual_seed(seed)
        self.begin(setting.text.train)

    def _mean_loss_and_gradients(self, *arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        if self._noise == 0:
            return super()._mean_loss_and_gradients(*arguments)
        exact = {name: value.detach().clone() for name, value in self.parameters.items()}
        with torch.no_grad():
            for value in self.parameters.values():
                value *= 1 + self._noise * (2 * torch.rand(value.shape, generator=self._random, device=self.device) - 1)
        loss, gradients = super()._mean_loss_and_gradients(*arguments)
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(exact[name])
                error = torch.randn(value.shape, generator=self._random, device=self.device)
                gradients[name] += self._noise * gradients[name].abs().max() * error
        return loss, gradients


def compared_setting(setting: Setting) -> Setting:
    """Return the setting in which losses are compared: the same without dropout, and with a small batch."""
    batch = min(LARGEST_BATCH, setting.recipe.training.batch_size)
    return setting._replace(recipe=setting.recipe.override({"dropout": 0.0, "batch_size": batch}))


def losses_of(engine: Any, steps: int) -> Losses:
    """Return the losses of the first steps of a training."""
    found = []
    for step in range(steps):
        engine.take_step(step, learning_rate_at(step, **engine.recipe.training.schedule()))
        found.append(engine.latest()[1].loss)
    return np.array(found)


def fitting_steps(setting: Setting, runs: int, until: float) -> int:
    """Return how many steps fit into the time that is left, when so many runs of the explicit path must take them."""
    engine = RoundingEngine(setting, 0.0, 0)
    losses_of(engine, 2)
    began = time.perf_counter()
    losses_of(engine, 2)
    each = (time.perf_counter() - began) / 2
    return max(1, min(setting.steps, int((until - time.perf_counter()) / (runs * each))))


def references(setting: Setting, dtypes: list[str], steps: int) -> tuple[Losses, dict[str, Losses]]:
    """Return the explicit path's losses, and how far off a loss may be at each step in each precision.

    allowed(t) = 4·max over s ≤ t and all seeds of |control(s) − explicit(s)| + 16·2⁻²⁴·explicit(t) + u·σ

    u is the precision's unit of rounding, and σ the deviation of the logits, less their shift, at the initial weights.
    """
    engine = RoundingEngine(setting, 0.0, 0)
    inputs = setting.text.train[None, : setting.recipe.model.block_size]
    spread = float(np.log(engine.predict(np.asarray(inputs, np.int64))).std())
    explicit = losses_of(engine, steps)
    allowed = {}
    for dtype in dtypes:
        noise = NOISE[dtype] * UNIT[dtype]
        runs = [np.abs(losses_of(RoundingEngine(setting, noise, seed), steps) - explicit) for seed in range(SEEDS)]
        allowed[dtype] = 4 * np.maximum.accumulate(np.max(runs, axis=0))
        allowed[dtype] += 16 * UNIT["float32"] * explicit + UNIT[dtype] * spread
    return explicit, allowed


def compared(setting: Setting, variant: Variant, explicit: Losses, allowed: Mapping[str, Losses]) -> dict[str, Any]:
    """Return how far a way of training is from the explicit path, step by step, and the worst in parts of the bound."""
    notes: list[str] = []
    apart = np.abs(losses_of(engine_of(setting, variant, notes.append), len(explicit)) - explicit)
    parts = apart / allowed[variant.dtype]
    worst = int(np.nanargmax(parts)) if not np.isnan(parts).all() else 0
    return {
        "apart": apart.tolist(),
        "allowed": allowed[variant.dtype].tolist(),
        "worst_step": worst + 1,
        "worst_part": float(parts[worst]),
        "holds": bool((parts <= 1).all()),  # a NaN does not
        "notes": notes,
    }
