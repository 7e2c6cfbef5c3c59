"""``prepare``: your own text becomes a data set with its own vocabulary, which ``train`` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus, open_dataset
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import assert_rejected

TEXT = "A text, of some length;\nand lines. " * 40


@pytest.fixture(autouse=True)
def _texts():
    Path("input.txt").write_text(TEXT)
    Path("latin.txt").write_bytes("caf\xe9".encode("latin-1"))


@pytest.mark.parametrize(("flags", "tokens"), [([], list(TEXT)), (["--tokens", "words"], None)])
def test_text_is_split_without_loss(run, flags, tokens):
    result = run("prepare", "text", "input.txt", "input.txt", "--out_dir", "mine", "--val_share", 0.25, *flags)
    assert (result.status, result.err) == (0, "")
    corpus = open_dataset("mine")
    assert corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val])) == TEXT + TEXT
    count = len(corpus.train) + len(corpus.val)
    assert len(corpus.train) == int(count * 0.75)
    if tokens:
        assert corpus.tokenizer.vocabulary == tuple(sorted(set(tokens)))
    assert result.out.startswith(f"mine: {corpus.tokenizer.vocab_size} different tokens, {len(corpus.train):,} for")


@pytest.mark.parametrize(("end", "count"), [("\r", 3), ("\r\n", 3), ("\n", 0)])
def test_carriage_returns_are_noted(numpy_run, end, count):
    Path("lines.txt").write_bytes(f"one{end}two{end}three{end}".encode())
    result = numpy_run("prepare", "text", "lines.txt", "--out_dir", "lines")
    assert ("\r" in open_dataset("lines").tokenizer.vocabulary) == bool(count)
    assert " ".join(result.err.split()).startswith(
        f"note: the text contains {count} carriage returns (\\r), kept as" if count else ""
    )
    assert bool(result.err) == bool(count)


def test_last_line_is_the_training_command(run, program):
    out = run("prepare", "text", "input.txt", "--out_dir", "my text").out
    command = out.splitlines()[-1].removeprefix("train on it: ")
    assert command == f"{program} train tiny --dataset 'my text'"
    result = run("train", "tiny", "--dataset", "my text", "--max_iters", 2, "--out_dir", "run")
    assert result.status == 0
    model = load_checkpoint(Path("run"))
    assert model.tokenizer == open_dataset("my text").tokenizer
    assert model.config.vocab_size == len(set(TEXT))
    assert run("sample", "run", "--prompt", "and", "--max_new_tokens", 3).out.startswith("and")


def test_directory_named_like_a_corpus(run):
    result = run("prepare", "text", "input.txt", "--out_dir", "tiny")
    assert result.out.splitlines()[-1].endswith("train tiny --dataset ./tiny")
    assert f"{len(set(TEXT))} different tokens" in result.out


def test_known_corpus_is_written(run):
    record = run("prepare", "words", "--out_dir", "mine", "--json").record
    corpus = load_corpus("words")
    assert record == {
        "schema_version": 1,
        "out_dir": "mine",
        "vocab_size": corpus.tokenizer.vocab_size,
        "train_tokens": len(corpus.train),
        "val_tokens": len(corpus.val),
    }
    assert open_dataset("mine").train.tolist() == corpus.train.tolist()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["text", "--out_dir", "x"], "name at least one text file"),
        (["text", "input.txt"], "required: --out_dir"),
        (["text", "missing.txt", "--out_dir", "x"], "cannot read missing.txt"),
        (["text", "latin.txt", "--out_dir", "x"], "latin.txt must be UTF-8"),
        (["text", "input.txt", "--out_dir", "x", "--val_share", "0"], "val_share must be a number between 0 and 1"),
        (["text", "input.txt", "--out_dir", "x", "--val_share", "nan"], "must be a number, not 'nan'"),
        (["text", "input.txt", "--out_dir", "x", "--tokens", "bytes"], "invalid choice: 'bytes'"),
        (["text", "input.txt", "--out_dir", "input.txt"], "input.txt"),
        (["text", "input.txt", "--out_dir", "x", "--source", "y"], "--source is for the corpus shakespeare"),
        (["txet", "--out_dir", "x"], "unknown corpus 'txet'; did you mean 'text'?"),
        (["words", "input.txt", "--out_dir", "x"], "files can be chosen only for text"),
        (["words", "--tokens", "words", "--out_dir", "x"], "--tokens can be chosen only for text"),
        (["words", "--val_share", "0.5", "--out_dir", "x"], "--val_share can be chosen only for text"),
    ],
)
def test_errors_write_nothing(run, flags, message):
    assert_rejected(run("prepare", *flags), message)
    assert not Path("x").exists()
    assert Path("input.txt").read_text() == TEXT
