"""The model that ships: printed on a page, rebuilt by one command, and as good as stated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from parity_tests.support.command import QUICK, run_numpy_gpt

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_all_weights_fit_on_one_page(capsys):
    status, out, _ = run_numpy_gpt(capsys, "parameters")
    lines = out.splitlines()
    assert status == 0
    assert len(lines) <= 84
    assert max(map(len, lines)) <= 140
    assert len(re.findall(r"-?\d+\.\d\d(?!\d)", out)) == 1134
    assert "world" in out


@pytest.mark.parametrize("flags", [["--bias", "True", "--tie_weights", "False"], ["--n_layer", "0"]])
def test_the_page_shows_every_weight(capsys, flags):
    _, out, _ = run_numpy_gpt(capsys, *QUICK, *flags, "--json")
    count = json.loads(out.splitlines()[-1])["parameters"]
    _, page, _ = run_numpy_gpt(capsys, "parameters", "--model", "runs/tiny")
    assert len(re.findall(r"-?\d+\.\d{4}", page)) == count


def test_too_large_a_model_is_refused(capsys):
    run_numpy_gpt(capsys, *QUICK, "--n_embd", "32", "--max_iters", "0")
    status, _, err = run_numpy_gpt(capsys, "parameters", "--model", "runs/tiny")
    assert status == 2
    assert "do not fit on a page" in err


def test_rebuilding_overwrites_nothing_else(capsys):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    status, out, err = run_numpy_gpt(capsys, "rebuild", "--out_dir", "mine")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "contains 'thesis.txt'; choose another" in err
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


@pytest.mark.prove
def test_one_command_rebuilds_the_shipped_model(capsys):
    status, out, err = run_numpy_gpt(capsys, "rebuild", "--out_dir", "again")
    assert status == 0, err
    again, shipped = load_checkpoint(Path("again")), load_checkpoint(SHIPPED_MODEL)
    # Another BLAS rounds differently and training amplifies that: the weights differ, but the loss hardly.
    assert abs(again.facts["val_loss"] - shipped.facts["val_loss"]) < 0.01
    for model in (again, shipped):
        assert model.facts["val_loss"] <= 0.47
        assert abs(model.facts["val_loss"] - model.facts["val_loss_before_rounding"]) < 0.005
        for value in model.values.values():
            assert value.dtype == np.float64
            assert np.array_equal(np.round(value, 2), value)
            assert not np.signbit(value[value == 0]).any()
    assert "val_loss_before_rounding" in out


def test_the_stated_loss_is_right():
    model = load_checkpoint(SHIPPED_MODEL)
    assert sum(value.size for value in model.values.values()) == 1134
    engine = NumpyEngine(preset("tiny").override({"dtype": "float64"}), model.values)
    assert evaluate(engine, load_corpus("tiny").val, 8, 1) == pytest.approx(model.facts["val_loss"], rel=1e-12)
