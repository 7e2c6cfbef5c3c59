"""Comparing with one call: the same runs and the same table as the command's, and one clear error for wrong values."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path

import pytest

from gpt_data.errors import UserError
from numpy_gpt.library import compare as compare_numpy
from numpy_gpt.shared.training.stopping import Interrupted
from parity_tests.shared.library.conftest import on_cpu
from parity_tests.shared.library.library_examples import Reading

SHORT = {"max_iters": 4, "eval_interval": 2, "eval_stride": None, "warmup_iters": 1}
FLAGS = ["--max_iters", 4, "--eval_interval", 2, "--eval_stride", "none", "--warmup_iters", 1]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(empty_directory):
    pass


@pytest.fixture
def compare(twin):
    return partial(on_cpu(twin, twin.compare), progress=False)


def test_a_comparison_is_the_commands(compare, load_model, run):
    ours = compare("tiny", n_embd=[4, 8], **SHORT)
    theirs = run("compare", "tiny", *FLAGS, "--n_embd", "4,8", "--out_dir", "theirs", "--json")
    assert (ours.field, ours.values, ours.directory) == ("n_embd", (4, 8), Path("runs/compare-n_embd"))
    for one, record in zip(ours.runs, theirs.record["runs"], strict=True):
        assert one.model.config.n_embd == record["n_embd"]
        assert one.curve.val[-1] == record["val_loss"]
        assert load_model(record["out_dir"]).loss("hello world") == one.model.loss("hello world")
    best = min(ours.runs, key=lambda one: one.curve.val[-1])
    assert repr(ours) == (
        f"<Comparison of 2 values of n_embd: the lowest last validation loss is {best.curve.val[-1]:.4f}, "
        f"with {best.model.config.n_embd}>"
    )
    reading = Reading(ours._repr_html_())
    printed = [line.split() for line in theirs.out.splitlines() if line.split()[:1] in (["4"], ["8"])]
    for row in printed:
        assert "".join(cell for place, cell in enumerate(row[:8]) if place != 6) in reading.text  # without seconds
    assert "lowest possible: the loss of an ideal predictor" in reading.text
    assert "seconds" not in reading.text


def test_a_diverged_run_is_a_row():
    rates = {"learning_rate": (1e-3, 1e38), "min_lr": 1e-4, "warmup_iters": 0}
    found = compare_numpy("tiny", **SHORT | rates, progress=False)
    assert [one is None for one in found.runs] == [False, True]
    assert "with 0.001" in repr(found)
    assert "learning_rate 1e+38 diverged: " in Reading(found._repr_html_()).text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"exactly one field must have several values, as in n_embd=\(4, 6, 8\); none came with several"),
        ({"n_embd": (4,)}, "none came with several"),
        ({"n_embd": (4, 6), "n_layer": [1, 2]}, "n_embd and n_layer came with several"),
        ({"n_embd": (4, 4)}, "n_embd must have different values, not 4,4"),
        ({"n_embd": (4, 5)}, "n_embd=5 is not divisible by n_head=2"),
        ({"n_embd": (4, "6")}, "n_embd must be a whole number of at least 1, not '6'"),
        ({"preset": "tiney", "n_embd": (4, 6)}, "unknown preset 'tiney'; did you mean 'tiny'"),
        ({"n_embd": (4, 6), "progress": 1}, "progress must be True or False, not 1"),
        (
            {"learning_rate": (1e37, 1e38), "min_lr": 1e37, "warmup_iters": 0, "max_iters": 4},
            "every run diverged; try a lower",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(compare, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        compare(**arguments)
    assert "\n" not in str(caught.value)


def test_an_interruption_is_pythons(monkeypatch):
    def interrupted(*_):
        raise Interrupted(2, 7, Path())

    monkeypatch.setattr("numpy_gpt.shared.cli.compare.train", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the finished runs are in runs/compare-n_embd"):
        compare_numpy("tiny", n_embd=(4, 6), **SHORT, progress=False)


def test_a_terminal_shows_the_title_of_each_run(capsys):
    compare_numpy("tiny", n_embd=(4, 6), **SHORT)
    titles = [line for line in capsys.readouterr().err.splitlines() if "training with" in line]
    assert titles == ["training with n_embd 4 (1 of 2)", "training with n_embd 6 (2 of 2)"]


def test_the_signature_has_every_field_of_a_recipe(twin):
    parameters = inspect.signature(twin.compare).parameters
    assert {"preset", "out_dir", "config", "source", "progress", "dataset", "n_embd", "dropout"} <= set(parameters)
    assert "resume" not in parameters
