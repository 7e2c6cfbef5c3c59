"""What the trainer drives: one training step and evaluation, in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from numpy_gpt.shared.arrays import Array, Tokens
from numpy_gpt.shared.presets import Recipe
from numpy_gpt.shared.randomness import dropout_masks, sampling_uniforms
from numpy_gpt.shared.record import Record, ignore
from numpy_gpt.shared.trainer import Moments, StepResult
from torch_gpt.adamw import AdamWState, adamw_state, adamw_step, fused_adamw, fused_adamw_step
from torch_gpt.clipping import clip_gradients, clip_gradients_fused
from torch_gpt.device import choose_device
from torch_gpt.gpt import loss_and_gradients, loss_of
from torch_gpt.parameters import parameters_from
from torch_gpt.sampling import generate


class TorchEngine:
    """A model in training: its parameters and AdamW's moments on one device, all float32 or all float64.

    With ``fused`` layers, clipping and AdamW are torch's fused operations, otherwise they are written out. Dropout
    masks are the shared ones on both paths and on every device: a run drops the same values wherever it is computed.

    Raises
    ------
    UserError
        If there is no such device, or values and moments do not fit the recipe's model.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        device: str = "cpu",
        fused: bool = False,
    ) -> None:
        self.recipe, self.fused = recipe, fused
        self.device = choose_device(device, recipe.training.dtype)
        self.parameters = parameters_from(recipe.model, values, self.device)
        self._state = adamw_state(self.parameters)
        if moments is not None:
            m, v = (parameters_from(recipe.model, part, self.device) for part in moments)
            self._state = AdamWState(*({name: part[name].detach() for name in part} for part in (m, v)))
        self._optimizer: torch.optim.AdamW | None = None  # made at the first step, which tells how many went before

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step, counted from 0: forward, backward, clipping, AdamW. Shapes: inputs, targets (B, T).

        A loss or a gradient that is not finite is returned as it is, and the parameters stay as they were.
        """
        model, training = self.recipe.model, self.recipe.training
        batch, time = inputs.shape
        masks = dropout_masks(model, batch, time, training.seed, step, training.dtype)
        loss, gradients = loss_and_gradients(self.parameters, model, inputs, targets, masks, record, self.fused)
        clip = clip_gradients_fused if self.fused else clip_gradients
        norm = clip(gradients, training.grad_clip)
        result = StepResult(float(loss), float(norm))
        if math.isfinite(result.loss) and math.isfinite(result.gradient_norm):
            for name, gradient in gradients.items():
                record(f"clipped.{name}", gradient)
            self._update(gradients, step, learning_rate)
        return result

    @torch.no_grad()
    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(loss_of(self.parameters, self.recipe.model, inputs, targets, fused=self.fused))

    def values(self) -> Mapping[str, Array]:
        """Return a copy of the parameters by name."""
        return _arrays(self.parameters)

    def moments(self) -> Moments:
        """Return a copy of AdamW's m and v by parameter name."""
        return _arrays(self._state.m), _arrays(self._state.v)

    def sample(self, prompt: list[int], count: int) -> list[int]:
        """Return ``count`` tokens that follow the prompt, drawn at temperature 1 with the recipe's seed."""
        uniforms = sampling_uniforms(self.recipe.training.seed, count)
        return list(generate(self.parameters, self.recipe.model, prompt, uniforms, fused=self.fused))

    def _update(self, gradients: Mapping[str, Tensor], step: int, learning_rate: float) -> None:
        training = self.recipe.training
        choices: dict[str, Any] = {
            "beta1": training.beta1,
            "beta2": training.beta2,
            "epsilon": training.adam_epsilon,
            "weight_decay": training.weight_decay,
        }
        if not self.fused:
            adamw_step(self.parameters, gradients, self._state, step + 1, learning_rate, **choices)
            return
        if self._optimizer is None:
            self._optimizer = fused_adamw(self.parameters, self._state, step, **choices)
        fused_adamw_step(self._optimizer, self.parameters, gradients, learning_rate)


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
