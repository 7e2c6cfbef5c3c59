"""The comparison of losses: correct modes are within the bound, and others are not."""

from __future__ import annotations

import math

from benchmarks.gpu.loss_comparison import RoundingEngine, compare_losses, losses_of, reference_losses
from benchmarks.gpu.modes import training_modes
from parity_tests.benchmarks.gpu.settings import tiny_setting
from torch_gpt.engine import TorchEngine

MODES = training_modes("cpu")


def test_control_without_noise_is_exact():
    setting = tiny_setting()
    explicit = TorchEngine(setting.recipe, RoundingEngine(setting, 0.0, 0).values())
    explicit.begin(setting.text.train)
    assert losses_of(RoundingEngine(setting, 0.0, 0), 5).tolist() == losses_of(explicit, 5).tolist()
    assert (
        losses_of(RoundingEngine(setting, 1e-6, 0), 5).tolist()
        != losses_of(RoundingEngine(setting, 1e-6, 1), 5).tolist()
    )


def test_only_correct_modes_keep_the_bound():
    setting = tiny_setting(60)
    explicit, bounds = reference_losses(setting, ["float32", "bfloat16"], setting.steps)
    for name in ("eager", "half"):
        assert compare_losses(setting, MODES[name], explicit, bounds)["holds"]
    for name, changes in (("eager", {"learning_rate": 3e-3 * 1.01}), ("half", {"beta2": 0.95})):
        assert not compare_losses(tiny_setting(60, **changes), MODES[name], explicit, bounds)["holds"]
    assert not compare_losses(setting, MODES["eager"], explicit * math.nan, bounds)["holds"]
