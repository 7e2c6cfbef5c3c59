"""Engines record what a prediction computes: every activation of the one list, as the functions of the model do."""

from __future__ import annotations

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt import Intervention, intervene
from numpy_gpt import model as ours
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.names import activation_shapes
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.presets import preset
from parity_tests.support.comparator import assert_close, assert_identical
from torch_gpt import model as twins
from torch_gpt.engine import TorchEngine
from torch_gpt.parameters import parameters_from as twin_parameters_from
from torch_gpt.record import keep_in as keep_tensors_in

RECIPE = preset("tiny").override({"dtype": "float64"})
VALUES = initial_values(RECIPE.model, 7, "float64")
TOKENS = np.array([[1, 5, 2, 0], [3, 3, 9, 30]])


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
def test_a_prediction_is_recorded(kind):
    kept: dict = {}
    expected: dict = {}
    if kind == "numpy":
        found = NumpyEngine(RECIPE, VALUES).predict(TOKENS, keep_in(kept))
        ours.predict(parameters_from(RECIPE.model, VALUES), TOKENS, keep_in(expected))
    else:
        found = TorchEngine(RECIPE, VALUES, None, "cpu", kind == "torch fused").predict(TOKENS, keep_in(kept))
        twins.predict(twin_parameters_from(RECIPE.model, VALUES), RECIPE.model, TOKENS, keep_tensors_in(expected))
    shapes = activation_shapes(RECIPE.model, *TOKENS.shape)
    assert list(kept) == [name for name in shapes if name not in ("losses", "loss")]
    for name, array in kept.items():
        assert array.shape == shapes[name]
        assert_identical(name, array, expected[name])
    assert_identical("probabilities", found, kept["probabilities"])


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch fused"])
def test_a_prediction_can_be_changed(kind):
    if kind == "numpy":
        engine = NumpyEngine(RECIPE, VALUES)
    else:
        engine = TorchEngine(RECIPE, VALUES, None, "cpu", kind == "torch fused")
    plain: dict = {}
    before = engine.predict(TOKENS, keep_in(plain))
    without: dict = {}
    mean = plain["h.0.mlp.out"].mean((0, 1))
    found = engine.predict(TOKENS, intervene({"h.0.mlp.out": Intervention(0, mean)}, keep_in(without)))
    assert_identical("h.0.mlp.out", without["h.0.mlp.out"], np.broadcast_to(mean, plain["h.0.mlp.out"].shape))
    assert_identical("h.0.attn.residual", without["h.0.attn.residual"], plain["h.0.attn.residual"])
    by_function = engine.predict(TOKENS, lambda name, array: mean + 0 * array if name == "h.0.mlp.out" else None)
    assert_identical("probabilities", by_function, found)
    assert (found != before).any()
    parameters = parameters_from(RECIPE.model, VALUES)
    expected = ours.predict(parameters, TOKENS, intervene({"h.0.mlp.out": Intervention(0, mean)}))
    assert_close("probabilities (numpy_gpt, an engine)", found, expected, 1e-12)
    with pytest.raises(UserError, match=r"'h\.0\.mlp\.Out' cannot be changed"):
        engine.predict(TOKENS, intervene({"h.0.mlp.Out": Intervention(0)}))
    with pytest.raises(UserError, match="record must be a function, not 5"):
        engine.predict(TOKENS, 5)
    with pytest.raises(UserError, match=r"record returns for 'h\.0\.mlp\.out' must be None or float64"):
        engine.predict(TOKENS, lambda name, array: array[0].copy() if name == "h.0.mlp.out" else None)


def test_a_step_can_be_changed():
    recipe = RECIPE.override({"gradient_accumulation_steps": 2, "batch_size": 1})
    ours_engine, theirs = NumpyEngine(recipe, VALUES), TorchEngine(recipe, VALUES)
    arrays: dict = {}
    tensors: dict = {}
    changes = {"h.1.attn.out": Intervention(0), "h.0.mlp.hidden": Intervention(0.5)}
    for engine, record in ((ours_engine, keep_in(arrays)), (theirs, keep_tensors_in(tensors))):
        engine.training_step(TOKENS, TOKENS[::-1], 0, 0.1, intervene(changes, record))
    for name in VALUES:
        assert_close(f"{name} (a step)", tensors[f"clipped.{name}"], arrays[f"clipped.{name}"], 1e-12)
    assert not arrays["clipped.h.1.attn.c_proj.weight"].any()
    assert arrays["clipped.h.0.attn.c_proj.weight"].any()
    assert arrays["h.1.attn.dout"].any()
