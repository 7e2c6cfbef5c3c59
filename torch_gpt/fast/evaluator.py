"""Losses of many batches without waiting for any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from numpy_gpt.shared.model.arrays import Tokens
from torch_gpt.fast.cuda_graph import capture_graph
from torch_gpt.fast.fallback import Report
from torch_gpt.parameters import tensor_from

_MAX_GRAPHS = 8  # one per shape: full batches, the last batch, one shorter window, random batches


class _LossGraph(NamedTuple):
    """A captured loss: the tensors it reads, the function that replays it, and its result."""

    inputs: Tensor
    targets: Tensor
    replay: Callable[[], None]
    loss: Tensor


class Evaluator:
    """The mean loss of a batch on its device; on CUDA with one graph per batch shape, if graphs work."""

    def __init__(
        self, loss_of: Callable[[Tensor, Tensor], Tensor], device: torch.device, graphs: bool, report: Report
    ) -> None:
        self._loss_of, self._device, self._report = loss_of, device, report
        self._use_graphs = graphs and device.type == "cuda"
        self._graphs: dict[tuple[int, ...], _LossGraph] = {}

    def __call__(self, inputs: Tokens, targets: Tokens) -> Tensor:
        """Return the mean loss in nats per token without waiting for it. Shapes: inputs, targets (B, T)."""
        x, y = (tensor_from(ids, self._device, torch.int64) for ids in (inputs, targets))
        if self._use_graphs and x.shape not in self._graphs and len(self._graphs) < _MAX_GRAPHS:
            self._capture(x, y)
        graph = self._graphs.get(tuple(x.shape))
        if graph is None:
            return self._loss_of(x, y)
        graph.inputs.copy_(x)
        graph.targets.copy_(y)
        graph.replay()
        return graph.loss.clone()

    def _capture(self, x: Tensor, y: Tensor) -> None:
        try:
            replay, loss = capture_graph(lambda: self._loss_of(x, y))
        except RuntimeError as error:
            self._use_graphs = False
            self._report(f"evaluation cannot be captured as a CUDA graph and launches single kernels: {error}")
        else:
            self._graphs[tuple(x.shape)] = _LossGraph(x, y, replay, loss)
