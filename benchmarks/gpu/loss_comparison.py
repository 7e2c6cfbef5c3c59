"""Whether the fast modes train equally well: their losses, step by step, compared with those of the explicit path.

Two correct implementations diverge because training amplifies rounding errors. So, as in
``parity_tests/fast/test_engine.py``, a control determines the bound: the explicit path itself, with injected errors of
the size of a rounding error. A mode may differ by four times the largest difference of the control so far, plus 16
rounding errors of the loss itself, plus, in half precision, one of the first logits, which are rounded. There is no
dropout, since each path draws its own masks, and batches are small, since the explicit path is slow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.gpu.modes import Mode, Setting, make_engine
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.schedule import learning_rate_at
from torch_gpt.engine import TorchEngine

UNIT = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
SEEDS = 2
LARGEST_BATCH = 16
Losses = npt.NDArray[np.float64]

# The control's error in units of rounding. In float32 it is c of the tolerances, for elementary functions and for sums
# in another order (parity_tests/support/lockstep.py). In half precision it is one: only the inputs of a product are
# rounded, once, and sums are in float32, except where cuBLAS adds partial products.
NOISE = {"float32": 8, "bfloat16": 1, "float16": 1}


class RoundingEngine(TorchEngine):
    """The explicit path with an error of the size of a rounding error in each weight it reads and each gradient.

    A weight w is read as w·(1 + e) with e uniform in ±noise; the error of a gradient is normal with standard deviation
    noise times the largest entry of its tensor. With ``noise`` 0 it is the explicit path itself.
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


def comparison_setting(setting: Setting) -> Setting:
    """Return the setting for the comparison of losses: without dropout and with a small batch."""
    batch = min(LARGEST_BATCH, setting.recipe.training.batch_size)
    return setting._replace(recipe=setting.recipe.override({"dropout": 0.0, "batch_size": batch}))


def losses_of(engine: Any, steps: int) -> Losses:
    """Return the losses of the first steps of a training run."""
    found = []
    for step in range(steps):
        engine.take_step(step, learning_rate_at(step, **engine.recipe.training.schedule()))
        found.append(engine.latest()[1].loss)
    return np.array(found)


def fitting_steps(setting: Setting, runs: int, until: float) -> int:
    """Return the number of steps that this many runs of the explicit path can take in the remaining time."""
    engine = RoundingEngine(setting, 0.0, 0)
    losses_of(engine, 2)
    start = time.perf_counter()
    losses_of(engine, 2)
    each = (time.perf_counter() - start) / 2
    return max(1, min(setting.steps, int((until - time.perf_counter()) / (runs * each))))


def reference_losses(setting: Setting, dtypes: list[str], steps: int) -> tuple[Losses, dict[str, Losses]]:
    """Return the explicit path's losses, and the bound of the difference at each step in each precision.

    bound(t) = 4·max over s ≤ t and all seeds of |control(s) − explicit(s)| + 16·2⁻²⁴·explicit(t) + u·σ

    u is the precision's unit roundoff, and σ the standard deviation of the log-probabilities at the initial weights.
    """
    engine = RoundingEngine(setting, 0.0, 0)
    inputs = setting.text.train[None, : setting.recipe.model.block_size]
    spread = float(np.log(engine.predict(np.asarray(inputs, np.int64))).std())
    explicit = losses_of(engine, steps)
    bounds = {}
    for dtype in dtypes:
        noise = NOISE[dtype] * UNIT[dtype]
        runs = [np.abs(losses_of(RoundingEngine(setting, noise, seed), steps) - explicit) for seed in range(SEEDS)]
        bounds[dtype] = 4 * np.maximum.accumulate(np.max(runs, axis=0))
        bounds[dtype] += 16 * UNIT["float32"] * explicit + UNIT[dtype] * spread
    return explicit, bounds


def compare_losses(setting: Setting, mode: Mode, explicit: Losses, bounds: Mapping[str, Losses]) -> dict[str, Any]:
    """Return a mode's differences from the explicit path, step by step, and the largest fraction of the bound."""
    notes: list[str] = []
    differences = np.abs(losses_of(make_engine(setting, mode, notes.append), len(explicit)) - explicit)
    parts = differences / bounds[mode.dtype]
    worst = int(np.nanargmax(parts)) if not np.isnan(parts).all() else 0
    return {
        "differences": differences.tolist(),
        "bounds": bounds[mode.dtype].tolist(),
        "worst_step": worst + 1,
        "worst_fraction": float(parts[worst]),
        "holds": bool((parts <= 1).all()),  # False for a NaN
        "notes": notes,
    }
