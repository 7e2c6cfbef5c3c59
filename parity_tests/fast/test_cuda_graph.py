"""Recording work as a CUDA graph, with stand-ins for the GPU that fail as torch does."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from torch_gpt.fast.cuda_graph import capture_graph


@pytest.fixture
def stream(monkeypatch):
    """Return the stand-in's current stream; a failed capture raises at its end, on its own stream."""
    current = SimpleNamespace(name="default")

    def new(name):
        return SimpleNamespace(name=name, wait_stream=lambda other: None)

    current.stream = new("default")

    @contextmanager
    def on(stream):
        before, current.stream = current.stream, stream
        yield
        current.stream = before

    class Capture:
        def __init__(self, graph):
            self._graph = graph

        def __enter__(self):
            self._before, current.stream = current.stream, new("capture")

        def __exit__(self, kind, error, trace):
            if error is not None:
                raise RuntimeError("operation failed due to a previous error during capture")
            current.stream = self._before

    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current.stream)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(current, "stream", stream))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: new("side"))
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay="replay"))
    monkeypatch.setattr(torch.cuda, "graph", Capture)
    return current


def test_work_is_warmed_up_and_then_recorded(stream):
    places = []
    replay, result = capture_graph(lambda: places.append(stream.stream.name) or len(places))
    assert (replay, result) == ("replay", 4)
    assert places == ["side"] * 3 + ["capture"]
    assert stream.stream.name == "default"


@pytest.mark.parametrize("error", [RuntimeError("no such operation here"), KeyboardInterrupt()])
def test_a_failed_capture_restores_the_stream(stream, error):
    def work():
        if stream.stream.name == "capture":
            raise error

    with pytest.raises(type(error)) as raised:
        capture_graph(work)
    assert raised.value is error
    assert stream.stream.name == "default"
