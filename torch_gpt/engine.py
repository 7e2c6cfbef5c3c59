"""The engine that the trainer drives: the mathematics of a training step, evaluation and sampling, in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.record import Record, ignore
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.training.engine import Batch, Engine, Moments, check_moments, check_recipe
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import ema_weight
from numpy_gpt.shared.training.throughput import peak_memory_of_process
from torch_gpt.adamw import AdamWState, adamw_state, adamw_step, fused_adamw, fused_adamw_step, update_ema
from torch_gpt.clipping import clip_gradients, clip_gradients_fused
from torch_gpt.device import choose_device
from torch_gpt.model import loss_and_gradients_of, loss_of, predict
from torch_gpt.parameters import parameters_from
from torch_gpt.record import as_arrays
from torch_gpt.sampling import draws


class TorchEngine(Engine):
    """A model in training: its parameters and AdamW's moments on one device, all float32 or all float64.

    With ``fused``, layers, clipping and AdamW are torch's fused operations; otherwise they are written out. Both paths
    use the shared dropout masks on every device, so a run drops the same values wherever it is computed. If the recipe
    has an EMA of the weights, ``values`` are the EMA and ``trained`` the weights in training. ``on_host`` keeps them
    all in host memory for a caller that shards them, because one device may not have enough memory for all of them.

    Raises
    ------
    UserError
        If there is no such device, or values, moments or trained weights do not fit the recipe's model.
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
        check_recipe(recipe)
        check_flags(fused=fused, on_host=on_host)
        self.recipe, self.fused = recipe, fused
        self.device = choose_device(device, recipe.training.dtype)
        place = torch.device("cpu") if on_host else self.device
        self.parameters = parameters_from(recipe.model, values if trained is None else trained, place)
        has_ema = recipe.training.ema_decay > 0
        ema = parameters_from(recipe.model, values, place) if has_ema else {}
        self._ema = {name: average.detach() for name, average in ema.items()}
        if moments is not None:
            m, v = (parameters_from(recipe.model, part, place) for part in check_moments(moments))
            self._state = AdamWState(*({name: part[name].detach() for name in part} for part in (m, v)))
        self._optimizer: torch.optim.AdamW | None = None  # created at the first step, because it needs the step number

    @torch.no_grad()
    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return float(loss_of(self._inference_parameters, self.recipe.model, inputs, targets, fused=self.fused))

    def predict(self, tokens: Any, record: Record = ignore) -> Array:
        """Return the probability of every next token (B, T, V) for tokens (B, T), and record every activation.

        Only the explicit path records every activation, so the fused operations are used without a ``record`` only.
        """
        fused, listen = (self.fused, ignore) if record is ignore else (False, as_arrays(record))
        probabilities = predict(self._inference_parameters, self.recipe.model, tokens, listen, fused)
        array: Array = probabilities.cpu().numpy()
        return array

    def values(self) -> Mapping[str, Array]:
        """Return a copy of the parameters used for inference, by name."""
        return self._arrays(self._inference_parameters)

    def trained_values(self) -> Mapping[str, Array] | None:
        """Return a copy of the parameters in training if ``values`` are their EMA, otherwise None."""
        return self._arrays(self.parameters) if self._ema else None

    def moments(self) -> Moments:
        """Return a copy of AdamW's m and v by parameter name."""
        return self._arrays(self._state.m), self._arrays(self._state.v)

    def full_parameters(self) -> dict[str, Tensor]:
        """Return the parameters used for inference as full tensors on the device."""
        return self._inference_parameters

    def peak_memory(self) -> int | None:
        """Return the peak memory in bytes: that of the CUDA device, otherwise that of the process."""
        cuda = self.device.type == "cuda"
        return torch.cuda.max_memory_allocated(self.device) if cuda else peak_memory_of_process()

    @cached_property
    def _state(self) -> AdamWState:
        """AdamW's moments, made at first use: a model that only samples needs no memory for them."""
        return adamw_state(self.parameters)

    @property
    def _inference_parameters(self) -> dict[str, Tensor]:
        return self._ema or self.parameters

    def _arrays(self, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}

    def _draws(self, prompt: Sequence[int], uniforms: Iterable[float], **choices: Any) -> Iterator[Draw]:
        return draws(self.full_parameters(), self.recipe.model, prompt, uniforms, fused=self.fused, **choices)

    def _mean_loss_and_gradients(
        self, batches: Iterable[Batch], record: Record, fused: bool | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        fused = self.fused if fused is None else fused
        losses: list[Tensor] = []
        total: dict[str, Tensor] = {}
        for inputs, targets, masks, positions in batches:
            loss, gradients = loss_and_gradients_of(
                self.parameters, self.recipe.model, inputs, targets, masks, record, fused, positions
            )
            losses.append(loss)
            if total:
                torch._foreach_add_(list(total.values()), list(gradients.values()))
            else:
                total = gradients
        if len(losses) > 1:  # the gradient of a mean of losses is the mean of their gradients
            torch._foreach_div_(list(total.values()), len(losses))
        return torch.stack(losses).mean(), total

    def _recorded_gradients(self, batches: Iterable[Batch], record: Record) -> Mapping[str, Array]:
        # The explicit path records every array.
        return self._arrays(self._mean_loss_and_gradients(batches, as_arrays(record), False)[1])

    def _clip(self, gradients: Mapping[str, Tensor]) -> Tensor:
        clip = clip_gradients_fused if self.fused else clip_gradients
        return clip(gradients, self.recipe.training.grad_clip)

    def _update(self, gradients: Mapping[str, Tensor], step: int, learning_rate: float) -> None:
        training = self.recipe.training
        if not self.fused:
            adamw_step(self.parameters, gradients, self._state, step + 1, learning_rate, **training.adamw())
        else:
            if self._optimizer is None:
                self._optimizer = fused_adamw(self.parameters, self._state, step, **training.adamw())
            fused_adamw_step(self._optimizer, self.parameters, gradients, learning_rate)
        if self._ema:
            update_ema(self._ema, self.parameters, ema_weight(step + 1, training.ema_decay))
