"""A whole training step as a function without arguments; everything it reads and writes stays on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import TrainingConfig
from torch_gpt.adamw import update_ema
from torch_gpt.fast.device_batches import DeviceBatches
from torch_gpt.fast.precision import Precision
from torch_gpt.fast.sharding import full_scalar


class WholeStep:
    """Batches, forward, backward, clipping, AdamW and EMA; called repeatedly, or captured and replayed.

    The step reads ``rate`` and ``ema_weight``, and writes ``loss``, ``norm`` and ``bad``. From the first step with a
    non-finite result on, ``bad`` is 1, nothing is updated, and loss and norm keep that step's values. (In float16 an
    overflow of the gradient does not count: the scaler skips the update and reduces its scale. After a loss that is not
    finite, the scaler also decides what to skip.)
    """

    def __init__(
        self,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        parameters: Mapping[str, Tensor],
        optimizer: torch.optim.AdamW,
        batches: DeviceBatches,
        training: TrainingConfig,
        precision: Precision,
        scaler: torch.amp.GradScaler | None,
        rate: Tensor,
        ema: Mapping[str, Tensor],
    ) -> None:
        self.loss_of, self._optimizer, self._batches = loss_of, optimizer, batches
        self._training, self._precision, self._scaler = training, precision, scaler
        self._named, self._ema = parameters, ema
        self._parameters = list(parameters.values())
        self._device, self._dtype = self._parameters[0].device, self._parameters[0].dtype
        self.rate, self.ema_weight = rate, torch.zeros((), device=self._device, dtype=self._dtype)
        self.loss, self.norm = (torch.zeros((), device=self._device, dtype=self._dtype) for _ in range(2))
        self.bad = torch.zeros((), device=self._device)
        self.step, self.bad_step = (torch.zeros((), dtype=torch.int64, device=self._device) for _ in range(2))

    def __call__(self) -> None:
        """Take the step that was selected in ``batches``."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._forward_and_backward(self._batches.windows().chunk(self._training.gradient_accumulation_steps))
        if dist.is_initialized():
            dist.all_reduce(loss)
            loss /= dist.get_world_size()
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._scaler is not None:
            self._scaler.unscale_(self._optimizer)
        norm = self._norm(gradients)
        if self._training.grad_clip > 0:
            # The factor stays on the device: min(1, …) does not need its value on the host. (13.2)
            torch._foreach_mul_(gradients, torch.clamp(self._training.grad_clip / (norm + 1e-6), max=1.0))
        self._record_result(loss, norm)
        if self._scaler is None:
            self._optimizer.found_inf = self.bad  # type: ignore[attr-defined]  # the fused AdamW then does nothing
            self._optimizer.step()
        else:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        if self._ema:
            update_ema(self._ema, self._named, self.ema_weight * (1 - self.bad))

    def dry_run(self, rows: int | None = None, *, alone: bool = False) -> StepResult:
        """Return the loss of the first batch, or of ``rows`` rows of it, and its gradient's norm; nothing is updated.

        With ``alone``, a process does not wait for the others, unless the weights are sharded.
        """
        windows = self._batches.windows()
        size = len(windows) // self._training.gradient_accumulation_steps
        loss = self._forward_and_backward([windows[: rows or size]], alone)
        norm = self._norm([parameter.grad for parameter in self._parameters if parameter.grad is not None])
        self._optimizer.zero_grad(set_to_none=True)
        return StepResult(float(loss), float(norm))

    def reset(self) -> None:
        """Restore the state before the first step."""
        for tensor in (self.loss, self.norm, self.bad, self.bad_step):
            tensor.zero_()

    def _forward_and_backward(self, batches: Sequence[Tensor], alone: bool = False) -> Tensor:
        """Return this process's mean loss of the batches; the mean gradient over all processes is left in ``grad``."""
        parts = len(batches)
        total = torch.zeros((), device=self._device, dtype=self._dtype)
        for part, windows in enumerate(batches):
            with self._no_sync(alone or part < parts - 1), self._precision.context(self._device):
                loss = self.loss_of(windows[:, :-1].contiguous(), windows[:, 1:].contiguous()) / parts
            scaled: Any = loss if self._scaler is None else self._scaler.scale(loss)
            with self._no_sync(alone or part < parts - 1):
                scaled.backward()
            total += loss.detach()
        return total

    def _norm(self, gradients: list[Tensor]) -> Tensor:
        # The norm of the norms (13.1): two operations for any number of tensors.
        return full_scalar(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))

    def _no_sync(self, wanted: bool) -> Any:
        # Only the backward pass of the last batch sends the sum of the gradients to the other processes.
        parallel: Any = self.loss_of
        return parallel.no_sync() if wanted and hasattr(parallel, "no_sync") else nullcontext()

    def _record_result(self, loss: Tensor, norm: Tensor) -> None:
        finite = torch.isfinite(loss) if self._scaler is not None else torch.isfinite(loss) & torch.isfinite(norm)
        first = ~finite & (self.bad == 0)
        good = self.bad == 0
        self.bad_step.copy_(torch.where(first, self.step, self.bad_step))
        self.loss.copy_(torch.where(good, loss, self.loss))
        known = good if self._scaler is None else good & torch.isfinite(norm)
        self.norm.copy_(torch.where(known, norm, self.norm))
        self.bad.copy_(torch.maximum(self.bad, (~finite).to(self.bad.dtype)))
