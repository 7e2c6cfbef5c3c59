"""Byte pairs in every command: what is prepared is trained on, sampled, traced and shown readably."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import open_dataset
from gpt_data.texts.tiny import tiny_text
from gpt_data.tokens.bpe_tokenizer import END_OF_TEXT
from gpt_data.tokens.id_tokenizer import IdTokenizer
from handcalc.trace import main as trace
from handcalc.verify import main as verify
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.gpt_data.bpe_vocabularies import SMALL, write_bpe
from parity_tests.shared.cli.programs import assert_rejected

pytest.importorskip("tokenizers", reason="byte pairs need the extra `bpe`")
TEXT = tiny_text()[:800] + "東京 😀\n" * 9
QUICK = ["--max_iters", 2, "--warmup_iters", 1, "--eval_interval", 2, "--eval_iters", 1, "--eval_stride", 8]


@pytest.fixture
def trained(numpy_run):
    """Return nothing: a run of two steps on byte pairs is in runs/bpe, its model padded by three ids."""
    Path("input.txt").write_text(TEXT, encoding="utf-8")
    result = numpy_run("prepare", "text", "input.txt", "--tokens", "bpe", "--vocab_size", 280, "--out_dir", "pairs")
    assert result.out.startswith("pairs: 280 different tokens, ")
    result = numpy_run("train", "tiny", "--dataset", "pairs", *QUICK, "--vocab_size", 283, "--out_dir", "runs/bpe")
    assert (result.status, "validation loss" in result.out) == (0, True)


def test_every_command_reads_it(run, trained):
    tokenizer = open_dataset("pairs").tokenizer
    assert load_checkpoint(Path("runs/bpe")).tokenizer == tokenizer
    text = "hello 京😀"
    record = run("sample", "runs/bpe", "--prompt", text, "--max_new_tokens", 9, "--json").record
    assert record["prompt_tokens"] == tokenizer.encode(text).tolist()
    assert record["samples"][0]["text"].startswith(text)
    written = run("sample", "runs/bpe", "--prompt", text, "--max_new_tokens", 9).out
    assert written == record["samples"][0]["text"] + "\n"
    table = run("sample", "runs/bpe", "--prompt", " 京", "--show", "--max_new_tokens", 2, "--no_pager").out
    assert "'<0xE4>'" in table or "<0xE4>" in table
    maps = run("attention", "runs/bpe", "--text", "to be 京", "--json").record
    assert "".join(maps["words"]).replace("␣", " ").startswith("to be ")
    assert all(word.isprintable() and word.strip() for word in maps["words"])
    assert run("step", "runs/bpe", "--text", "to be", "--top", 2).status == 0
    assert run("evaluate", "runs/bpe").status == 0
    assert run("sample", "runs/bpe", "--prompt", END_OF_TEXT, "--max_new_tokens", 1).out.startswith(END_OF_TEXT)


@pytest.mark.parametrize("program", ["numpy_gpt"], indirect=True)
def test_a_trace_of_it_is_verified(run, trained, capsys):
    assert trace(["to 京", "--model", "runs/bpe", "--output", "trace.txt", "--only", "probabilities,attn.weights"]) == 0
    page = Path("trace.txt").read_text(encoding="utf-8")
    assert ("␣" in page and "<0xE4>" in page) or "<0xBA>" in page
    assert "<|282|>" in page
    assert verify(["trace.txt"]) == 0


def test_bare_ids(run):
    folder = Path("ids")
    folder.mkdir()
    for split in ("train", "val"):
        (folder / f"{split}.bin").write_bytes(np.arange(60, dtype="<u2").tobytes())
    assert_rejected(run("train", "tiny", "--dataset", "ids"), "how many different ids there are with --vocab_size N")
    assert_rejected(run("train", "tiny", "--dataset", "ids", "--vocab_size", 9), "train.bin must lie in 0 … 8")
    result = run("train", "tiny", "--dataset", "ids", "--vocab_size", 70, *QUICK, "--out_dir", "runs/ids")
    assert result.status == 0
    assert load_checkpoint(Path("runs/ids")).tokenizer == IdTokenizer(70)
    out = run("sample", "runs/ids", "--prompt", "1 2", "--max_new_tokens", 3).out
    assert out.startswith("1 2 ") and len(out.split()) == 5
    assert run("evaluate", "runs/ids").status == 0
    write_bpe(folder, SMALL, "tokenizer.json")
    result = run("train", "tiny", "--dataset", "ids", *QUICK, "--out_dir", "runs/small")
    assert (result.status, load_checkpoint(Path("runs/small")).tokenizer) == (0, SMALL)


def test_bad_choices_are_refused(numpy_run):
    Path("input.txt").write_text(TEXT, encoding="utf-8")
    Path("empty").mkdir()
    start = ["prepare", "text", "input.txt", "--out_dir", "pairs"]
    for flags, reason in (
        (["--tokens", "bpe"], "--tokens bpe needs either --vocab_size N"),
        (["--tokens", "bpe", "--vocab_size", 300, "--tokenizer", "x"], "--tokens bpe needs either"),
        (["--vocab_size", 300], "--vocab_size is for byte-pair tokens; add --tokens bpe"),
        (["--tokens", "words", "--tokenizer", "x"], "--tokenizer is for byte-pair tokens"),
        (["--tokens", "bpe", "--tokenizer", "empty"], "empty must have tokenizer.json, or vocab.json and merges.txt"),
        (["--tokens", "bpe", "--vocab_size", 256], "vocab_size must be a whole number of at least 257"),
    ):
        assert_rejected(numpy_run(*start, *flags), reason)
    assert not Path("pairs").exists()
    assert_rejected(
        numpy_run("prepare", "tiny", "--vocab_size", 300, "--out_dir", "x"), "--vocab_size can be chosen only"
    )
    write_bpe(Path("small"), SMALL)
    result = numpy_run(*start, "--tokens", "bpe", "--tokenizer", "small", "--json")
    assert (result.status, result.record["vocab_size"]) == (0, 261)
