"""The page's data: all of Python's words about the steps, and none of its numbers but the weights."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from handcalc.page.phases import part_title
from handcalc.page.web.explanations import kind_of
from handcalc.page.web.web_data import web_data
from handcalc.tracing.trace import Trace, take_step


def test_hello_world(train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    data = json.loads(json.dumps(web_data(trace)))
    assert [data["vocabulary"][token] for token in data["tokens"]] == ["hello", " "]
    assert [data["vocabulary"][token] for token in data["targets"]] == [" ", "world"]
    assert data["config"]["layer_norm_epsilon"] == "1e-05" and data["config"]["n_hidden"] == 24
    assert data["optimizer"]["learning_rate"] == "0.0003"
    assert [weight["name"] for weight in data["weights"]] == list(trace.plan.weight_shapes)
    assert data["weights"][0]["values"][31 * 6] == "0.91"
    assert len(json.dumps(data)) < 300_000


def test_steps(train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    for step, data in zip(trace.plan.steps, web_data(trace)["steps"], strict=True):
        expected = step._asdict() | {
            "undoes": list(step.undoes),
            "weights": [weights._asdict() for weights in step.weights],
            "part": part_title(step),
            "kind": kind_of(step.name),
        }
        del expected["cell"]
        assert data == expected


@pytest.mark.parametrize("updates", [1, 2])
def test_later_updates_have_their_own_words(updates: int, train_shipped: Callable[..., Trace]) -> None:
    trace = train_shipped("hello world")
    data = web_data(trace)
    for _ in range(updates):
        trace = take_step(trace)
    assert web_data(trace)["steps"] == [
        *(step for step in data["steps"] if step["phase"] in ("forward", "backward")),
        *data["later_updates"],
        *(step for step in data["steps"] if step["phase"] == "forward again"),
    ]
    parts = [step["part"] for step in data["later_updates"]]
    assert parts.count("AdamW: the correction of the moments") == 2


def test_without_update(train_shipped: Callable[..., Trace], trace_shipped: Callable[..., Trace]) -> None:
    assert web_data(train_shipped("hello world", update=False))["later_updates"] == []
    data = web_data(trace_shipped("hello"))
    assert data["optimizer"] is None and data["targets"] == [] and data["later_updates"] == []
