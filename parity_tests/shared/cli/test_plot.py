"""``plot``: the curves of one run or several, in the terminal, into a PNG or as numbers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from parity_tests.shared.cli.programs import refused


def test_a_run_is_drawn_in_the_terminal(run, trained):
    pytest.importorskip("plotext")
    result = run("plot", trained)
    assert (result.status, result.err) == (0, "")
    assert "loss in nats per token, by training step" in result.out
    assert result.out.endswith("  o validation\n  x training\n")


def test_runs_are_drawn_into_a_png(run, trained):
    pytest.importorskip("matplotlib")
    shutil.copytree(trained, "other")
    result = run("plot", trained, "other", "--png", "loss.png")
    assert (result.status, result.out, result.err) == (0, "wrote loss.png\n", "")
    assert Path("loss.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_numbers_are_those_of_the_metrics(run, trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    result = run("plot", trained, "--json")
    assert result.out.count("\n") == 1
    assert result.record == {
        "schema_version": 1,
        "curves": [
            {
                "name": "runs/tiny",
                "steps": [0, 20, 40, 60],
                "train": [line["train_loss"] for line in evaluations],
                "val": [line["val_loss"] for line in evaluations],
            }
        ],
    }


@pytest.mark.parametrize("flags", [[], ["--png", "loss.png"]])
def test_without_its_libraries_it_says_what_to_install(run, trained, monkeypatch, flags):
    for name in ("plotext", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(run("plot", trained, *flags), 'which is not installed: pip install "numpy-gpt[plot]"')
    assert not Path("loss.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "required: RUN"),
        (["nowhere"], "cannot read nowhere/metrics.jsonl"),
        (["runs/tiny", "nowhere"], "cannot read nowhere/metrics.jsonl"),
        (["runs/tiny/metrics.jsonl"], "cannot read runs/tiny/metrics.jsonl/metrics.jsonl"),
        (["runs/tiny", "--png", "runs"], "it is not a regular file"),
        (["runs/tiny", "--png", "no/such/loss.png"], "cannot write no/such/loss.png"),
    ],
)
def test_what_is_wrong_is_one_line(run, trained, flags, message):
    refused(run("plot", *flags), message)
