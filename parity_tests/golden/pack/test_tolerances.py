"""A right port in float32 lies within the pack's tolerances, and a wrong one does not."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.clipping import clip_gradients
from numpy_gpt.golden.graph import prefix_of
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes
from numpy_gpt.shared.model.record import keep_in
from torch_gpt.model import loss_and_gradients as torch_loss_and_gradients
from torch_gpt.parameters import parameters_from as torch_parameters_from
from torch_gpt.record import keep_in as keep_tensors_in


def _off(pack, arrays, computed, dtype="float32"):
    """Return the largest quotient of difference and tolerance, by name; masked scores are −inf in both."""
    quotients = {}
    for name, tolerance in pack.tolerance[dtype].items():
        if name in computed:
            ours, theirs = arrays[name], np.asarray(computed[name], np.float64)
            finite = np.isfinite(ours)
            quotients[name] = np.abs(np.where(finite, theirs, 0) - np.where(finite, ours, 0)).max() / tolerance
    return quotients


def _steps_in_float32(pack, arrays):
    values = {name: arrays[name].astype(np.float32) for name in parameter_shapes(pack.config)}
    parameters, found = parameters_from(pack.config, values), {}
    state = adamw_state(parameters)
    numbers = {name: value for name, value in pack.optimizer.items() if name != "grad_clip"}
    for step in range(1, pack.steps + 1):
        prefix, kept = prefix_of(step), {}
        batch = arrays[f"{prefix}tokens"], arrays[f"{prefix}targets"]
        _, gradients = loss_and_gradients(parameters, *batch, None, keep_in(kept))
        kept |= {gradient_name(name): gradient.copy() for name, gradient in gradients.items()}
        kept["clipping.norm"] = clip_gradients(gradients, pack.optimizer["grad_clip"])
        adamw_step(parameters, gradients, state, step, pack.learning_rates[step - 1], **numbers)
        for prefix_name, part in (("m", state.m), ("v", state.v), ("updated", parameters)):
            kept |= {f"{prefix_name}.{name}": array.copy() for name, array in part.items()}
        found |= {prefix + name: array for name, array in kept.items()}
    return found


def test_a_right_port_is_within(default_pack, arrays):
    quotients = _off(default_pack, arrays, _steps_in_float32(default_pack, arrays))
    assert len(quotients) > 1000
    assert max(quotients.values()) <= 1, max(quotients, key=quotients.get)


def test_every_array_has_one(default_pack):
    computed = {entry.name for entry in default_pack.entries if entry.equation != "-"}
    for tolerance in default_pack.tolerance.values():
        assert set(tolerance) == computed
        assert all(value > 0 for value in tolerance.values())
    coarse, fine = default_pack.tolerance["bfloat16"]["logits"], default_pack.tolerance["float32"]["logits"]
    assert coarse / fine == pytest.approx(2.0**16, rel=0.01)


def test_a_wrong_port_is_not(default_pack, arrays):
    values = {name: arrays[name].astype(np.float32) for name in parameter_shapes(default_pack.config)}
    values["h.1.mlp.c_proj.bias"] *= 0  # a forgotten bias
    kept: dict = {}
    parameters = torch_parameters_from(default_pack.config, values)
    torch_loss_and_gradients(
        parameters, default_pack.config, arrays["tokens"], arrays["targets"], record=keep_tensors_in(kept)
    )
    quotients = _off(default_pack, arrays, kept)
    before, after = quotients["h.1.mlp.activated"], quotients["h.1.mlp.out"]
    assert before <= 1 < 1000 < after
