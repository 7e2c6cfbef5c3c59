"""CUDA graphs: work that is recorded once and then launched as a whole, without Python and without waiting."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")
_WARM_UP = 3  # times that torch's own recipe runs the work on a side stream before it is recorded


def captured(work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
    """Return a function that replays ``work`` on the device, and what the recorded call returned.

    Each replay fills the tensors of that result again. ``work`` must read and write tensors that stay where they are;
    it is called three times before it is recorded, as PyTorch's notes on CUDA semantics ask for.
    """
    stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*capturable=True.*")  # these runs are the ones before the capture
        for _ in range(_WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    return graph.replay, result
