"""The engine for real training: the same steps as in ``torch_gpt.engine``, without waiting for any of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.token_checks import check_targets, require_targets
from numpy_gpt.shared.training.engine import EvaluationLimit, Moments, StepResult
from numpy_gpt.shared.training.process_group import SINGLE_PROCESS, ProcessGroup
from numpy_gpt.shared.training.randomness import DROPOUT
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.schedule import ema_weight
from torch_gpt.adamw import AdamWState, fused_adamw, swap_ema
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.compiler import try_compile
from torch_gpt.fast.cuda_graph import capture_graph
from torch_gpt.fast.device_batches import DeviceBatches
from torch_gpt.fast.evaluator import Evaluator
from torch_gpt.fast.fallback import Report, check_memory, print_note
from torch_gpt.fast.hardware import peak_of
from torch_gpt.fast.loss_module import LossModule
from torch_gpt.fast.precision import check_rates, keep_dropout_exact, precision_of, rate_dtype, restore_scaler
from torch_gpt.fast.sharding import distribute, gather, reshard, shard
from torch_gpt.fast.whole_step import WholeStep
from torch_gpt.parameters import parameters_from

_EVALUATION = {
    "cuda": EvaluationLimit(1 << 16, 1e13),
    "cpu": EvaluationLimit(1 << 12, 1e11),
    "mps": EvaluationLimit(1 << 14, 1e12),
}


class FastOptions(NamedTuple):
    """The features that the fast engine uses if they are available; ``peak_flops`` is given by the user."""

    compile: bool = False
    graphs: bool = False
    tf32: bool = False
    fsdp: bool = False
    peak_flops: float | None = None


class FastEngine(TorchEngine):
    """A model in training on one device or, in a process group, on several; ``report`` receives notes on fallbacks.

    Raises
    ------
    UserError
        If there is no such device, it cannot compute in the recipe's dtype or at its learning rate, or values and
        moments do not fit the model.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        moments: Moments | None = None,
        device: str = "cpu",
        options: FastOptions | None = None,
        group: ProcessGroup = SINGLE_PROCESS,
        state: Mapping[str, Any] | None = None,
        report: Report = print_note,
        trained: Mapping[str, Array] | None = None,
    ) -> None:
        self.options = options or FastOptions()
        super().__init__(recipe, values, moments, device, fused=True, trained=trained, on_host=self.options.fsdp)
        self.group, self._report = group, report
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)  # streams and graphs are created on the current GPU
        keep_dropout_exact(recipe.model.dropout, self.device)
        self._precision = precision_of(recipe.training.dtype, self.device)
        check_rates(recipe.training, self.device)
        peak = self.options.peak_flops or peak_of(self.device, recipe.training.dtype, self.options.tf32)
        self.peak_flops = None if peak is None else peak * group.size
        self.evaluation_limit = _EVALUATION[self.device.type]
        self._wrap_parameters()
        self._scaler = torch.amp.GradScaler(self.device.type) if self._precision.scaled else None
        if self._scaler is not None and state is not None:
            restore_scaler(self._scaler, state)
        self._loss_of: Any = self.module
        if group.size > 1 and not self.options.fsdp:
            device_ids = [self.device] if self.device.type == "cuda" else None
            self._loss_of = DistributedDataParallel(self.module, device_ids=device_ids)
        self._step: WholeStep | None = None
        self._launch: Callable[[], None] | None = None
        self._evaluator: Evaluator | None = None

    def _wrap_parameters(self) -> None:
        """Move the parameters to a module, sharded with FSDP, and shard their EMA in the same way."""
        self.module = LossModule(self.recipe.model, {name: value.detach() for name, value in self.parameters.items()})
        if self.options.fsdp:
            shard(self.module, self.device)
        self.parameters = dict(self.module.named_parameters())
        self._ema = distribute(self._ema, self.parameters)

    def begin(self, tokens: Tokens) -> None:
        """Set the training text (n,), from which every step draws its batches."""
        super().begin(tokens)
        self._windows = DeviceBatches(tokens, self._sampler, self.device, self.group)
        self._step = None

    def take_step(self, step: int, learning_rate: float) -> StepResult | None:
        """Launch the step, counted from 0, without waiting for its end."""
        self._windows.set_step(step)
        if self._step is None or self._launch is None:
            self._step, self._launch = self._prepare_step(step)
        self._step.rate.fill_(learning_rate)
        self._step.ema_weight.fill_(ema_weight(step + 1, self.recipe.training.ema_decay))
        self._step.step.fill_(step)
        self._seed(step)
        self._launch()
        return None

    def latest(self) -> tuple[int, StepResult]:
        """Wait for the last step; return the first step with a non-finite result, or the last if there was none."""
        if self._step is None:
            raise ValueError("no step has been taken yet")
        whole = self._step
        figures = (whole.loss, whole.norm, whole.bad, whole.bad_step, whole.step)
        widest = torch.float32 if self.device.type == "mps" else torch.float64
        loss, norm, bad, bad_step, step = torch.stack([figure.to(widest) for figure in figures]).tolist()
        return int(bad_step if bad else step), StepResult(loss, norm)

    def mean_loss(self, batches: Iterable[tuple[Tokens, Tokens]]) -> float:
        """Return the mean loss over all targets that count, without dropout; it waits only once, at the end."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self._evaluation_loss, self.device, self.options.graphs, self._report)
        total, count = torch.zeros((), dtype=torch.float64), 0
        total = total.to(self.device) if self.device.type != "mps" else total.float().to(self.device)
        self._swap_ema()  # the module, compiled or captured, always uses its own tensors
        try:
            for inputs, given in batches:
                targets = check_targets(given, inputs, self.recipe.model)
                if positions := int(np.count_nonzero(targets >= 0)):
                    total += self._evaluator(inputs, targets) * positions
                    count += positions
        finally:
            self._swap_ema()
        return float(total) / require_targets(count)

    def loss(self, inputs: Tokens, targets: Tokens) -> float:
        """Return the mean loss in nats per token, without dropout. Shapes: inputs, targets (B, T)."""
        return self.mean_loss([(inputs, targets)])

    def full_parameters(self) -> dict[str, Tensor]:
        """Return the parameters as full tensors; if they are sharded, all processes must call this."""
        if not self.options.fsdp:
            return self._inference_parameters
        return parameters_from(self.recipe.model, self.values(), self.device)

    def engine_state(self) -> Mapping[str, Any] | None:
        """Return what a resumed run needs in addition to weights and moments: the scaler's state in float16."""
        return None if self._scaler is None else {"scaler": self._scaler.state_dict()}

    def _arrays(self, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
        return gather(tensors)

    @torch.no_grad()
    def _evaluation_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.module.eval()
        try:
            with self._precision.context(self.device):
                loss: Tensor = self.module(inputs, targets)  # not compiled, as that is for a training batch's shape
            return loss
        finally:
            self.module.train()

    def _swap_ema(self) -> None:
        swap_ema(self._ema, self.parameters)
        if self.options.fsdp:
            reshard(self.module)

    def _seed(self, step: int) -> None:
        """Make the dropout masks a function of the step, so that a run can resume from any step."""
        if self.recipe.model.dropout:
            key = [self.recipe.training.seed, DROPOUT, step, self.group.rank]
            self._manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1)

    def _manual_seed(self, seed: int) -> None:
        """Seed only this device's generator: torch.manual_seed seeds those of all devices, which takes 100 µs."""
        if self.device.type == "cuda":
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            torch.cuda.default_generators[index].manual_seed(seed)
        elif self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _prepare_step(self, step: int) -> tuple[WholeStep, Callable[[], None]]:
        """Return the step, compiled if possible, and the function that launches it."""
        whole = self._whole_step(step)
        training = self.recipe.training
        result = check_memory(whole, training.batch_size, self.device, self.group.size)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)  # the dry run is uncompiled and needs more memory
        if self.options.compile:
            if self.group.size > 1:  # the gradient is then a mean over all processes
                result = result._replace(gradient_norm=math.nan)
            if self.recipe.model.dropout:  # compiled code draws other masks
                result = StepResult(math.nan, math.nan)
            whole.loss_of = self._loss_of = try_compile(whole, self._loss_of, training, result, self._report)
        if not self.options.graphs or self.device.type != "cuda" or self.group.size > 1 or self._scaler is not None:
            return whole, whole
        launch: Callable[[], None]
        try:
            whole.bad.fill_(1)  # so that nothing is updated during the warm-up
            launch, _ = capture_graph(whole)
        except RuntimeError as error:
            self._report(f"CUDA graphs are unavailable, steps launch single kernels: {error}")
            launch = whole
        whole.reset()
        return whole, launch

    def _whole_step(self, step: int) -> WholeStep:
        training = self.recipe.training
        if self.options.fsdp:
            self._state = AdamWState(*(distribute(part, self.parameters) for part in self._state))
        rate = torch.zeros((), device=self.device, dtype=rate_dtype(training.dtype, self.device))
        return WholeStep(
            self._loss_of,
            self.parameters,
            fused_adamw(self.parameters, self._state, step, **training.adamw(), rate=rate),
            self._windows,
            training,
            self._precision,
            self._scaler,
            rate,
            self._ema,
        )
