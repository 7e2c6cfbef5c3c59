"""``train --init_from PLACE``: a new run starts where a trained model is, with another text, recipe or context."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, run_program
from parity_tests.shared.interchange.foreign_files import random_values, write_nanogpt

QUICK = ["--max_iters", 10, "--eval_interval", 5, "--log_interval", 5, "--eval_stride", "none", "--warmup_iters", 2]
PHRASES = "hello world i love machine learning to be or not to be "  # words that the shipped model knows


def _first_loss(result):
    assert result.status == 0, result
    line = next(line for line in result.out.splitlines() if line.startswith("step      0  "))
    return float(line.split("val_loss ")[1].split()[0])


def _prepare(run, name, text, tokens="words"):
    Path(f"{name}.txt").write_text(text)
    assert run("prepare", "text", f"{name}.txt", "--tokens", tokens, "--out_dir", name).status == 0


def test_the_loss_starts_where_the_model_is(run, trained):
    there = run("evaluate", trained, "--json").record["val_loss"]
    result = run("train", "--init_from", trained, "--max_iters", 2, "--out_dir", "new")
    assert _first_loss(result) == pytest.approx(there, abs=1e-6)
    assert "note: the run starts from the weights of runs/tiny, after 60 steps\n" in result.err
    model = load_checkpoint(Path("new"))
    weights = max((trained / "checkpoints").iterdir()) / "model.safetensors"
    assert model.recipe["init_from"] == {
        "place": "runs/tiny",
        "step": 60,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    theirs = load_checkpoint(trained).recipe
    assert model.recipe["training"] == theirs["training"] | {"max_iters": 2}  # its own recipe, too


def test_both_programs_train_the_same_model(capsys, trained):
    flags = ["--init_from", trained, *QUICK, "--dropout", 0.1, "--block_size", 5]
    ours, theirs = (
        run_program(program, capsys, "train", *flags, "--out_dir", program) for program in ("numpy_gpt", "torch_gpt")
    )
    assert ours.status == 0
    assert ours.out.replace("numpy_gpt", "torch_gpt") == theirs.out  # in float64 to all the digits that are printed


def test_moments_and_steps_start_again(numpy_run, trained):
    numpy_run("train", "--init_from", trained, "--max_iters", 0, "--out_dir", "new")
    start, model = load_checkpoint(Path("new")), load_checkpoint(trained)
    assert (start.step, start.state.best_step) == (0, 0)
    for name, value in model.values.items():
        np.testing.assert_array_equal(start.values[name], value)
        assert not any(moment[name].any() for moment in start.moments)


def test_the_run_resumes_without_the_place(run, trained):
    flags = ["--init_from", trained, *QUICK, "--dropout", 0.1]
    assert run("train", *flags, "--out_dir", "whole").status == 0
    assert run("train", *flags, "--out_dir", "run").status == 0
    shutil.rmtree("run/checkpoints/step-000000010")
    shutil.rmtree(trained)
    result = run("train", "--resume", "run")
    assert result.status == 0
    assert "note: the run started from the weights of runs/tiny, after 60 steps\n" in result.err
    assert contents(Path("run")) == contents(Path("whole"))
    assert run("train", "--resume", "run", "--max_iters", 15).status == 0
    assert load_checkpoint(Path("run")).recipe["init_from"]["place"] == "runs/tiny"


def test_a_preset_gives_the_settings_and_the_model_its_sizes(numpy_run):
    result = numpy_run("train", "tiny16", "--init_from", *QUICK, "--eval_stride", 1)
    assert _first_loss(result) == pytest.approx(load_checkpoint(SHIPPED_MODEL).facts["val_loss"], abs=1e-5)
    assert "note: the run starts from the weights of the model that ships, after 6,000 steps\n" in result.err
    assert "note: its weights are rounded from float64 to float32\n" in result.err
    model = load_checkpoint(Path("runs/tiny16"))
    assert (model.config.n_embd, model.config.dropout) == (6, 0.0)
    assert (model.recipe["training"]["learning_rate"], model.recipe["training"]["dtype"]) == (5e-3, "float32")
    assert model.recipe["init_from"]["place"] == "the model that ships"


def test_a_recipe_file_may_name_the_place(numpy_run, trained):
    Path("recipe.toml").write_text('init_from = "runs/tiny"\ndropout = 0.25\n[training]\nmax_iters = 0\n')
    assert numpy_run("train", "--config", "recipe.toml", "--out_dir", "new").status == 0
    model = load_checkpoint(Path("new"))
    assert (model.recipe["init_from"]["step"], model.config.dropout) == (60, 0.25)
    assert numpy_run("train", "--config", "recipe.toml", "--init_from", SHIPPED_MODEL, "--out_dir", "other").status == 0
    assert load_checkpoint(Path("other")).recipe["init_from"]["step"] == 6000
    Path("recipe.toml").write_text('init_from = "runs/tiny"\nn_embd = 8\n')
    assert_rejected(
        numpy_run("train", "--config", "recipe.toml"), "recipe.toml: n_embd must be 6, as in runs/tiny, not 8"
    )


def test_a_shorter_context_keeps_the_first_positions(run, trained):
    result = run("train", "--init_from", trained, *QUICK, "--block_size", 4, "--out_dir", "new")
    assert result.status == 0
    assert "note: of its 8 positions it keeps the first 4\n" in result.err
    assert load_checkpoint(Path("new")).values["wpe.weight"].shape == (4, 6)
    assert run("sample", "new", "--max_new_tokens", 3).status == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--block_size", 9],
            "block_size must be at most 8, the context of runs/tiny, not 9: the positions after that",
        ),
        (["--n_layer", 3], "n_layer must be 2, as in runs/tiny, not 3: the weights determine it; leave it out"),
        (["tiny16", "--n_embd", 16], "n_embd must be 6, as in runs/tiny, not 16"),
        (["--vocab_size", 64], "vocab_size must be 32, as in runs/tiny, not 64"),
        (["grammar"], "the corpus 'grammar' has a different vocabulary from the model, which does not know 50 tokens"),
        (["tiny16", "--dataset", "words"], "the corpus 'words' has a different vocabulary from the model, which does"),
        (["--dataset", "nowhere"], "unknown dataset 'nowhere'"),
        (["--out_dir", "runs/tiny"], "runs/tiny already contains a run"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(numpy_run, trained, flags, message):
    before = contents(trained)
    assert_rejected(numpy_run("train", "--init_from", trained, *flags), message)
    assert contents(trained) == before
    assert [path.name for path in Path("runs").iterdir()] == ["tiny"]


def test_a_place_without_a_model_is_refused(numpy_run):
    assert_rejected(numpy_run("train", "--init_from", "nowhere"), "no model at nowhere")
    assert_rejected(numpy_run("train", "--init_from", "tiny"), "no model at tiny; to start the preset tiny from the")
    Path("recipe.toml").write_text('init_from = ""\n')
    assert_rejected(numpy_run("train", "--config", "recipe.toml"), "a path must not be empty")
    shutil.copytree(SHIPPED_MODEL, "model")
    message = "model contains a model, which a run there would hide"
    assert_rejected(numpy_run("train", "--init_from", "model", "--out_dir", "model"), message)


def test_another_text_of_the_same_words(numpy_run):
    _prepare(numpy_run, "phrases", PHRASES * 80)
    result = numpy_run(
        "train", "--init_from", SHIPPED_MODEL, "--dataset", "phrases", *QUICK, "--out_dir", "new", "--json"
    )
    assert result.status == 0
    note = "note: the corpus 'phrases' is encoded with the model's own vocabulary of 32 tokens\n"
    assert note in result.err
    model = load_checkpoint(Path("new"))
    assert model.tokenizer == load_corpus("tiny").tokenizer
    assert numpy_run("evaluate", "new", "--json").record["val_loss"] == pytest.approx(result.record["val_loss"])
    assert numpy_run("heads", "new", "--windows", 20, "--json").status == 0
    before = contents(Path("new"))
    assert numpy_run("train", "--resume", "new").status == 0
    assert contents(Path("new")) == before
    _prepare(numpy_run, "phrases", "hello world i love cats " * 40)
    changed = "new was trained on a different text from what 'phrases' is now"
    assert_rejected(numpy_run("train", "--resume", "new"), changed)


def test_the_characters_of_a_text_may_be_read_as_words(numpy_run):
    _prepare(numpy_run, "letters", PHRASES * 80, "characters")  # nine tenths of it end between two phrases
    _prepare(numpy_run, "phrases", PHRASES * 80)
    losses = set()
    for name in ("letters", "phrases"):
        result = numpy_run("train", "--init_from", "--dataset", name, *QUICK, "--out_dir", f"from-{name}", "--json")
        losses.add(result.record["val_loss"])
        assert numpy_run("evaluate", f"from-{name}", "--json").status == 0
    assert len(losses) == 1  # the same text in the same tokens


def test_bare_ids_are_taken_for_the_models(numpy_run):
    Path("bare").mkdir()
    tokens = load_corpus("tiny").train.astype("<u2")
    for split, part in (("train", tokens[:1000]), ("val", tokens[1000:])):
        Path(f"bare/{split}.bin").write_bytes(part.tobytes())
    note = "note: the ids of the corpus 'bare' are taken to be those of the model's tokens: nothing says what"
    for meta in (None, {"vocab_size": 32, "itos": {}, "stoi": {}}):
        if meta is not None:
            Path("bare/meta.pkl").write_bytes(pickle.dumps(meta))
        result = numpy_run("train", "--init_from", "--dataset", "bare", *QUICK, "--json")
        assert result.status == 0, result
        assert note in result.err
        assert load_checkpoint(Path(result.record["out_dir"])).tokenizer == load_corpus("tiny").tokenizer
    np.array([32, 1] * 100, dtype="<u2").tofile("bare/val.bin")
    assert numpy_run("train", "--init_from", "--dataset", "bare", *QUICK).status == 2


def test_a_model_that_does_not_name_its_text_needs_one(numpy_run):
    save_checkpoint(Path("bare"), replace(load_checkpoint(SHIPPED_MODEL), recipe=None))
    assert_rejected(
        numpy_run("train", "--init_from", "bare"), "bare does not say what it was trained on; choose a text with"
    )
    result = numpy_run("train", "--init_from", "bare", "--dataset", "tiny", "--max_iters", 2, "--json")
    assert result.record["out_dir"] == "runs/model"
    assert load_checkpoint(Path("runs/model")).recipe["training"]["learning_rate"] == 3e-5


def test_a_text_that_has_moved_is_named(numpy_run):
    _prepare(numpy_run, "phrases", PHRASES * 80)
    assert numpy_run("train", "tiny", "--dataset", "phrases", *QUICK, "--out_dir", "old").status == 0
    Path("phrases").rename("elsewhere")
    message = "if the text of old has moved, give --dataset"
    assert_rejected(numpy_run("train", "--init_from", "old", *QUICK), message)
    assert numpy_run("train", "--init_from", "old", *QUICK, "--dataset", "elsewhere").status == 0


def test_the_average_is_taken(run):
    assert run("train", "tiny", *QUICK, "--ema_decay", 0.9, "--out_dir", "averaged").status == 0
    result = run("train", "--init_from", "averaged", "--max_iters", 0, "--ema_decay", 0, "--out_dir", "new")
    assert ": the average (EMA) that the model predicts with, not the weights in training\n" in result.err
    averaged, new = load_checkpoint(Path("averaged")), load_checkpoint(Path("new"))
    for name, value in averaged.values.items():
        np.testing.assert_array_equal(new.values[name], value)
    assert any((averaged.trained[name] != value).any() for name, value in averaged.values.items())


def test_snapshots_and_single_checkpoints_are_places(numpy_run):
    assert numpy_run("train", "tiny", *QUICK, "--snapshots", 3, "--out_dir", "run").status == 0
    for place in ("run/snapshots/step-000000001", "run/checkpoints/step-000000005"):
        assert (
            numpy_run("train", "--init_from", place, "--max_iters", 1, "--snapshots", 0, "--out_dir", "new").status == 0
        )
        assert load_checkpoint(Path("new")).recipe["init_from"]["place"] == place
        shutil.rmtree("new")


def test_a_model_of_another_program_is_a_place(run):
    config = replace(preset("tiny").model, activation="gelu_erf")
    write_nanogpt(Path("ckpt.pt"), config, random_values(config))
    there = run("evaluate", "ckpt.pt", "--dataset", "tiny", "--eval_stride", "none", "--json").record["val_loss"]
    result = run("train", "tiny", "--init_from", "ckpt.pt", *QUICK, "--out_dir", "new")
    assert _first_loss(result) == pytest.approx(there, rel=1e-4)
    assert "note: the ids of the corpus 'tiny' are taken to be those of the model's tokens" in result.err
    model = load_checkpoint(Path("new"))
    assert model.config == config
    assert model.tokenizer == load_corpus("tiny").tokenizer  # the model's own are bare ids
    assert model.recipe["init_from"]["place"] == "ckpt.pt"
    Path("ckpt.pt").unlink()
    assert run("train", "--resume", "new", "--max_iters", 12).status == 0


def test_compare_starts_every_run_there(run, trained):
    flags = ["--learning_rate", "1e-3,1e-4", "--max_iters", 2]
    result = run("compare", "--init_from", trained, *flags, "--json")
    assert result.err.count("note: the run starts from the weights of runs/tiny, after 60 steps\n") == 1
    for record in result.record["runs"]:
        first = json.loads((Path(record["out_dir"]) / "metrics.jsonl").read_text().splitlines()[0])
        assert first["val_loss"] == pytest.approx(load_checkpoint(trained).facts["val_loss"], rel=1e-12)
    assert_rejected(run("compare", "--init_from", trained, "--n_embd", "6,12"), "n_embd must be 6, as in runs/tiny")
