"""What holds for every command line: the value ``--``, long and odd values, a working directory that is gone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import handcalc.averaging
import handcalc.exercise
import handcalc.trace
import handcalc.verify
import numpy_gpt.cli
import torch_gpt.cli
from numpy_gpt.shared.cli.parser import Parser, run_command
from numpy_gpt.shared.training.stopping import Interrupted

DOORS = {
    "numpy_gpt": numpy_gpt.cli.main,
    "torch_gpt": torch_gpt.cli.main,
    "trace": handcalc.trace.main,
    "verify": handcalc.verify.main,
    "exercise": handcalc.exercise.main,
    "averaging": handcalc.averaging.main,
}


def _error(capsys, status, line, words):
    assert DOORS[words[0]](words[1:]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1), (out, err)
    assert line in err
    return err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["numpy_gpt", "train", "tiny", "--dataset=--"], "error: unknown dataset '--'"),
        (["torch_gpt", "train", "tiny", "--seed=--"], "must be a whole number, not '--'"),
        (["numpy_gpt", "train", "tiny", "--bias=--"], "must be True or False, not '--'"),
        (["numpy_gpt", "sample", "--prompt=--"], "error: --prompt: unknown character '-'"),
        (["numpy_gpt", "sample", "--", "--"], "no model at --"),
        (["trace", "hello", "--only=--"], "--only '--' matches no step"),
        (["averaging", "--digits=--"], "must be a whole number, not '--'"),
        (["exercise", "--topic=--"], "there is no --topic '--'"),
        (["verify", "--", "--"], "cannot read --"),
    ],
)
def test_two_hyphens_are_a_value(capsys, words, message):
    _error(capsys, 2, message, words)


@pytest.mark.parametrize(
    "words",
    [
        ["numpy_gpt", "train", "*"],
        ["numpy_gpt", "compare", "*"],
        ["numpy_gpt", "compare", "--n_embd", "*,4"],
        ["numpy_gpt", "train", "--n_embd", "*"],
        ["numpy_gpt", "train", "--dataset", "*"],
        ["numpy_gpt", "train", "--activation", "*"],
        ["numpy_gpt", "*"],
        ["numpy_gpt", "sample", "*"],
        ["numpy_gpt", "sample", "--cache", "*"],
        ["torch_gpt", "train", "--device", "*"],
        ["verify", "*"],
        ["exercise", "--topic", "*"],
        ["trace", "hello", "--format", "*"],
    ],
)
def test_long_and_odd_values_are_one_short_line(capsys, words):
    for value in ("x" * 100_000, "a\x1b]0;title\x07\nb" * 10_000):
        err = _error(capsys, 2, "error: ", [word.replace("*", value) for word in words])
        is_path = words in (["numpy_gpt", "sample", "*"], ["numpy_gpt", "train", "--dataset", "*"], ["verify", "*"])
        assert len(err) < (2100 if is_path else 500)
        assert err[:-1].isprintable()


@pytest.mark.parametrize(
    "words",
    [
        ["numpy_gpt", "train", "--batch_size=-*"],
        ["numpy_gpt", "train", "--seed=-*"],
        ["numpy_gpt", "train", "--by_hand=-*"],
        ["numpy_gpt", "train", "--n_embd=*", "--n_head=3"],
        ["numpy_gpt", "sample", "--max_new_tokens=*"],
        ["numpy_gpt", "sample", "--num_samples=-*"],
        ["trace", "hello", "--layer=*"],
        ["trace", "hello", "--digits=*"],
        ["exercise", "--level=*"],
        ["exercise", "--digits=*"],
        ["exercise", "--worksheet=*"],
    ],
)
def test_long_numbers_are_one_short_line(capsys, words):
    for digits in (4000, 100_000):  # Python reads up to 4,300 digits
        err = _error(capsys, 2, "error: ", [word.replace("*", "9" * digits) for word in words])
        assert len(err) < 500


@pytest.mark.parametrize(
    "words",
    [
        ["numpy_gpt", "rebuild", "--out_dir", "rebuilt"],
        ["torch_gpt", "sample"],
        ["trace", "hello"],
        ["verify", "-"],
        ["exercise"],
        ["averaging"],
    ],
)
def test_the_working_directory_is_gone(capsys, tmp_path, monkeypatch, words):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    _error(capsys, 2, "the working directory must exist, but it is gone", words)


def test_the_working_directory_vanishes(capsys, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")

    def vanish(out_dir):
        (tmp_path / "gone").rmdir()
        Path.cwd()

    monkeypatch.setattr("numpy_gpt.rebuild.rebuild", vanish)
    _error(capsys, 2, "the working directory must exist", ["numpy_gpt", "rebuild", "--out_dir", "rebuilt"])


def test_interrupted_rebuild_names_no_removed_checkpoint(capsys, monkeypatch):
    def interrupted(recipe, engine, corpus, out_dir, display):
        raise Interrupted(signal.SIGINT, 7, out_dir)

    monkeypatch.setattr("numpy_gpt.rebuild.train", interrupted)
    err = _error(capsys, 130, "interrupted after step 7", ["numpy_gpt", "rebuild", "--out_dir", "rebuilt"])
    assert err == "interrupted after step 7; rebuilt is unchanged, start again\n"
    assert not Path("rebuilt").exists()


def test_terminated_prepare_leaves_nothing(capsys, monkeypatch):
    Path("input.txt").write_text("Your own text, of some length. " * 30)
    monkeypatch.setattr("os.fsync", lambda descriptor: signal.raise_signal(signal.SIGTERM))
    _error(capsys, 143, "terminated", ["numpy_gpt", "prepare", "text", "input.txt", "--out_dir", "texts"])
    assert [path.name for path in Path().rglob("*")] == ["input.txt"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(36, "File name too long", "x" * 5000), "cannot use xxx"),
        (OSError(28, "No space left on device"), "cannot read or write: No space left on device"),
        (OSError("odd"), "cannot read or write: odd"),
    ],
)
def test_an_error_of_the_system_is_one_short_line(capsys, error, line):
    def fail(arguments):
        raise error

    assert run_command(fail, Parser(prog="p"), []) == 2
    err = capsys.readouterr().err
    assert line in err and "[Errno" not in err and err.count("\n") == 1 and len(err) < 1200


def test_a_long_wrong_choice_is_cut(capsys):
    error = _error(capsys, 2, "invalid choice: 'xxx", ["trace", "hello", f"--format={'x' * 100_000}"])
    assert "choose from" in error and len(error) < 300
