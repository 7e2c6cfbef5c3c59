"""``export``: the files of another program, complete or not at all, and what it says of them."""

from __future__ import annotations

import os

import pytest

from numpy_gpt.shared.cli.stored.export_model import FORMATS
from numpy_gpt.shared.interchange.reading.place import read_foreign
from numpy_gpt.shared.interchange.writing.formats import EXPORTERS
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import PROGRAMS, runner
from parity_tests.shared.interchange.exported_models import model_of


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_model_is_written_with_its_tokenizer(program, tmp_path, capsys):
    out = tmp_path / "a place"
    result = runner(program, capsys)("export", str(SHIPPED_MODEL), "--format", "huggingface", "--out_dir", str(out))
    assert (result.status, result.err) == (0, "")
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert "note: GPT-2 always has biases: those that the model lacks are zeros" in " ".join(result.out.split())
    assert f"GPT2LMHeadModel.from_pretrained('{out}')" in result.out
    shipped = load_checkpoint(SHIPPED_MODEL)
    assert (out / "model.safetensors").read_bytes() == (SHIPPED_MODEL / "model.safetensors").read_bytes()
    assert read_foreign(out).checkpoint.tokenizer == shipped.tokenizer


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_repeated_but_nothing_else_is_replaced(name, tmp_path, capsys):
    run = runner("numpy_gpt", capsys)
    save_checkpoint(tmp_path / "model", model_of(activation="gelu_erf" if name == "nanogpt" else "gelu_tanh"))
    words = ("export", str(tmp_path / "model"), "--format", name, "--out_dir")
    out = tmp_path / "out"
    assert run(*words, str(out)).status == 0
    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run(*words, str(out)).status == 0
    assert first == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "thesis.txt").write_text("years of work")
    for place, reason in ((out, "contains 'thesis.txt'"), (tmp_path / "model", "contains 'checkpoint.json'")):
        result = run(*words, str(place))
        assert result.status == 2 and reason in result.err and result.err.count("\n") == 1
    assert (tmp_path / "model" / "checkpoint.json").exists()


def test_what_a_format_cannot_express_leaves_no_directory(tmp_path, capsys):
    out = tmp_path / "out"
    result = runner("numpy_gpt", capsys)("export", str(SHIPPED_MODEL), "--format", "nanogpt", "--out_dir", str(out))
    assert (result.status, result.out) == (2, "")
    assert "nanoGPT's model always has activation='gelu_erf', but this one has 'gelu_tanh'" in result.err
    assert not out.exists()


def test_a_failure_to_write_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    result = runner("numpy_gpt", capsys)("export", "--format", "llmc", "--out_dir", str(tmp_path / "new" / "out"))
    assert result.status == 2 and "No space left on device" in result.err
    assert not list(tmp_path.iterdir())


def test_every_format_has_an_exporter():
    assert tuple(EXPORTERS) == FORMATS
