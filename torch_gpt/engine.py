"""What the trainer drives: one training step and evaluation, in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gpt_data.tokens.batches import BatchSampler
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.not_finite import FirstNotFinite
from numpy_gpt.shared.model.randomness import dropout_masks
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.ema import ema_weight
from numpy_gpt.shared.training.engine_protocol import Moments, StepResult
from numpy_gpt.shared.training.evaluation import mean_over
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.throughput import peak_memory_of_process
from torch_gpt.adamw import AdamWState, adamw_state, adamw_step, fused_adamw, fused_adamw_step
from torch_gpt.clipping import clip_gradients, clip_gradients_fused
from torch_gpt.device import choose_device
from torch_gpt.ema import update_ema
from torch_gpt.model import loss_and_gradients, loss_of, predict
from torch_gpt.parameters import parameters_from, tensor_from
from torch_gpt.sampling import draws


class TorchEngine:
    """A model in training: its parameters and AdamW's moments on one device, all float32 or all float64.

    With ``fused`` layers, clipping and AdamW are torch's fused operations, otherwise they are written out. Dropout
    masks are the shared ones on both paths and on every device: a run drops the same values wherever it is computed.
    Where the recipe averages the weights, ``values`` are the averages, and ``trained`` what training goes on with.
    ``on_host`` is for those who deal them out from there: a device need not have room for all of them.

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
        trained: Mapping[str, Array] | None = None,
        on_host: bool = False,
    ) -> None:
        self.recipe, self.fused = recipe, fused
        self.team: ProcessGroup = SINGLE_PROCESS
        self.peak_flops: float | None = None
        self.evaluation_tokens = 2048
        self.device = choose_device(device, recipe.training.dtype)
        place = torch.device("cpu") if on_host else self.device
        self.parameters = parameters_from(recipe.model, trained or values, place)
        averaged = recipe.training.ema_decay > 0
        self._averages = {name: tensor_from(values[name], place) for name in self.parameters if averaged}
        self._state = adamw_state(self.parameters)
        if moments is not None:
            m, v = (parameters_from(recipe.model, part, place) for part in moments)
            self._state = AdamWState(*({name: part[name].detach() for name in part} for part in (m, v)))
        self._optimizer: torch.optim.AdamW | None = None  # made at the first step, which tells how many went before

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step, counted from 0: forward, backward, clipping, AdamW.

        Shapes: inputs, targets (A·B, T), the A = gradient_accumulation_steps batches one after another. A loss or a
        gradient that is not finite is returned as it is, and the parameters stay as they were.
        """
        loss, gradients = self._mean_loss_and_gradients(inputs, targets, step, record, self.fused)
        clip = clip_gradients_fused if self.fused else clip_gradients
        norm = clip(gradients, self.recipe.training.grad_clip)
        result = StepResult(float(loss), float(norm))
        if math.isfinite(result.loss) and math.isfinite(result.gradient_norm):
            for name, gradient in gradients.items():
                record(f"clipped.{name}", gradient)
            self._update(gradients, step, learning_rate)
        return result

    def _mean_loss_and_gradients(
        self, inputs: Tokens, targets: Tokens, step: int, record: Record, fused: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        model, training = self.recipe.model, self.recipe.training
        batches = training.gradient_accumulation_steps
        losses: list[Tensor] = []
        total: dict[str, Tensor] = {}
        for part in range(batches):
            rows = slice(part * len(inputs) // batches, (part + 1) * len(inputs) // batches)
            size, time = inputs[rows].shape
            masks = dropout_masks(model, size, time, training.seed, step, training.weights_dtype, part)
            loss, gradients = loss_and_gradients(
                self.parameters, model, inputs[rows], targets[rows], masks, record, fused
            )
            losses.append(loss)
            if total:
                torch._foreach_add_(list(total.values()), list(gradients.values()))
            else:
                total = gradients
        if batches > 1:  # a mean of losses has the mean of their gradients
            torch._foreach_div_(list(total.values()), batches)
        return torch.stack(losses).mean(), total

    def begin(self, tokens: Tokens) -> None:
        """Take in the training text (n,), from which every step draws its batches."""
        training = self.recipe.training
        size = training.batch_size * training.gradient_accumulation_steps
        self._batches = BatchSampler(tokens, self.recipe.model.block_size, size, training.seed)

    def take_step(self, step: int, learning_rate: float) -> StepResult | None:
        """Take the step counted from 0 on its own batches, as ``training_step`` does."""
        self._latest = step, self.training_step(*self._batches.batch(step), step, learning_rate)
        return self._latest[1]

    def latest(self) -> tuple[int, StepResult]:
        """Return the last step and its result."""
        return self._latest

    def first_not_finite(self, step: int) -> str | None:
        """Return the name of the first array that is not finite when this step's gradient is computed, or None.

        It is computed on the explicit path, which names every array.
        """
        watch = FirstNotFinite(self.trained() or self.values())
        _, gradients = self._mean_loss_and_gradients(
            *self._batches.batch(step), step, lambda name, tensor: watch.record(name, tensor.cpu().numpy()), False
        )
        return watch.name_among(_arrays(gradients))

    def peak_memory(self) -> int | None:
        """Return the most bytes that were in use: on a CUDA device its own memory, elsewhere the process's."""
        cuda = self.device.type == "cuda"
        return torch.cuda.max_memory_allocated(self.device) if cuda else peak_memory_of_process()

    @torch.no_grad()
    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(loss_of(self._used, self.recipe.model, inputs, targets, fused=self.fused))

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets of the batches, without dropout."""
        return mean_over(self.loss, batches)

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a run needs to go on beside weights and moments: nothing."""
        return None

    def whole_parameters(self) -> dict[str, Tensor]:
        """Return the parameters that the model is used with as whole tensors on the device."""
        return self._used

    def predict(self, tokens: Any) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T)."""
        probabilities: Array = predict(self._used, self.recipe.model, tokens, fused=self.fused).cpu().numpy()
        return probabilities

    def values(self) -> Mapping[str, Array]:
        """Return a copy of the parameters by name that the model is used with."""
        return _arrays(self._used)

    def trained(self) -> Mapping[str, Array] | None:
        """Return a copy of the parameters that are trained, where ``values`` are their averages; otherwise None."""
        return _arrays(self.parameters) if self._averages else None

    def moments(self) -> Moments:
        """Return a copy of AdamW's m and v by parameter name."""
        return _arrays(self._state.m), _arrays(self._state.v)

    def draws(
        self,
        prompt: Sequence[int],
        uniforms: Iterable[float],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        cache: bool = True,
    ) -> Iterator[Draw]:
        """Yield a token, and the probabilities that it was drawn from, for each of the uniform numbers."""
        return draws(
            self.whole_parameters(),
            self.recipe.model,
            prompt,
            uniforms,
            temperature,
            top_k,
            top_p,
            cache=cache,
            fused=self.fused,
        )

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
        else:
            if self._optimizer is None:
                self._optimizer = fused_adamw(self.parameters, self._state, step, **choices)
            fused_adamw_step(self._optimizer, self.parameters, gradients, learning_rate)
        if self._averages:
            update_ema(self._averages, self.parameters, ema_weight(step + 1, training.ema_decay))

    @property
    def _used(self) -> dict[str, Tensor]:
        return self._averages or self.parameters


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
