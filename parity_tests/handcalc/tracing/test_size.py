"""A trace that is too large is refused before anything is worked out, with its size and what makes it smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from handcalc import trace
from handcalc.page.text import text_lines
from handcalc.trace import main
from handcalc.tracing import size
from handcalc.tracing.plan import make_training_plan
from handcalc.tracing.selection import Selection
from handcalc.tracing.size import size_of
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.handcalc.test_trace import saved

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("full", [False, True])
def test_estimate_of_a_bigram_model(full: bool, train_random: Callable[..., tuple[Trace, object]]) -> None:
    worked, _ = train_random((1, 0, 2, 0), 4, kind="bigram")
    expected = size_of(worked.plan, Selection(), full=full)
    assert expected.numbers == sum(len(worked.numbers[step.name]) for step in worked.plan.steps)
    text = sum(map(len, text_lines(worked, Selection(), full=full)))
    assert text / 3 < expected.characters < 4 * text + 20_000


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("only", [(), ("dweight",), ("h.0.attn.scores",)])
def test_estimate(full: bool, only: tuple[str, ...], train_shipped: Callable[..., Trace]) -> None:
    worked, selection = train_shipped("hello world"), Selection(only)
    expected = size_of(worked.plan, selection, full=full)
    assert expected.numbers == sum(len(worked.numbers[step.name]) for step in worked.plan.page_steps)
    text = sum(map(len, text_lines(worked, selection, full=full)))
    assert text / 3 < expected.characters < 4 * text + 20_000


def test_linear_in_layers() -> None:
    sizes = []
    for layers in (1, 2, 3):
        config = GPTConfig(vocab_size=50, block_size=8, n_layer=layers, n_head=2, n_embd=8, bias=True)
        plan = make_training_plan(config, (1, 2, 3, 4), digits=4)
        sizes.append(size_of(plan, Selection(), full=True))
    first, second, third = sizes
    assert third.numbers - second.numbers == second.numbers - first.numbers
    assert third.operands - second.operands == second.operands - first.operands


def refuse(*arguments: object, **options: object) -> None:
    raise AssertionError("nothing may be worked out")


def test_too_large_to_work_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    model = saved(tmp_path / "model", n_embd=256, n_layer=8)
    monkeypatch.setattr(trace, "trace_model", refuse)
    for only, remedy in ([], "name with --only what you want to see, or add --force"), (["--only", "loss"], "--head"):
        assert main(["hello world", "--model", model, "--update", *only]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "this trace is too large to work out: " in err and "operands" in err
        assert remedy in err


def test_too_large_bigram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    model = saved(tmp_path / "model", kind="bigram", vocab_size=500)
    monkeypatch.setattr(trace, "trace_model", refuse)
    assert main(["hello world", "--model", model, "--update"]) == 2
    assert "this trace is too large to work out: " in capsys.readouterr().err


def test_too_large_to_print(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(size, "MOST_CHARACTERS", 200_000)
    assert main(["hello world", "--update", "--only", "dq"]) == 0
    assert main(["hello world", "--update", "--full", "--force"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(trace, "trace_model", refuse)
    assert main(["hello world", "--update", "--full"]) == 2
    err = capsys.readouterr().err
    assert "this page is too large to print: about " in err and "--only, --layer, --head or --position" in err
