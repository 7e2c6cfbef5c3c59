"""A bigram model has nothing to be worked out by hand: every command that takes a model says so in one line."""

from __future__ import annotations

import pytest

from handcalc.averaging import main as averaging
from handcalc.exercise import main as exercise
from handcalc.trace import main as trace
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (trace, ["hello world"]),
        (trace, ["hello world", "--update"]),
        (trace, ["--list"]),
        (averaging, []),
        (exercise, ["--seed", "1"]),
        (exercise, ["--topic", "softmax", "--worksheet", "3"]),
    ],
)
def test_a_bigram_model_is_refused_in_one_line(command, words, tmp_path, capsys):
    config = BigramConfig(vocab_size=32, block_size=8)
    tokenizer = load_checkpoint(SHIPPED_MODEL).tokenizer
    save_checkpoint(tmp_path / "bigram", Checkpoint(config, tokenizer, initial_values(config, 0)))
    assert command([*words, "--model", str(tmp_path / "bigram")]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert "the model must be a GPT, but this one is a bigram model, which has no layers; choose another one" in line
    assert captured.out == ""
