"""Whole training runs: both twins print the same losses and end at the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_gpt import adamw as ours
from numpy_gpt import clipping as our_clipping
from numpy_gpt.cli import main as numpy_gpt
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.schedule import learning_rate_at
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT, allowed_by, controls, field_of, fresh, lockstep, trained
from torch_gpt import adamw as twins
from torch_gpt import clipping as twin_clipping
from torch_gpt.cli import main as torch_gpt
from torch_gpt.engine import TorchEngine
from torch_gpt.parameters import parameters_from as twin_parameters_from

CONFIG = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=2, n_embd=4)
SETTINGS = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1}


def _evaluation_lines(program, capsys, *flags):
    assert program(["train", "tiny", "--dtype", "float64", "--json", *flags]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert len(lines) >= 10
    return lines


@pytest.mark.parametrize(
    "flags",
    [
        ["--max_iters", "500", "--eval_interval", "25"],
        ["--max_iters", "500", "--eval_interval", "25", "--dropout", "0.2"],
    ],
    ids=["500 steps", "500 steps with dropout"],
)
def test_both_programs_print_the_same_losses_to_every_digit(flags, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = _evaluation_lines(numpy_gpt, capsys, *flags)
    assert ours == _evaluation_lines(torch_gpt, capsys, "--device", "cpu", *flags)


def test_whole_runs_print_the_same_losses_and_end_at_the_same_weights(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = _evaluation_lines(numpy_gpt, capsys, "--out_dir", "ours")
    assert lines == _evaluation_lines(torch_gpt, capsys, "--device", "cpu", "--out_dir", "twins")
    ours, twins = (load_checkpoint(tmp_path / place).values for place in ("ours", "twins"))
    recipe = preset("tiny").override({"dtype": "float64"})
    # One control alone would be a draw of luck: after so many steps, runs with other noise are 3e-8 to 5e-6 apart.
    others = [trained(control).values() for control in controls(recipe)]
    allowed = 4 * max(np.abs(other[name] - value).max() for other in others for name, value in ours.items())
    for name, value in ours.items():
        assert_close(f"{name} after the whole run", twins[name], value, allowed)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_twin_drifts_no_further_than_rounding_does_by_itself(dtype, dropout):
    recipe = preset("tiny").override({"dtype": dtype, "dropout": dropout})
    twins = {path: fresh(TorchEngine, recipe, None, "cpu", path == "fused") for path in ("explicit", "fused")}
    runs = lockstep(recipe, fresh(NumpyEngine, recipe), [*twins.values(), *controls(recipe)], 300)
    for field in ("weight", "loss"):
        allowed = allowed_by(runs[len(twins) :], field, dtype)
        for path, values in zip(twins, field_of(runs, field), strict=False):
            name = f"{field} after a step ({path}, dropout {dropout}), {dtype}"
            assert_close(name, values, np.zeros_like(values), allowed)


def _adamw_tolerance(history, rates, start, dtype):
    """Return how far one implementation of the AdamW steps may be from the exact ones, first order in u.

    The errors follow the recurrences of the values. m adds terms of either sign, so its error is measured by M, the
    same recurrence over |g|; v adds positive terms. Each step rounds m in three operations and v in four, the change
    in six more, and θ in two (decay and subtraction).
    """
    u = UNIT[dtype]
    theta, m, v = start.astype(np.float64), 0.0, 0.0
    big_m = error_m = error_v = 0.0
    tolerance = np.zeros_like(theta)
    for t, (g, rate) in enumerate(zip(history, rates, strict=True), start=1):
        m, big_m = 0.9 * m + 0.1 * g, 0.9 * big_m + 0.1 * np.abs(g)
        v = 0.99 * v + 0.01 * g * g
        error_m, error_v = 0.9 * error_m + 3 * u * big_m, 0.99 * error_v + 4 * u * v
        corrected, root = m / (1 - 0.9**t), np.sqrt(v / (1 - 0.99**t)) + 1e-8
        relative_v = np.divide(error_v, v, out=np.zeros_like(v), where=v > 0)
        change = rate * np.abs(corrected) / root
        tolerance += 2 * u * np.abs(theta) + rate * error_m / (1 - 0.9**t) / root + change * (0.5 * relative_v + 6 * u)
        theta = theta - rate * corrected / root
    return tolerance


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(["float64", "float32"]))
def test_a_thousand_steps_of_the_optimizer_with_clipping_and_schedule(seed, dtype):
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(CONFIG)
    values = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    schedule = {"learning_rate": 1e-2, "min_lr": 1e-3, "warmup_iters": 100, "lr_decay_iters": 1000}
    rates = [learning_rate_at(step, **schedule) for step in range(1000)]
    parameters = parameters_from(CONFIG, values)
    explicit, fused = (twin_parameters_from(CONFIG, values) for _ in range(2))
    state, twin_state, fused_state = ours.adamw_state(parameters), twins.adamw_state(explicit), twins.adamw_state(fused)
    optimizer = twins.fused_adamw(fused, fused_state, 0, **SETTINGS)
    history = []
    for step, rate in enumerate(rates):
        drawn = {
            name: (10.0 ** rng.uniform(-4, 1) * rng.normal(size=shape)).astype(dtype) for name, shape in shapes.items()
        }
        gradients = parameters_from(CONFIG, drawn)
        our_clipping.clip_gradients(gradients, 1.0)
        clipped = twin_gradients(drawn)
        twin_clipping.clip_gradients(clipped, 1.0)
        for name, gradient in gradients.items():  # the norm is a sum: rounding, which the optimizer shall not inherit
            assert np.allclose(clipped[name].numpy(), gradient, rtol=64 * UNIT[dtype])
        history.append(gradients.flat.astype(np.float64))
        same = {name: gradient.copy() for name, gradient in gradients.items()}
        ours.adamw_step(parameters, gradients, state, step + 1, rate, **SETTINGS)
        twins.adamw_step(explicit, twin_gradients(same), twin_state, step + 1, rate, **SETTINGS)
        twins.fused_adamw_step(optimizer, fused, twin_gradients(same), rate)
    start = parameters_from(CONFIG, values).flat
    tolerance = parameters.zeros_like().flat.astype(np.float64)
    tolerance[:] = 2 * _adamw_tolerance(history, rates, start, dtype)
    at = 0
    for name, value in sorted(parameters.items(), key=lambda item: -item[1].ndim):
        allowed = tolerance[at : at + value.size].reshape(value.shape)
        at += value.size
        for path, twin in (("explicit", explicit), ("fused", fused)):
            assert_close(f"{name} after 1,000 steps ({path})", twin[name], value, allowed)


def twin_gradients(arrays):
    import torch

    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
