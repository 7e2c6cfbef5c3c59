"""The engine for training for real: the same steps as ``torch_gpt.engine``'s, without waiting for any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.training.ema import ema_weight
from numpy_gpt.shared.training.engine_protocol import Moments, StepResult
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.adamw import AdamWState, fused_adamw
from torch_gpt.ema import exchange
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.device_batches import DeviceBatches
from torch_gpt.fast.evaluator import Evaluator
from torch_gpt.fast.fallback import Report, compiled, said, with_fitting_batch
from torch_gpt.fast.hardware import peak_of
from torch_gpt.fast.loss_module import LossModule
from torch_gpt.fast.precision import keep_dropout_exact, precision_of
from torch_gpt.fast.replay import captured
from torch_gpt.fast.sharding import distribute, gathered, reshard, shard
from torch_gpt.fast.whole_step import WholeStep
from torch_gpt.parameters import parameters_from

_EVALUATION_TOKENS = {"cuda": 1 << 16, "cpu": 1 << 12, "mps": 1 << 14}
_DROPOUT = 1  # the purpose of these random numbers, as in shared.randomness


class FastOptions(NamedTuple):
    """What the fast engine makes use of, as far as it can be had; ``peak_flops`` is the user's own figure."""

    compile: bool = False
    graphs: bool = False
    tf32: bool = False
    fsdp: bool = False
    peak_flops: float | None = None


class FastEngine(TorchEngine):
    """A model in training on one device or, with a team, on several; ``report`` is told what could not be had.

    Raises
    ------
    UserError
        If there is no such device, it cannot compute in the recipe's dtype, or values and moments do not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        device: str = "cpu",
        how: FastOptions | None = None,
        team: ProcessGroup = SINGLE_PROCESS,
        state: Mapping[str, Any] | None = None,
        report: Report = said,
        trained: Mapping[str, Array] | None = None,
    ) -> None:
        self.how = how or FastOptions()
        super().__init__(recipe, values, moments, device, fused=True, trained=trained, on_host=self.how.fsdp)
        self.team, self._report = team, report
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)  # streams and graphs are made on the current card
        keep_dropout_exact(recipe.model.dropout, self.device)
        self._precision = precision_of(recipe.training.dtype, self.device)
        peak = self.how.peak_flops or peak_of(self.device, recipe.training.dtype, self.how.tf32)
        self.peak_flops = None if peak is None else peak * team.size
        self.evaluation_tokens = _EVALUATION_TOKENS[self.device.type]
        self.module = LossModule(recipe.model, {name: value.detach() for name, value in self.parameters.items()})
        if self.how.fsdp:
            shard(self.module, self.device)
        self.parameters = dict(self.module.named_parameters())
        self._averages = distribute(self._averages, self.parameters)
        self._scaler = torch.amp.GradScaler(self.device.type) if self._precision.scaled else None
        if self._scaler is not None and state is not None:
            self._scaler.load_state_dict(dict(state["scaler"]))
        self._loss_of: Any = self.module
        if team.size > 1 and not self.how.fsdp:
            cards = [self.device] if self.device.type == "cuda" else None
            self._loss_of = DistributedDataParallel(self.module, device_ids=cards)
        self._step: WholeStep | None = None
        self._launch: Callable[[], None] | None = None
        self._evaluator: Evaluator | None = None

    def begin(self, tokens: Tokens) -> None:
        """Take in the training text (n,), from which every step draws its batches."""
        super().begin(tokens)
        self._windows = DeviceBatches(tokens, self._batches, self.device, self.team)
        self._step = None

    def take_step(self, step: int, learning_rate: float) -> StepResult | None:
        """Set the step counted from 0 going; nothing waits for its end."""
        self._windows.turn_to(step)
        if self._step is None or self._launch is None:
            self._step, self._launch = self._prepared(step)
        self._step.rate.fill_(learning_rate)
        self._step.share.fill_(ema_weight(step + 1, self.recipe.training.ema_decay))
        self._step.step.fill_(step)
        self._seed(step)
        self._launch()
        return None

    def latest(self) -> tuple[int, StepResult]:
        """Wait for the last step; return the first that was not finite, if there was one, or else the last."""
        if self._step is None:
            raise ValueError("no step was taken yet")
        whole = self._step
        figures = (whole.loss, whole.norm, whole.bad, whole.bad_step, whole.step)
        wide = torch.float32 if self.device.type == "mps" else torch.float64  # MPS has no wider one
        loss, norm, bad, bad_step, step = torch.stack([figure.to(wide) for figure in figures]).tolist()
        return int(bad_step if bad else step), StepResult(loss, norm)

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets of the batches, without dropout; only its end is waited for."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self._evaluated, self.device, self.how.graphs, self._report)
        total, count = torch.zeros((), dtype=torch.float64), 0
        total = total.to(self.device) if self.device.type != "mps" else total.float().to(self.device)
        self._exchange()  # the module, compiled or captured, computes with its own tensors
        try:
            for inputs, targets in batches:
                total += self._evaluator(inputs, targets) * targets.size
                count += targets.size
        finally:
            self._exchange()
        return float(total) / count

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return self.mean_loss([(inputs, targets)])

    def values(self) -> Mapping[str, Array]:
        """Return a copy of the parameters by name that the model is used with."""
        return gathered(self._used)

    def trained(self) -> Mapping[str, Array] | None:
        """Return a copy of the parameters that are trained, where ``values`` are their averages; otherwise None."""
        return gathered(self.parameters) if self._averages else None

    def moments(self) -> Moments:
        """Return a copy of AdamW's m and v by parameter name."""
        return gathered(self._state.m), gathered(self._state.v)

    def whole_parameters(self) -> dict[str, Tensor]:
        """Return the parameters as whole tensors; where they are dealt out, all processes must take part."""
        return parameters_from(self.recipe.model, self.values(), self.device) if self.how.fsdp else self._used

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a run needs to go on beside weights and moments: in float16 the scaler's state."""
        return None if self._scaler is None else {"scaler": self._scaler.state_dict()}

    @torch.no_grad()
    def _evaluated(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.module.eval()
        try:
            with self._precision.context(self.device):
                loss: Tensor = self.module(inputs, targets)  # not what was compiled for the shape of a training batch
            return loss
        finally:
            self.module.train()

    def _exchange(self) -> None:
        exchange(self._averages, self.parameters)
        if self.how.fsdp:
            reshard(self.module)

    def _seed(self, step: int) -> None:
        """Make what is dropped a function of the step, so that a run can go on from any."""
        if self.recipe.model.dropout:
            key = [self.recipe.training.seed, _DROPOUT, step, self.team.rank]
            self._manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))

    def _manual_seed(self, seed: int) -> None:
        """Seed the generator of this device alone: torch.manual_seed seeds all there are, and takes 100 µs for it."""
        if self.device.type == "cuda":
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            torch.cuda.default_generators[index].manual_seed(seed)
        elif self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _prepared(self, step: int) -> tuple[WholeStep, Callable[[], None]]:
        """Return the step and how it is launched: warmed up, compiled and captured, as far as that can be had."""
        training = self.recipe.training
        if self.how.fsdp:
            self._state = AdamWState(*(distribute(part, self.parameters) for part in self._state))
        # The fused AdamW of CUDA reads a rate in float32 and no other.
        dtype = torch.float64 if training.dtype == "float64" and self.device.type == "cpu" else torch.float32
        rate = torch.zeros((), device=self.device, dtype=dtype)
        betas = {"beta1": training.beta1, "beta2": training.beta2, "epsilon": training.adam_epsilon}
        optimizer = fused_adamw(
            self.parameters, self._state, step, **betas, weight_decay=training.weight_decay, rate=rate
        )
        whole = WholeStep(
            self._loss_of,
            self.parameters,
            optimizer,
            self._windows,
            training,
            self._precision,
            self._scaler,
            rate,
            self._averages,
        )
        with_fitting_batch(whole, training.batch_size, self.device, self.team.size)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)  # the rehearsal is not compiled and takes more
        if self.how.compile:
            whole.loss_of = self._loss_of = compiled(whole, self._loss_of, self._report)
        if not self.how.graphs or self.device.type != "cuda" or self.team.size > 1 or self._scaler is not None:
            return whole, whole
        try:
            whole.bad.fill_(1)  # while it is warmed up, nothing is updated
            launch, _ = captured(whole)
        except RuntimeError as error:
            self._report(f"CUDA graphs cannot be had, steps are launched one kernel at a time: {error}")
            launch = whole
        whole.reset()
        return whole, launch
