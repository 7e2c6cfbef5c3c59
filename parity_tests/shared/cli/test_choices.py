"""The recipe that a command line chooses: the preset's, changed by the file, changed by the flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import open_dataset
from numpy_gpt.shared.cli.choices import add_recipe_flags, initial_run, read_recipe_choice
from numpy_gpt.shared.cli.parser import Parser
from numpy_gpt.shared.training.presets import preset

TABLES = {"n_embd": "model", "bias": "model", "activation": "model", "dropout": "model"}


def _load(*words):
    parser = Parser()
    add_recipe_flags(parser, "tiny")
    return initial_run(read_recipe_choice(parser.parse_args([str(word) for word in words]), "tiny"), {})[:2]


def _field(recipe, name):
    return getattr(recipe.model if name in TABLES else recipe.training, name)


@pytest.mark.parametrize(
    ("name", "in_file", "meant", "as_flag", "flags_value"),
    [
        ("n_embd", "12", 12, "8", 8),
        ("max_iters", "1e3", 1000, "2e2", 200),
        ("learning_rate", "1", 1.0, "1e-2", 0.01),
        ("dropout", "0.25", 0.25, "0.5", 0.5),
        ("bias", "true", True, "no", False),
        ("activation", '"relu"', "relu", "gelu_erf", "gelu_erf"),
        ("eval_stride", '"none"', None, "4", 4),
        ("lr_decay_iters", "7", 7, "none", None),
        ("dtype", '"float64"', "float64", "float32", "float32"),
        ("seed", "5", 5, "18446744073709551617", 2**64 + 1),
    ],
)
@pytest.mark.parametrize("in_table", [False, True])
def test_preset_then_file_then_flags(name, in_file, meant, as_flag, flags_value, in_table):
    heading = f"[{TABLES.get(name, 'training')}]\n" if in_table else ""
    Path("recipe.toml").write_text(f"{heading}{name} = {in_file}\n")
    expected = _field(preset("tiny"), name)
    assert _field(_load()[0], name) == expected
    recipe, _ = _load("--config", "recipe.toml")
    assert (_field(recipe, name), type(_field(recipe, name))) == (meant, type(meant))
    assert _field(_load("--config", "recipe.toml", f"--{name}", as_flag)[0], name) == flags_value
    assert recipe == preset("tiny").override({name: meant})  # and nothing else


def test_precedence_of_preset_and_dataset():
    Path("recipe.toml").write_text('preset = "tiny16"\ndataset = "words"\n')
    assert _load()[0] == preset("tiny")
    recipe, corpus = _load("--config", "recipe.toml")
    assert (recipe.name, recipe.dataset, corpus.name) == ("tiny16", "words", "words")
    recipe, corpus = _load("tiny", "--config", "recipe.toml", "--dataset", "grammar")
    assert (recipe.name, recipe.dataset, corpus.name) == ("tiny", "grammar", "grammar")


def test_dataset_sets_the_vocabulary():
    for dataset in ("words", "grammar"):
        recipe, corpus = _load("--dataset", dataset)
        assert recipe.model.vocab_size == corpus.tokenizer.vocab_size == open_dataset(dataset).tokenizer.vocab_size
    assert _load("--dataset", "words", "--vocab_size", 64)[0].model.vocab_size == 64
    assert _load("--vocab_size", 64)[0].model.vocab_size == 64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "grammar", "--vocab_size", 3], "vocab_size=3 is too small for the corpus 'grammar'"),
        (
            ["--block_size", 340],
            "a window of block_size=340 needs 341 tokens, and the validation split of 'tiny' has 340; use",
        ),
        (["--eval_stride", 9], "stride=9 would leave gaps between windows of 8"),
        (["--n_head", 4], "n_embd=6 is not divisible by n_head=4"),
        (["bigram", "--n_head", 4], "unknown field 'n_head'"),
    ],
)
def test_invalid_combinations_are_rejected(words, message):
    with pytest.raises(UserError) as error:
        _load(*words)
    assert message in str(error.value)


def test_error_names_the_file_at_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text("learning_rate = -1\nn_embd = 8\n")
    with pytest.raises(UserError, match=r"^recipe\.toml: learning_rate must be at least 0"):
        _load("--config", "recipe.toml")
    with pytest.raises(UserError, match=r"^batch_size must be at least 1"):
        _load("--config", "recipe.toml", "--learning_rate", 1, "--batch_size", 0)
    assert _load("--config", "recipe.toml", "--learning_rate", 1, "--n_head", 4)[0].model.n_head == 4
