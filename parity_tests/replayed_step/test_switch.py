"""What switches replay on and off, and what the metrics say about each step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gpt_data.errors import UserError
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.replay.replayed import WORTH
from numpy_gpt.replayed_step import REPLAY_VARIABLE, wants_replay
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.metrics import read_metrics
from numpy_gpt.shared.training.presets import preset
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, runner
from parity_tests.shared.training.training_runs import metrics_of

STEPS = ["--max_iters", WORTH + 4, "--eval_interval", 5, "--log_interval", 1, "--dropout", 0.1]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(REPLAY_VARIABLE, raising=False)
    return runner("numpy_gpt", capsys)


def _executions(path="run"):
    return [line["execution"] for line in metrics_of(Path(path)) if line["kind"] == "step"]


REPLAYED = ["plain"] * (WORTH + 2) + ["replay"] * 2
"""The plain steps, the one that is written down and the one that is proven; then the others."""
PLAIN = ["plain"] * (WORTH + 4)


@pytest.mark.parametrize(
    ("flags", "variable", "expected"),
    [
        ([], None, REPLAYED),
        (["--replay"], None, REPLAYED),
        (["--replay", "false"], None, PLAIN),
        ([], "false", PLAIN),
        ([], "FALSE", PLAIN),
        ([], "true", REPLAYED),
        (["--replay", "true"], "false", REPLAYED),  # the flag wins
        (["--replay", "no"], "true", PLAIN),
        (["--replay", "false"], "perhaps", PLAIN),
    ],
)
def test_flag_and_variable(run, monkeypatch, flags, variable, expected):
    if variable is not None:
        monkeypatch.setenv(REPLAY_VARIABLE, variable)
    assert run("train", "tiny", *STEPS, *flags, "--out_dir", "run").status == 0
    assert _executions() == expected


def test_both_ways_write_the_same_files(run):
    for name in ("true", "false"):
        assert run("train", "tiny", *STEPS, "--ema_decay", 0.9, "--replay", name, "--out_dir", name).status == 0
    assert contents(Path("true")) == contents(Path("false"))
    samples = [run("sample", "true", "--replay", name, "--num_samples", 6).out for name in ("true", "false")]
    losses = [run("evaluate", "true", "--replay", name).out for name in ("true", "false")]
    assert (samples[0], losses[0]) == (samples[1], losses[1])


def test_a_resumed_run_differs_in_its_execution_only(run):
    assert run("train", "tiny", *STEPS, "--out_dir", "whole").status == 0
    shutil.copytree("whole", "run")
    shutil.rmtree(max(Path("run/checkpoints").iterdir()))  # the last step's
    assert run("train", "--resume", "run").status == 0
    assert _executions("whole") == REPLAYED
    assert _executions() == ["plain"] * len(REPLAYED)
    assert contents(Path("run")) == contents(Path("whole"))


def test_a_wrong_variable_is_one_line(run, monkeypatch):
    assert run("train", "tiny", *STEPS, "--out_dir", "run").status == 0
    before = contents(Path("run"))
    monkeypatch.setenv(REPLAY_VARIABLE, "perhaps")
    message = "the environment variable NUMPY_GPT_REPLAY must be true or false, not 'perhaps'"
    for words in (["train", "tiny", "--out_dir", "new"], ["train", "--resume", "run", "--max_iters", 30]):
        assert_rejected(run(*words), message)
    for command in ("sample", "evaluate"):
        assert_rejected(run(command, "run"), message)
    assert contents(Path("run")) == before
    assert not Path("new").exists()
    assert run("plot", "run").status == 0  # computes nothing
    with pytest.raises(UserError, match="must be true or false, not ''"):
        monkeypatch.setenv(REPLAY_VARIABLE, "")
        wants_replay(None)
    assert wants_replay(True)


def test_a_wrong_flag_is_one_line(run):
    assert_rejected(run("train", "tiny", "--replay", "perhaps"), "--replay")


def test_an_engine_asks_the_variable(monkeypatch):
    recipe = preset("tiny")
    values = initial_values(recipe.model, 0, recipe.training.dtype)
    for text, expected in (("true", True), ("false", False)):
        monkeypatch.setenv(REPLAY_VARIABLE, text)
        for chosen, wanted in ((None, expected), (True, True), (False, False)):
            assert (NumpyEngine(recipe, values, replay=chosen)._replay is not None) is wanted


def test_steps_by_hand_are_plain(run):
    assert run("train", "tiny", *STEPS, "--out_dir", "whole").status == 0
    assert run("train", "tiny", *STEPS, "--by_hand", 3, "--out_dir", "run").status == 0
    expected = ["plain"] * (3 + WORTH + 2)
    assert _executions() == (expected + ["replay"] * len(REPLAYED))[: len(REPLAYED)]
    assert contents(Path("run")) == contents(Path("whole"))


def test_what_the_metrics_say_is_checked(tmp_path):
    line = '{"kind": "step", "step": 1, "train_loss": 2.0, "execution": %s}\n'
    path = tmp_path / "metrics.jsonl"
    for value in ('"replay"', '"plain: a layer draws numbers"', "null"):
        path.write_text(line % value)
        assert [record.step for record in read_metrics(tmp_path)] == [1]
    for value in ("3", "[]", "true"):
        path.write_text(line % value)
        with pytest.raises(UserError, match=r"line 1, .*execution"):
            list(read_metrics(tmp_path))
    path.write_text('{"kind": "step", "step": 1, "train_loss": "replay"}\n')
    with pytest.raises(UserError, match=r"line 1, .*train_loss"):
        list(read_metrics(tmp_path))
