"""Texts that users type: upper case, a typed backslash and n, a file's last line break, a text that is too short."""

from __future__ import annotations

from pathlib import Path

import pytest

from handcalc.averaging import main as averaging
from handcalc.exercise import main as exercise
from handcalc.trace import main as trace
from numpy_gpt import load_model
from parity_tests.shared.cli.programs import assert_rejected

FEW = ["--max_new_tokens", 2]


def test_a_lower_case_model_reads_lower_case(run):
    lower = run("sample", "--prompt", "hello world", *FEW)
    upper = run("sample", "--prompt", "Hello WORLD", *FEW)
    assert upper.out == lower.out
    note = "note: the model knows only lower case, and reads --prompt as 'hello world'\n"
    assert upper.err == note + lower.err or upper.err == lower.err + note


@pytest.mark.parametrize(
    "command",
    [
        "sample --max_new_tokens 2 --prompt",
        "sample --max_new_tokens 2 --show full --prompt",
        "sample --max_new_tokens 2 --stop",
        "step --text",
        "attention --text",
    ],
)
def test_every_command_reads_capitals(run, command):
    words = command.split()
    text = "Love" if words[-1] == "--stop" else "I love GPT"
    capitals, lower = run(*words, text), run(*words, text.lower())
    assert capitals.status == 0 and capitals.out == lower.out
    assert f"note: the model knows only lower case, and reads {words[-1]} as '{text.lower()}'" in capitals.err
    assert "note" not in lower.err


@pytest.mark.parametrize("main", [trace, averaging, exercise])
def test_every_page_reads_capitals(main, capsys):
    texts = ["I love GPT", "i love gpt"]
    shown = []
    for text in texts:
        options = [] if main is trace else ["--text"]
        assert main([*options, text, *(["--worksheet", "1", "--seed", "1"] if main is exercise else [])]) == 0
        shown.append(capsys.readouterr())
    assert shown[0].out.replace(*texts) == shown[1].out
    assert "the model knows only lower case" in shown[0].err and "note" not in shown[1].err


def test_the_library_reads_capitals(capsys):
    model = load_model()
    for ask in (model.predict, model.attention, model.trace, model.step):
        assert ask("I love GPT").text == "i love gpt", ask
    assert model.loss("I love GPT") == model.loss("i love gpt")
    assert model.sample("GPT by", temperature=0, max_new_tokens=2) == "gpt by hand"
    assert capsys.readouterr().err.count("note: the model knows only lower case") == 6


def test_a_model_of_capitals_reads_capitals(numpy_run):
    Path("text.txt").write_text("COLT CORN COAT\n" * 50)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text")
    numpy_run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    result = numpy_run("sample", "run", "--prompt", "colt", "--json", *FEW)
    assert result.record["prompt"] == "COLT"
    assert result.err == "note: the model knows only capitals, and reads --prompt as 'COLT'\n"


@pytest.mark.parametrize("words", ["Ab ab", "12 34"])
def test_another_vocabulary_is_read_as_it_is(numpy_run, words):
    Path("text.txt").write_text(f"{words}\n" * 50)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text")
    numpy_run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    assert_rejected(numpy_run("sample", "run", "--prompt", "B"), "--prompt: unknown character 'B'")


def test_typed_line_breaks_and_tabs_are_understood(numpy_run):
    Path("text.txt").write_text("ab\tcn\\d\n" * 50)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text")
    numpy_run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    typed = numpy_run("sample", "run", "--prompt", r"a\n\tb\\nc\d", "--json", *FEW).record
    assert typed["prompt"] == "a\n\tb\\nc\\d"
    for flags in (["sample", "--prompt", r"b\n", *FEW], ["step", "--text", r"b\n"], ["attention", "--text", r"b\n"]):
        name = "prompt" if flags[0] == "sample" else "text"
        assert numpy_run(flags[0], "run", *flags[1:], "--json").record[name] == "b\n"


def test_a_typed_stop(numpy_run):
    Path("text.txt").write_text("ab\n\n" * 50)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text")
    numpy_run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    flags = ["sample", "run", "--prompt", "a", "--max_new_tokens", 200, "--json"]
    whole = numpy_run(*flags).record["samples"][0]["text"]
    assert "\n\n" in whole
    assert numpy_run(*flags, "--stop", r"\n\n").record["samples"][0]["text"] == whole[: whole.index("\n\n")]


def test_a_path_is_not_a_typed_text(numpy_run):
    Path(r"a\nb.txt").write_text("to be")
    assert numpy_run("sample", "--prompt", r"FILE:a\nb.txt", "--json", *FEW).record["prompt"] == "to be"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_last_line_break_of_a_file_is_not_in_the_prompt(numpy_run, end):
    Path("prompt.txt").write_bytes(f"to be{end}".encode())
    assert numpy_run("sample", "--prompt", "FILE:prompt.txt", "--json", *FEW).record["prompt"] == "to be"


def test_only_one_line_break_is_left_out(numpy_run):
    Path("prompt.txt").write_bytes(b"to be\n\n")
    assert_rejected(numpy_run("sample", "--prompt", "FILE:prompt.txt"), r"unknown character '\n'")


def test_a_short_split_is_named(numpy_run):
    Path("text.txt").write_text("to be or not to be " * 5)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text", "--tokens", "words", "--val_share", "0.1")
    told = (
        "a window of block_size=8 needs 9 tokens, and the validation split of 'text' has 6; use a longer text or a "
        "smaller block_size, or prepare your own text with a larger --val_share"
    )
    assert_rejected(numpy_run("train", "tiny", "--dataset", "text"), told)


def test_a_changed_text_is_said_to_be_changed(run):
    for text in ("one two three ", "one two three four five six seven "):
        Path("text.txt").write_text(text * 50)
        run("prepare", "text", "text.txt", "--out_dir", "text")
        if not Path("run").exists():
            run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    assert_rejected(run("train", "--resume", "run"), "was trained on a different text from what 'text' is now")
