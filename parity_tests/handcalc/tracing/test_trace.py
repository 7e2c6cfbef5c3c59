"""From a loaded model to its trace: what cannot be worked out is refused in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpt_data.errors import UserError
from handcalc.averaging import main as averaging
from handcalc.exercise import main as exercise
from handcalc.tracing.plan import make_plan
from handcalc.tracing.trace import trace_model
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint


def test_nan_weight_is_named():
    model = load_checkpoint(SHIPPED_MODEL)  # no file can contain one: reading refuses it
    values = {name: array * np.nan for name, array in model.values.items()}
    plan = make_plan(model.config, (10,), digits=4)
    with pytest.raises(UserError, match=r"wte.weight\[0, 0\] is nan"):
        trace_model(replace(model, values=values), "model", "hello", plan)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (averaging, []),
        (exercise, ["--seed", "1"]),
        (exercise, ["--topic", "softmax", "--worksheet", "3"]),
    ],
)
def test_bigram_model_is_refused(command, words, tmp_path, capsys):
    config = BigramConfig(vocab_size=32, block_size=8)
    tokenizer = load_checkpoint(SHIPPED_MODEL).tokenizer
    save_checkpoint(tmp_path / "bigram", Checkpoint(config, tokenizer, initial_values(config, 0)))
    assert command([*words, "--model", str(tmp_path / "bigram")]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert "bigram model" in line and ("no layers" in line or "no attention" in line)
    assert captured.out == ""
