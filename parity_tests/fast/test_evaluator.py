"""Evaluation by CUDA graphs, one for each shape of batch, with a stand-in for the GPU that records what is captured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from torch_gpt.fast import evaluator
from torch_gpt.fast.evaluator import Evaluator

CARD = SimpleNamespace(type="cuda")


def _loss(x, y):
    return (x.double() * 3 + y).mean()


@pytest.fixture
def captures(monkeypatch):
    """Return the list of captures; a replay computes into the tensor that the capture returned."""
    shapes = []

    def capture(work):
        result = work()
        return (lambda: result.copy_(work())), result

    def to_device(ids, device, dtype):
        return torch.tensor(ids).to(dtype)

    monkeypatch.setattr(evaluator, "capture_graph", lambda work: (shapes.append(1), capture(work))[1])
    monkeypatch.setattr(evaluator, "tensor_from", to_device)
    return shapes


def _batches():
    generator = np.random.default_rng(0)
    for shape in [(4, 8), (4, 8), (3, 8), (1, 5), (4, 8), (3, 8), (2, 8)]:
        yield tuple(generator.integers(9, size=(2, *shape)))


@pytest.mark.usefixtures("captures")
def test_each_shape_is_captured_once(captures):
    evaluate = Evaluator(_loss, CARD, True, lambda message: pytest.fail(message))
    losses = [(evaluate(x, y), 3 * x.mean() + y.mean()) for x, y in _batches()]
    for loss, expected in losses:  # a later replay does not change an earlier loss
        assert loss.item() == pytest.approx(expected)
    assert len(captures) == 4


def test_without_capture_the_losses_are_right(captures, monkeypatch):
    def fails(work):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(evaluator, "capture_graph", fails)
    said = []
    evaluate = Evaluator(_loss, CARD, True, said.append)
    for x, y in _batches():
        assert evaluate(x, y).item() == pytest.approx(3 * x.mean() + y.mean())
    assert len(said) == 1
    assert "evaluation cannot be captured" in said[0]


def test_without_graphs_nothing_is_captured(captures):
    for device, graphs in ((CARD, False), (torch.device("cpu"), True)):
        evaluate = Evaluator(_loss, device, graphs, lambda message: pytest.fail(message))
        for x, y in _batches():
            assert evaluate(x, y).item() == pytest.approx(3 * x.mean() + y.mean())
    assert captures == []
