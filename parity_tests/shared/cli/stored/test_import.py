"""``import``, and the commands that take a model of another program directly."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from handcalc.trace import main as trace
from numpy_gpt.library import load_model
from numpy_gpt.shared.runs.checkpoint import read_checkpoint
from parity_tests.shared.cli.programs import PROGRAMS, assert_rejected, runner
from parity_tests.shared.interchange.foreign_files import (
    NANOGPT,
    config_of,
    random_values,
    write_gpt_by_hand,
    write_llmc,
    write_mingpt,
    write_nanogpt,
)

LETTERS = "abcdefghijk"


@pytest.fixture(params=PROGRAMS)
def run(request, capsys):
    return runner(request.param, capsys)


@pytest.fixture
def checkpoint(tmp_path):
    """Return a checkpoint of nanoGPT with the vocabulary a … k."""
    config = config_of(dropout=0.1, **NANOGPT)
    meta = {"vocab_size": 11, "itos": dict(enumerate(LETTERS)), "stoi": {letter: i for i, letter in enumerate(LETTERS)}}
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps(meta))
    return write_nanogpt(tmp_path / "ckpt.pt", config, random_values(config))


def test_import_says_what_it_found_and_left_out(run, checkpoint, tmp_path):
    result = run("import", checkpoint, "--out_dir", tmp_path / "run")
    assert result.status == 0, result
    said = " ".join(result.out.split())
    for part in (
        "found: nanoGPT, ckpt.pt, after 250 steps",
        "parameters in 2 layers of 2 heads, width 8, 6 positions, 11 tokens, gelu_erf, with biases, tied",
        "vocabulary: 11 tokens of",
        "left out: lm_head.weight",
        "left out: optimizer",
        "saved",
    ):
        assert part in said
    model = read_checkpoint(tmp_path / "run")
    values = random_values(model.config)
    assert all(np.array_equal(model.values[name], value) for name, value in values.items())


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--prompt", "abc", "--max_new_tokens", 5, "--temperature", 0),
        ("step", "--text", "abc"),
        ("attention", "--text", "abc"),
    ],
)
def test_the_place_is_as_good_as_the_import(run, checkpoint, tmp_path, words):
    assert run("import", checkpoint, "--out_dir", tmp_path / "run").status == 0
    name, *rest = words
    results = [run(name, place, *rest) for place in (tmp_path / "run", checkpoint, checkpoint.parent)]
    assert [result.status for result in results] == [0, 0, 0], results
    outputs = {result.out.replace(str(checkpoint), "X").replace(str(tmp_path / "run"), "X") for result in results[:2]}
    assert len({" ".join(output.split()) for output in outputs}) == 1


def test_a_model_of_ours_is_not_read_without_its_tokens(run, checkpoint, tmp_path):
    assert run("import", checkpoint, "--out_dir", tmp_path / "run").status == 0
    file = tmp_path / "run" / "model.safetensors"
    (tmp_path / "trained" / "checkpoints").mkdir(parents=True)
    for words in (
        ("import", tmp_path / "trained", "--out_dir", tmp_path / "again"),
        ("import", tmp_path / "run", "--out_dir", tmp_path / "again"),
        ("import", file, "--out_dir", tmp_path / "again"),
        ("sample", file, "--prompt", "a"),
    ):
        assert_rejected(run(*words), "is a model of this project already: give this directory to any command")
    assert not (tmp_path / "again").exists()


def test_the_library_and_handcalc_take_it_too(checkpoint, capsys):
    assert load_model(checkpoint).predict("abc").probabilities.shape == (3, 11)
    assert trace(["abc", "--model", str(checkpoint), "--only", "probabilities"]) == 0
    assert "0 a" in capsys.readouterr().out
    assert "wte.weight" in runner("numpy_gpt", capsys)("parameters", "--model", checkpoint).out


@pytest.mark.parametrize("write", ["gpt_by_hand", "mingpt", "llmc"])
def test_every_format_by_one_command(run, tmp_path, write):
    config = config_of(**{"gpt_by_hand": NANOGPT, "mingpt": {"tie_weights": False}}.get(write, {}))
    values = random_values(config)
    place = {
        "gpt_by_hand": lambda: write_gpt_by_hand(tmp_path / "ckpt.pt", config, values),
        "mingpt": lambda: write_mingpt(tmp_path, config, values),
        "llmc": lambda: write_llmc(tmp_path / "m.bin", config, values),
    }[write]()
    result = run("import", place, "--out_dir", tmp_path / "run")
    assert result.status == 0, result
    assert "token ids separated by spaces" in " ".join(result.out.split())
    assert run("sample", tmp_path / "run", "--prompt", "1 2", "--max_new_tokens", 3).status == 0


def test_what_is_no_model_is_refused(run, tmp_path, checkpoint):
    assert_rejected(run("import", tmp_path / "none", "--out_dir", tmp_path / "run"), "No such file")
    nowhere = run("import", checkpoint, "--tokens", tmp_path / "meta.pickle", "--out_dir", tmp_path / "run")
    assert_rejected(nowhere, "there is no such file or directory; check the path")
    (tmp_path / "text.txt").write_text("hello " * 20)
    assert_rejected(run("sample", tmp_path / "text.txt"), "give a run directory of")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("x")
    assert_rejected(run("import", checkpoint, "--out_dir", tmp_path / "taken"), "mine.txt")
    (tmp_path / "empty").mkdir()
    assert_rejected(run("import", tmp_path / "empty", "--out_dir", tmp_path / "run"), "no model of another program in")
