"""``attention``: in both programs, every form has the weights of the forward pass, and errors are one line."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.cli import main
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.sentences import measure
from numpy_gpt.shared.attention.targets import read_tokens
from numpy_gpt.shared.cli.attention import attention
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected
from torch_gpt.engine import TorchEngine

TEXT = "to be or not"


def _recorded(program, run, text):
    """Return the weights (L, H, T, T) of a run's forward pass."""
    model = load_checkpoint(run)
    engine = (NumpyEngine if program == "numpy_gpt" else TorchEngine)(recipe_of(model), model.values)
    kept: dict = {}
    engine.predict(model.tokenizer.encode(text)[None], keep_in(kept))
    return np.array([kept[f"h.{layer}.attn.weights"][0] for layer in range(model.config.n_layer)])


@pytest.mark.parametrize("shipped", [True, False])
def test_json_has_the_recorded_weights(program, run, trained, shipped):
    place = SHIPPED_MODEL if shipped else trained
    record = run("attention", *([] if shipped else [trained]), "--text", TEXT, "--json").record
    weights = _recorded(program, place, TEXT)
    assert (np.array(record.pop("weights"), weights.dtype) == weights).all()
    tokenizer = load_checkpoint(place).tokenizer
    text = read_tokens(tokenizer, tokenizer.encode(TEXT))
    measured = [[measure(head, text) for head in layer] for layer in weights]
    assert record.pop("sentences") == [
        [
            {
                "sentence": one.sentence(),
                "target": one.main.target.name,
                "share": one.main.share,
                "even_share": one.main.even_share,
                "queries": one.main.queries,
                "stands_out": one.main.stands_out,
                "evenness": one.evenness,
            }
            for one in layer
        ]
        for layer in measured
    ]
    assert record == {
        "schema_version": 1,
        "model": "the model that ships, after 6,000 steps" if shipped else "runs/tiny, after 60 steps",
        "text": TEXT,
        "tokens": tokenizer.encode(TEXT).tolist(),
        "words": ["to", "␣", "be", "␣", "or", "␣", "not"],
        "layers": [0, 1],
        "heads": [0, 1],
    }


def test_one_token_has_no_target(run):
    record = run("attention", "--text", "hello", "--json").record
    assert record["weights"] == [[[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]]]
    assert record["sentences"][0][0] == {
        "sentence": "a first token can only attend to itself",
        "target": None,
        "share": None,
        "even_share": None,
        "queries": None,
        "stands_out": False,
        "evenness": 1.0,
    }


def test_files_have_the_weights_of_the_record(numpy_run, trained):
    pytest.importorskip("matplotlib")
    before = contents(trained)
    words = ["attention", trained, "--checkpoint", "best", "--text", "to be or not", "--head", 1]
    result = numpy_run(*words, "--png", "maps.png", "--html", "maps.html")
    assert (result.status, result.out) == (0, "wrote maps.png and maps.html\n")
    assert Path("maps.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    page = Path("maps.html").read_text(encoding="utf-8")
    record = numpy_run(*words, "--json").record
    assert re.match("runs/tiny, best checkpoint, after [0-9]+ steps", record["model"])
    assert record["model"] in page
    past = [weight for (head,) in record["weights"] for t, row in enumerate(head) for weight in row[: t + 1]]
    assert [float(weight) for weight in re.findall('title="(.*?)"', page)] == past
    assert (record["layers"], record["heads"]) == ([0, 1], [1])
    assert contents(trained) == before


def test_files_and_record_together(run):
    result = run("attention", "--text", "hello world", "--html", "maps.html", "--json")
    assert result.out.count("\n") == 1
    assert result.record["text"] == "hello world"
    assert Path("maps.html").exists()


def test_a_file_that_exists_is_replaced_and_keeps_its_mode(run):
    Path("maps.html").write_text("old")
    Path("maps.html").chmod(0o600)
    assert run("attention", "--text", "hello world", "--html", "maps.html").status == 0
    assert Path("maps.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path("maps.html").stat().st_mode & 0o777 == 0o600


def test_both_files_or_neither(numpy_run):
    pytest.importorskip("matplotlib")
    Path("maps.png").write_text("old")
    result = numpy_run("attention", "--text", "hello world", "--png", "maps.png", "--html", "no/such/maps.html")
    assert_rejected(result, "cannot write maps.png and no/such/maps.html")
    assert Path("maps.png").read_text() == "old"


def test_one_layer_or_head(run):
    out = run("attention", "--text", "hello world", "--layer", 1).out
    assert re.findall("layer . head .|layer ., head .", out) == ["layer 1, head 0", "layer 1, head 1"]
    out = run("attention", "--text", "hello world", "--layer", 0, "--head", 1).out
    assert re.findall("layer ., head .", out) == ["layer 0, head 1"]


def test_a_window_is_a_text_of_its_own(run):
    whole = run("attention", "--text", "to be or not to", "--window", 2, "--json")
    assert whole.record["text"] == "to"
    assert whole.record["weights"] == run("attention", "--text", "to", "--json").record["weights"]
    first = run("attention", "--text", "to be or not to", "--window", 1, "--json").record
    assert first["weights"] == run("attention", "--text", "to be or not ", "--json").record["weights"]
    out = run("attention", "--text", "to be or not to", "--window", 2).out
    assert "the model that ships, after 6,000 steps; tokens 9 to 9 of 9, read as a text of their own" in out
    only = run("attention", "--text", "to be", "--window", 1)
    assert only.out == run("attention", "--text", "to be").out


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_a_terminal_gets_what_it_can_show(numpy_run, monkeypatch, columns, name, value):
    plain = numpy_run("attention", "--text", "hello world").out
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    out = numpy_run("attention", "--text", "hello world", "--no_pager").out
    assert ("\x1b" in out) == (value == "xterm")
    assert "\x1b" not in plain
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in out.splitlines()) <= columns
    assert all(number in out for number in re.findall(r"\d?\.\d\d", plain.partition("layer")[2].partition("the")[0]))


def test_lower_case_models_read_lower_case(run):
    result = run("attention", "--text", "Hello World", "--json")
    assert result.record["text"] == "hello world"
    assert "note: the model knows only lower case, and reads --text as 'hello world'" in result.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "required: --text"),
        (["--text", ""], "--text: text must not be empty"),
        (["--text", "hello wurld"], "--text: unknown word 'wurld'"),
        (
            ["--text", "to be or not to"],
            "--text has 9 tokens, and the model reads at most 8 at once; give a shorter text",
        ),
        (["--text", "to be or not to"], "or --window 1 to 2 for one part of it"),
        (
            ["--text", "to be or not to", "--window", 3],
            "--window 3 does not exist: this text has 2 windows, numbered 1",
        ),
        (["--text", "to be", "--window", 0], "--window 0 does not exist: this text has one window, number 1"),
        (["--text", "to be", "--window", "x"], "must be a whole number, not 'x'"),
        (["--text", "to be", "--layer", 2], "--layer 2 does not exist: this model has 2 layers, numbered 0 to 1"),
        (["--text", "to be", "--head", -1], "--head -1 does not exist: this model has 2 heads, numbered 0 to 1"),
        (["--text", "to be", "--png", "a", "--html", "a"], "--png and --html must be two files, not both a"),
        (["--text", "to be", "--html", "."], "it is not a regular file"),
        (["nowhere", "--text", "to be"], "no model at nowhere"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    assert_rejected(run("attention", *flags), message)
    assert list(Path().iterdir()) == []


def test_models_without_attention(run):
    assert main(["train", "bigram", "--dataset", "tiny-characters", "--max_iters", "1", "--out_dir", "bigram"]) == 0
    assert main(["train", "tiny", "--n_layer", "0", "--max_iters", "1", "--out_dir", "none"]) == 0
    assert_rejected(
        run("attention", "bigram", "--text", "to be"), "a bigram model has no attention: it sees nothing but"
    )
    assert_rejected(run("attention", "none", "--text", "to be"), "this model has no layers, so no attention to show")


def test_a_damaged_run_is_refused(run, trained):
    shutil.rmtree(trained / "checkpoints")
    (trained / "checkpoints").mkdir()
    assert_rejected(run("attention", trained, "--text", "to be"), "no model at runs/tiny")


def test_without_matplotlib(run, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run("attention", "--text", "hello world", "--png", "maps.png", "--html", "maps.html")
    assert_rejected(result, 'drawing needs matplotlib, which is not installed: pip install "numpy-gpt[plot]"')
    assert list(Path().iterdir()) == []
    assert run("attention", "--text", "hello world", "--html", "maps.html").status == 0


def test_the_drawings_are_loaded_only_if_needed():
    assert not {name for name in vars(attention) if name in ("sheet_png", "maps_page", "map_lines")}
