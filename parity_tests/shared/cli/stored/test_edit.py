"""``edit``: single weights of a model are changed, and the changed model is saved whole."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.edits import edit_weights, read_edit
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import PROGRAMS, runner


@pytest.mark.parametrize("program", PROGRAMS)
def test_edited_model_is_saved(program, tmp_path, capsys):
    out = tmp_path / "edited"
    changes = ["--set", "wte.weight[31,0]=0", "--set", "ln_f.weight[5] = -1.5"]
    assert runner(program, capsys)("edit", str(SHIPPED_MODEL), *changes, "--out_dir", str(out)).status == 0
    before, after = load_checkpoint(SHIPPED_MODEL), load_checkpoint(out)
    differences = {name: np.argwhere(after.values[name] != before.values[name]).tolist() for name in before.values}
    assert {name: places for name, places in differences.items() if places} == {
        "wte.weight": [[31, 0]],
        "ln_f.weight": [[5]],
    }
    assert after.values["wte.weight"][31, 0] == 0 and after.values["ln_f.weight"][5] == -1.5
    assert after.facts is None and after.moments is None and after.recipe == before.recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("x", "must look like wte.weight[31,0]=0, not 'x'"),
        ("wte.weight[99,0]=1", "wte.weight[99,0] does not exist: the last one is wte.weight[31,5]"),
        ("wte.weight[1]=1", "wte.weight[1] does not exist"),
        ("wte.weight[0,0]=nan", "must be a finite number, not 'nan'"),
        ("wte.weight[0,0]=1e999", "must be a finite number, not '1e999'"),
        ("wte.weigth[0,0]=1", "no parameter 'wte.weigth'; did you mean 'wte.weight'?"),
    ],
)
def test_what_cannot_be_changed_is_one_line(change, message, tmp_path, capsys):
    result = runner("numpy_gpt", capsys)("edit", str(SHIPPED_MODEL), "--set", change, "--out_dir", str(tmp_path / "x"))
    assert result.status == 2 and message in result.err and not (tmp_path / "x").exists()


def test_model_itself_is_not_overwritten(tmp_path, capsys):
    run = runner("numpy_gpt", capsys)
    assert run("edit", str(SHIPPED_MODEL), "--set", "ln_f.weight[0]=1", "--out_dir", str(tmp_path / "one")).status == 0
    again = run("edit", str(tmp_path / "one"), "--set", "ln_f.weight[0]=2", "--out_dir", str(tmp_path / "one"))
    assert again.status == 2 and "is the model itself" in again.err
    assert run("edit", str(tmp_path / "one"), "--out_dir", str(tmp_path / "two")).status == 2


def test_too_large_for_float32():
    model = load_checkpoint(SHIPPED_MODEL)
    single = edit_weights(model, [])
    values = {name: array.astype("float32") for name, array in single.values.items()}
    with pytest.raises(ValueError, match="too large for a weight in float32"):
        edit_weights(type(model)(model.config, model.tokenizer, values), [read_edit("ln_f.weight[0]=1e39")])
