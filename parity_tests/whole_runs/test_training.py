"""Training runs: both twins have the same losses at every evaluation and the same weights at the end."""

from __future__ import annotations

import re

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
from parity_tests.shared.training.training_runs import metrics_of, train_in
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT, allowed_by, controls, field_of, lockstep, new_engine
from torch_gpt import adamw as twins
from torch_gpt import clipping as twin_clipping
from torch_gpt.cli import main as torch_gpt
from torch_gpt.engine import TorchEngine
from torch_gpt.parameters import parameters_from as twin_parameters_from

CONFIG = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=2, n_embd=4)
SETTINGS = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1}


def _train(program, capsys, out_dir, flags):
    """Run the command; return the lines of its evaluations without their numbers, and all losses in full precision."""
    assert program(["train", "tiny", "--dtype", "float64", "--json", "--out_dir", str(out_dir), *flags]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    return [re.sub(r"\d+\.\d+", "#", line) for line in lines], _losses_in(out_dir)


def _losses_in(run):
    lines = [line for line in metrics_of(run) if line["kind"] == "evaluation"]
    return np.array([[line["train_loss"], line["val_loss"]] for line in lines])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"max_iters": 200, "eval_interval": 20, "dropout": 0.2}, id="200 steps with dropout"),
        pytest.param({"max_iters": 500, "eval_interval": 25}, id="500 steps", marks=pytest.mark.prove),
        pytest.param(
            {"max_iters": 500, "eval_interval": 25, "dropout": 0.2},
            id="500 steps with dropout",
            marks=pytest.mark.prove,
        ),
        pytest.param({}, id="the whole recipe", marks=pytest.mark.prove),
    ],
)
def test_both_programs_train_alike(changes, capsys, tmp_path):
    flags = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    lines, losses = _train(numpy_gpt, capsys, tmp_path / "ours", flags)
    twin_lines, twin_losses = _train(torch_gpt, capsys, tmp_path / "twins", ["--device", "cpu", *flags])
    assert len(lines) >= 10
    assert twin_lines == lines
    ours, twins = (load_checkpoint(tmp_path / name).values for name in ("ours", "twins"))
    # Training amplifies rounding. How much is measured by controls, runs of numpy_gpt whose gradients carry noise of a
    # few units in the last place. A single control could be lucky: after the whole recipe, runs with different noise
    # are 3e-8 to 5e-6 apart. The largest distance of three is taken, times 4.
    others, other_losses = [], []
    for number, control in enumerate(controls(preset("tiny").override({"dtype": "float64", **changes}))):
        train_in(control.recipe, tmp_path / f"control-{number}", control)
        others.append(control.values())
        other_losses.append(_losses_in(tmp_path / f"control-{number}"))
    allowed = 4 * np.max([np.abs(other - losses) for other in other_losses]) + 64 * UNIT["float64"] * losses
    assert_close("losses of a whole run", twin_losses, losses, allowed)
    allowed = 4 * max(np.abs(other[name] - value).max() for other in others for name, value in ours.items())
    for name, value in ours.items():
        assert_close(f"{name} after the whole run", twins[name], value, allowed)


@pytest.mark.parametrize(
    ("dtype", "dropout", "steps"),
    [
        ("float64", 0.2, 80),
        ("float32", 0.0, 80),
        *(
            pytest.param(dtype, dropout, 300, marks=pytest.mark.prove)
            for dtype in ("float64", "float32")
            for dropout in (0.0, 0.2)
        ),
    ],
)
def test_the_twin_drifts_as_rounding_does(dtype, dropout, steps):
    recipe = preset("tiny").override({"dtype": dtype, "dropout": dropout})
    twins = {path: new_engine(TorchEngine, recipe, None, "cpu", path == "fused") for path in ("explicit", "fused")}
    runs = lockstep(recipe, new_engine(NumpyEngine, recipe), [*twins.values(), *controls(recipe)], steps)
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


@pytest.mark.parametrize("steps", [100, pytest.param(1000, marks=pytest.mark.prove)])
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(["float64", "float32"]))
def test_many_steps_of_clipping_and_adamw(steps, seed, dtype):
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(CONFIG)
    values = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    schedule = {"learning_rate": 1e-2, "min_lr": 1e-3, "warmup_iters": steps // 10, "lr_decay_iters": steps}
    rates = [learning_rate_at(step, **schedule) for step in range(steps)]
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
        # The norm is a rounded sum; both optimizers still get the same gradients.
        for name, gradient in gradients.items():
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
            assert_close(f"{name} after many steps ({path})", twin[name], value, allowed)


def twin_gradients(arrays):
    import torch

    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
