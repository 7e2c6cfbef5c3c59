"""CUDA graphs: record work once, then launch it as a whole, without Python and without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")
_WARM_UP = 3  # runs on a side stream before recording, as in torch's own recipe


def capture_graph(work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
    """Return a function that replays ``work`` on the device, and the result of the recorded call.

    Each replay writes to the tensors of that result again. ``work`` must read and write tensors at fixed addresses. It
    is called three times before it is recorded, as PyTorch's notes on CUDA semantics require; its exceptions propagate.
    """
    before = torch.cuda.current_stream()
    stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            work()
    before.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            result = work()
    except RuntimeError as error:
        # torch cannot end a failed capture: it reports that instead of the original error, which may be Ctrl-C, and
        # stays on the capture's stream.
        torch.cuda.set_stream(before)
        raise error.__context__ or error from None
    return graph.replay, result
