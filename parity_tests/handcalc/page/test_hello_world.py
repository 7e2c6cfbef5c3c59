"""The default output is byte for byte the file in the repository, and says what it is known for.

When the output is meant to change, renew the file and read what changed::

    python -m handcalc.trace "hello world" --output docs/hello-world.txt
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from handcalc.trace import main
from handcalc.tracing.trace import Trace

RENEW = 'python -m handcalc.trace "hello world" --output docs/hello-world.txt'
HELLO_WORLD = Path(__file__).parents[3] / "docs" / "hello-world.txt"


def test_matches_committed_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hello world"]) == 0
    same = capsys.readouterr().out.encode() == HELLO_WORLD.read_bytes()
    assert same, f"the output differs from {HELLO_WORLD.name}; if that is meant: {RENEW}"


def test_world_probability_is_right(trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    world = trace.vocabulary.index("world")
    assert abs(float(trace.numbers["probabilities"][1, world]) - trace.float64[1][world]) < 0.0005


def test_world_probability_is_shown(capsys: pytest.CaptureFixture[str], trace_shipped: Callable[..., Trace]) -> None:
    trace = trace_shipped("hello world")
    assert main(["hello world"]) == 0
    probability = trace.numbers["probabilities"][1, trace.vocabulary.index("world")]
    assert f"P(world | hello ␠)  = {probability}" in capsys.readouterr().out
