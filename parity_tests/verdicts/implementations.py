"""A thin adapter: numpy_gpt and the two paths of torch_gpt behind one set of methods, arrays in and arrays out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

import numpy_gpt.adamw
import numpy_gpt.clipping
import numpy_gpt.engine
import numpy_gpt.model
import numpy_gpt.sampling
import torch_gpt.adamw
import torch_gpt.clipping
import torch_gpt.engine
import torch_gpt.model
import torch_gpt.sampling
from numpy_gpt.parameters import Parameters
from numpy_gpt.parameters import parameters_from as numpy_parameters
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.parameters import parameters_from as torch_parameters
from torch_gpt.parameters import tensor_from

Results = Mapping[str, Any]
Engine = numpy_gpt.engine.NumpyEngine | torch_gpt.engine.TorchEngine


class Implementation(Protocol):
    """The methods that every verdict is computed with."""

    name: str
    fused: bool

    def layer(self, name: str, inputs: Mapping[str, Any], dout: Array | None, options: Sequence[Any]) -> Results:
        """Return ``out`` and the gradient of each floating input, by d and its name."""

    def parameters(self, config: GPTConfig, values: Mapping[str, Array]) -> Any:
        """Return the parameters as this implementation keeps them."""

    def predict(self, config: GPTConfig, parameters: Any, tokens: Any) -> Array:
        """Return the probabilities for its own parameters."""

    def logits(self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, masks: Any) -> Array:
        """Return the whole model's logits."""

    def loss_and_gradients(
        self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, targets: Any, masks: Any
    ) -> tuple[Any, Mapping[str, Array]]:
        """Return the whole model's loss and the gradient of every parameter."""

    def token_probabilities(self, logits: Array, **choice: Any) -> Array:
        """Return the probabilities that sampling draws from."""

    def sample_token(self, probabilities: Array, uniform: float) -> int:
        """Return the token drawn."""

    def generate(
        self, config: GPTConfig, values: Mapping[str, Array], prompt: Any, uniforms: Iterable[float], **choice: Any
    ) -> list[int]:
        """Return the new tokens."""

    def clip(self, config: GPTConfig, gradients: Mapping[str, Array], max_norm: float) -> tuple[float, Results]:
        """Return the norm before clipping, and the gradients after it."""

    def adamw(self, config: GPTConfig, values: Any, gradients: Any, moments: Any, step: int, **choice: Any) -> Results:
        """Return the parameters after one step."""

    def engine(self, recipe: Recipe, values: Mapping[str, Array]) -> Engine:
        """Return the engine that the trainer drives."""


class NumpyGPT:
    """The reference."""

    name = "numpy_gpt"
    fused = False

    def layer(self, name: str, inputs: Mapping[str, Any], dout: Array | None, options: Sequence[Any]) -> Results:
        """Call ``x_forward`` and ``x_backward``."""
        module = import_module(f"numpy_gpt.layers.{name}")
        out, cache = getattr(module, f"{name}_forward")(*inputs.values(), *options)
        gradients = getattr(module, f"{name}_backward")(*([] if dout is None else [dout]), cache)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        named = zip(_differentiable(inputs), gradients, strict=True)
        return {"out": out} | {label: gradient for label, gradient in named if gradient is not None}

    def parameters(self, config: GPTConfig, values: Mapping[str, Array]) -> Any:
        """Call ``parameters_from``."""
        return numpy_parameters(config, values)

    def predict(self, config: GPTConfig, parameters: Any, tokens: Any) -> Array:
        """Call the function of that name."""
        return numpy_gpt.model.predict(parameters, tokens)

    def logits(self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, masks: Any) -> Array:
        """Call ``model_forward``."""
        return numpy_gpt.model.model_forward(numpy_parameters(config, values), tokens, masks)[0]

    def loss_and_gradients(
        self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, targets: Any, masks: Any
    ) -> tuple[Any, Mapping[str, Array]]:
        """Call ``loss_and_gradients``."""
        return numpy_gpt.model.loss_and_gradients(numpy_parameters(config, values), tokens, targets, masks)

    def token_probabilities(self, logits: Array, **choice: Any) -> Array:
        """Call the function of that name."""
        return numpy_gpt.sampling.token_probabilities(logits, **choice)

    def sample_token(self, probabilities: Array, uniform: float) -> int:
        """Call the function of that name."""
        return numpy_gpt.sampling.sample_token(probabilities, uniform)

    def generate(
        self, config: GPTConfig, values: Mapping[str, Array], prompt: Any, uniforms: Iterable[float], **choice: Any
    ) -> list[int]:
        """Call the function of that name."""
        return list(numpy_gpt.sampling.generate(numpy_parameters(config, values), prompt, uniforms, **choice))

    def clip(self, config: GPTConfig, gradients: Mapping[str, Array], max_norm: float) -> tuple[float, Results]:
        """Call ``clip_gradients``."""
        clipped = numpy_parameters(config, gradients)
        return numpy_gpt.clipping.clip_gradients(clipped, max_norm), clipped

    def adamw(self, config: GPTConfig, values: Any, gradients: Any, moments: Any, step: int, **choice: Any) -> Results:
        """Call ``adamw_step``."""
        parameters = numpy_parameters(config, values)
        m, v = (numpy_parameters(config, part) for part in moments)
        state = numpy_gpt.adamw.AdamWState(m, v)
        numpy_gpt.adamw.adamw_step(parameters, numpy_parameters(config, gradients), state, step, **choice)
        return parameters

    def engine(self, recipe: Recipe, values: Mapping[str, Array]) -> Engine:
        """Make a ``NumpyEngine``."""
        return numpy_gpt.engine.NumpyEngine(recipe, values)


class TorchGPT:
    """One of the twin's two paths, on the CPU; where a layer has no fused form, both are the same."""

    def __init__(self, *, fused: bool) -> None:
        self.fused = fused
        self.name = "torch_gpt, fused" if fused else "torch_gpt"

    def layer(self, name: str, inputs: Mapping[str, Any], dout: Array | None, options: Sequence[Any]) -> Results:
        """Call ``x_forward`` or ``x_fused``, and autograd."""
        module = import_module(f"torch_gpt.layers.{name}")
        forward = getattr(module, f"{name}_forward")
        if self.fused:
            forward = getattr(module, f"{name}_fused", forward)
        tensors = {key: _tensor(value) for key, value in inputs.items()}
        leaves = [
            tensor.requires_grad_() for tensor in tensors.values() if tensor is not None and tensor.is_floating_point()
        ]
        out = forward(*tensors.values(), *(_tensor(option) for option in options))
        gradients = torch.autograd.grad(out, leaves, None if dout is None else _tensor(dout))
        names = [name for name in _differentiable(inputs) if inputs[name[1:]] is not None]
        return {"out": _array(out)} | {name: _array(part) for name, part in zip(names, gradients, strict=True)}

    def parameters(self, config: GPTConfig, values: Mapping[str, Array]) -> Any:
        """Call ``parameters_from``."""
        return torch_parameters(config, values)

    def predict(self, config: GPTConfig, parameters: Any, tokens: Any) -> Array:
        """Call the function of that name."""
        return _array(torch_gpt.model.predict(parameters, config, tokens, fused=self.fused))

    def logits(self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, masks: Any) -> Array:
        """Call ``model_forward``."""
        parameters = torch_parameters(config, values)
        return _array(torch_gpt.model.model_forward(parameters, config, tokens, masks, fused=self.fused))

    def loss_and_gradients(
        self, config: GPTConfig, values: Mapping[str, Array], tokens: Any, targets: Any, masks: Any
    ) -> tuple[Any, Mapping[str, Array]]:
        """Call ``loss_and_gradients``."""
        loss, gradients = torch_gpt.model.loss_and_gradients(
            torch_parameters(config, values), config, tokens, targets, masks, fused=self.fused
        )
        return _array(loss), {name: _array(gradient) for name, gradient in gradients.items()}

    def token_probabilities(self, logits: Array, **choice: Any) -> Array:
        """Call the function of that name."""
        return _array(torch_gpt.sampling.token_probabilities(torch.from_numpy(logits), **choice))

    def sample_token(self, probabilities: Array, uniform: float) -> int:
        """Call the function of that name."""
        return torch_gpt.sampling.sample_token(torch.from_numpy(probabilities), uniform)

    def generate(
        self, config: GPTConfig, values: Mapping[str, Array], prompt: Any, uniforms: Iterable[float], **choice: Any
    ) -> list[int]:
        """Call the function of that name."""
        parameters = torch_parameters(config, values)
        return list(torch_gpt.sampling.generate(parameters, config, prompt, uniforms, fused=self.fused, **choice))

    def clip(self, config: GPTConfig, gradients: Mapping[str, Array], max_norm: float) -> tuple[float, Results]:
        """Call ``clip_gradients`` or ``clip_gradients_fused``."""
        clipped = _detached_parameters(config, gradients)
        clip = torch_gpt.clipping.clip_gradients_fused if self.fused else torch_gpt.clipping.clip_gradients
        norm = clip(clipped, max_norm)
        return float(norm), {name: _array(part) for name, part in clipped.items()}

    def adamw(self, config: GPTConfig, values: Any, gradients: Any, moments: Any, step: int, **choice: Any) -> Results:
        """Call ``adamw_step`` or ``fused_adamw_step``."""
        parameters, given = torch_parameters(config, values), _detached_parameters(config, gradients)
        state = torch_gpt.adamw.AdamWState(*(_detached_parameters(config, part) for part in moments))
        if self.fused:
            learning_rate = choice.pop("learning_rate")
            optimizer = torch_gpt.adamw.fused_adamw(parameters, state, step - 1, **choice)
            torch_gpt.adamw.fused_adamw_step(optimizer, parameters, given, learning_rate)
        else:
            torch_gpt.adamw.adamw_step(parameters, given, state, step, **choice)
        return {name: _array(part) for name, part in parameters.items()}

    def engine(self, recipe: Recipe, values: Mapping[str, Array]) -> Engine:
        """Make a ``TorchEngine``."""
        return torch_gpt.engine.TorchEngine(recipe, values, fused=self.fused)


IMPLEMENTATIONS: tuple[Implementation, ...] = (NumpyGPT(), TorchGPT(fused=False), TorchGPT(fused=True))


def flat(arrays: Results) -> Array:
    """Return all entries of all arrays as one."""
    return arrays.flat if isinstance(arrays, Parameters) else np.concatenate([part.ravel() for part in arrays.values()])


def _differentiable(inputs: Mapping[str, Any]) -> list[str]:
    return [f"d{name}" for name, value in inputs.items() if value is None or value.dtype.kind == "f"]


def _detached_parameters(config: GPTConfig, arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in torch_parameters(config, arrays).items()}


def _tensor(value: Any) -> Any:
    """Return arrays as tensors with the same strides if torch supports them, else copied; other values unchanged."""
    if not isinstance(value, np.ndarray):
        return value
    if min(value.strides, default=0) < 0 or not value.dtype.isnative:
        return tensor_from(value, "cpu")
    return torch.from_numpy(value).detach()


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().numpy()
    return array
