"""Recorders: what is kept stays as it was, nothing aliases the parameters, and the first array that is not finite."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest

import numpy_gpt
import torch_gpt
from gpt_data.errors import UserError
from numpy_gpt import BigramConfig, GPTConfig, initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.names import activation_shapes, gradient_name, parameter_shapes, use_shapes
from numpy_gpt.shared.model.record import FirstNotFinite
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from torch_gpt.engine import TorchEngine

IDS = np.random.default_rng(0).integers(0, 7, (2, 2, 5))
CONFIGS = [
    GPTConfig(
        vocab_size=7, block_size=5, n_layer=2, n_head=2, n_embd=6, activation=activation, dropout=dropout, bias=bias
    )
    for activation, dropout, bias in (("gelu_tanh", 0.5, True), ("gelu_erf", 0.0, False), ("relu", 0.5, True))
]
CONFIGS.append(BigramConfig(vocab_size=7, block_size=5))


@pytest.mark.parametrize(("config", "engine_type"), list(product(CONFIGS, (NumpyEngine, TorchEngine))))
def test_what_is_kept_is_never_overwritten(config, engine_type):
    recipe = Recipe(name="x", dataset="none", model=config, training=TrainingConfig(dtype="float64"))
    engine = engine_type(recipe, initial_values(config, 0, "float64"))
    keep_in = (torch_gpt if engine_type is TorchEngine else numpy_gpt).keep_in
    kept: dict[str, Any] = {}
    keep, then = keep_in(kept), {}

    def record(name: str, array: Any) -> None:
        assert not _share_memory(array, engine.parameters), name
        keep(name, array)
        then[name] = kept[name].tobytes()

    for step in range(2):
        engine.training_step(IDS[0], IDS[1], step, 0.1, record)
    assert {name: array.tobytes() for name, array in kept.items()} == then
    parts = [*engine.parameters.values(), *(part for moment in engine.moments() for part in moment.values())]
    assert not [name for name, array in kept.items() if any(_share_memory(array, {"": part}) for part in parts)]

    names = {name for name in activation_shapes(config, 2, 5, dropout=config.dropout > 0)}
    uses = {gradient_name(name) for name in use_shapes(config, 2, 5)}
    names |= uses | {gradient_name(name) for name in names if engine_type is NumpyEngine} & set(kept)
    assert names | {f"clipped.{name}" for name in parameter_shapes(config)} <= set(kept)


def _share_memory(array: Any, parameters: Any) -> bool:
    return any(np.shares_memory(_array(array), _array(parameter)) for parameter in parameters.values())


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray | np.generic) else value.detach().numpy()


def test_every_recording_function_says_how_to_keep():
    silent = []
    for package in (numpy_gpt, torch_gpt):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith("__main__") or ".shared." in info.name:
                continue
            for name, function in inspect.getmembers(import_module(info.name), inspect.isfunction):
                ours = function.__module__ == info.name and not name.startswith("_")
                if ours and "record" in inspect.signature(function).parameters and "keep_in" not in function.__doc__:
                    silent.append(f"{info.name}.{name}")
    for name in ("with_gradients", "as_arrays", "recorder_of", "use_of"):
        silent.remove(f"torch_gpt.record.{name}")
    assert not silent


@pytest.mark.parametrize("keep_in", [numpy_gpt.keep_in, torch_gpt.keep_in])
def test_a_recorder_needs_a_dictionary(keep_in):
    with pytest.raises(UserError, match="store must be a dictionary, not None"):
        keep_in(None)


def test_first_not_finite_array():
    watch = FirstNotFinite({"w": np.ones(2)})
    watch.record("h.0.attn.masked", np.array([0.0, -np.inf]))
    assert watch.name_among({"w": np.ones(2)}) is None
    assert watch.name_among({"w": np.array([np.nan])}) == "the gradient of w"
    watch.record("h.0.attn.masked", np.array([np.inf]))
    watch.record("logits", np.array([np.nan]))
    assert watch.name_among({"w": np.array([np.nan])}) == "h.0.attn.masked"
    assert FirstNotFinite({"w": np.array([np.inf])}).name_among({}) == "the parameter w"
