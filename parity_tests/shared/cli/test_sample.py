"""``sample``: both programs write the same text with every sampling flag, and the text follows the model."""

from __future__ import annotations

import json
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.randomness import sampling_uniforms
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, run_program

CHOICES = [
    [f"--temperature={temperature}", *([f"--top_k={top_k}"] if top_k else []), f"--top_p={top_p}"]
    for temperature, top_k, top_p in product((0, 0.7, 1.5), (None, 1, 3), (1, 0.6))
]


def _engine(run):
    model = load_checkpoint(run)
    return NumpyEngine(recipe_of(model), model.values), model.tokenizer


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_programs_write_the_same_text(capsys, trained, choice):
    flags = ["sample", trained, "--prompt", "to be", "--max_new_tokens", 20, "--seed", 5, *choice]
    texts = [
        run_program(program, capsys, *flags, "--cache", cache).out
        for program in ("numpy_gpt", "torch_gpt")
        for cache in (True, False)
    ]
    assert len(set(texts)) == 1, texts
    assert texts[0].startswith("to be")


def test_cache_flag(program, run, trained, monkeypatch):
    decoders = []
    module = import_module({"numpy_gpt": "numpy_gpt.replayed_step", "torch_gpt": "torch_gpt.sampling"}[program])

    class Watched(module.Decoder):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            decoders.append(self)

    monkeypatch.setattr(module, "Decoder", Watched)
    run("sample", trained, "--max_new_tokens", 5, "--cache", "no")
    assert not decoders
    run("sample", trained, "--max_new_tokens", 5)
    assert [decoder.length for decoder in decoders] == [5]  # the prompt's one token and four of the five new ones


def test_temperature_0_is_argmax(run, trained):
    engine, tokenizer = _engine(trained)
    tokens = tokenizer.encode("once upon").tolist()
    for _ in range(15):  # the context is 8: the window moves
        tokens.append(int(engine.predict(np.array([tokens[-8:]]))[0, -1].argmax()))
    result = run("sample", trained, "--prompt", "once upon", "--temperature", 0, "--max_new_tokens", 15)
    assert result.out == tokenizer.decode(tokens) + "\n"


def test_tokens_follow_the_uniform_numbers(run, trained):
    engine, tokenizer = _engine(trained)
    tokens = tokenizer.encode("hello").tolist()
    for uniform in sampling_uniforms(7, 12):
        cumulated = np.cumsum(engine.predict(np.array([tokens[-8:]]))[0, -1])
        tokens.append(int(np.searchsorted(cumulated, uniform, side="right")))
    result = run("sample", trained, "--prompt", "hello", "--max_new_tokens", 12, "--seed", 7)
    assert result.out == tokenizer.decode(tokens) + "\n"


def test_samples_are_independent(run, trained):
    flags = ["sample", trained, "--prompt", "to be", "--max_new_tokens", 12]
    alone, three = run(*flags).out, run(*flags, "--num_samples", 3).out
    samples = three.split("---------------\n")
    assert samples[0] == alone
    assert len(set(samples)) == len(samples) == 3
    assert run(*flags, "--num_samples", 2, "--seed", 8).out.split("---------------\n")[0] not in samples


def test_stop_token_ends_a_sample(run, trained):
    flags = ["sample", trained, "--prompt", "to", "--max_new_tokens", 30, "--json"]
    (whole,) = run(*flags).record["samples"]
    _, tokenizer = _engine(trained)
    stop = whole["tokens"][9]
    length = whole["tokens"].index(stop)
    (stopped,) = run(*flags, "--stop", tokenizer.vocabulary[stop]).record["samples"]
    assert stopped["tokens"] == whole["tokens"][:length]
    assert stopped["text"] == tokenizer.decode(tokenizer.encode("to").tolist() + whole["tokens"][:length])


@pytest.mark.parametrize("length", [2, 7, 20])
def test_stop_text_of_any_length_ends_a_sample(capsys, trained, length):
    flags = ["sample", trained, "--prompt", "to", "--max_new_tokens", 30]
    whole = run_program("numpy_gpt", capsys, *flags, "--json").record["samples"][0]["text"]
    stop = whole[21 : 21 + length]  # it may begin and end inside a word
    expected = whole[: whole.index(stop, 2)]
    for program in ("numpy_gpt", "torch_gpt"):
        stopped = run_program(program, capsys, *flags, "--stop", stop, "--json").record["samples"][0]
        assert stopped["text"] == expected
        assert len(stopped["tokens"]) == len(stopped["probabilities"])
        assert run_program(program, capsys, *flags, "--stop", stop).out == expected + "\n"
        assert repr(expected) in run_program(program, capsys, *flags, "--stop", stop, "--show", "--no_pager").out


def test_long_prompt_is_cropped(run, trained):
    end = "artificial intelligence rocks to be "  # eight tokens: the whole context
    flags = ["--max_new_tokens", 10, "--json"]
    long = run("sample", trained, "--prompt", f"hello world once upon a time {end}", *flags).record["samples"][0]
    short = run("sample", trained, "--prompt", end, *flags).record["samples"][0]
    assert long["tokens"] == short["tokens"]
    assert long["text"].startswith("hello world once upon a time artificial")


def test_prompt_from_a_file(run, trained):
    Path("prompt.txt").write_bytes("\ufeffto be".encode())
    assert run("sample", trained, "--prompt", "FILE:prompt.txt").out == run("sample", trained, "--prompt", "to be").out


def test_record_has_probabilities(run, trained):
    result = run("sample", trained, "--prompt", "to", "--max_new_tokens", 6, "--json", "--show", 3)
    assert result.out.count("\n") == 1
    record = result.record
    assert (record["schema_version"], record["prompt"], record["prompt_tokens"]) == (1, "to", [28])
    (sample,) = record["samples"]
    engine, _ = _engine(trained)
    tokens = [28]
    for token, probability, top in zip(sample["tokens"], sample["probabilities"], sample["likeliest"], strict=True):
        expected = engine.predict(np.array([tokens[-8:]]))[0, -1]
        assert probability == pytest.approx(expected[token], rel=1e-9)
        assert [entry["token"] for entry in top] == np.argsort(-expected, kind="stable")[:3].tolist()
        assert [entry["probability"] for entry in top] == pytest.approx(sorted(expected)[:-4:-1], rel=1e-9)
        tokens.append(token)


def test_run_is_not_modified(run, trained):
    before = contents(trained)
    run("sample", trained, "--max_new_tokens", 3, "--num_samples", 2, "--show")
    assert contents(trained) == before
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "runs"]


def test_checkpoint_choice(numpy_run, trained):
    newest = max((trained / "checkpoints").iterdir())
    assert numpy_run("sample", trained, "--checkpoint", "best", "--json").status == 0
    (newest / "model.safetensors").write_bytes(b"")
    result = numpy_run("sample", trained, "--max_new_tokens", 1)
    assert result.status == 0
    assert result.err.count("\n") == 1
    assert result.err.startswith("warning: ")
    assert "step-000000040 instead" in result.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere"], "no model at nowhere"),
        (["prompt.txt"], "no model at prompt.txt: give a run directory"),
        (["--prompt", ""], "--prompt: text must not be empty"),
        (["--prompt", "hullo"], "--prompt: unknown word 'hullo' (word 1, character 1); did you mean 'hello'?"),
        (["--prompt", "hello\nworld"], r"--prompt: unknown character '\n'"),
        (["--prompt", "FILE:"], "must be followed by the name of a file"),
        (["--prompt", "FILE:missing.txt"], "cannot read missing.txt"),
        (["--prompt", "FILE:latin.txt"], "latin.txt must be UTF-8; byte 0xe9 at offset 3 is not"),
        (["--prompt", "FILE:utf16.txt"], "utf16.txt must be UTF-8 and looks like UTF-16"),
        (["--max_new_tokens", "-1"], "--max_new_tokens must be at least 0, not -1"),
        (["--max_new_tokens", "1e12"], "--max_new_tokens must be at most 10,000,000"),
        (["--max_new_tokens", "inf"], "must be a whole number, not 'inf'"),
        (["--num_samples", "0"], "--num_samples must be at least 1, not 0"),
        (["--temperature", "-1"], "temperature must be at least 0 and finite, not -1.0"),
        (["--temperature", "inf"], "temperature must be at least 0 and finite, not inf"),
        (["--temperature", "nan"], "must be a number, not 'nan'"),
        (["--temperature", ""], "must be a number, not ''"),
        (["--top_k", "0"], "top_k must be a whole number of at least 1, not 0"),
        (["--top_k", "1e400"], "must be a whole number, not '1e400'"),
        (["--top_p", "0"], "top_p must lie in (0, 1], not 0.0"),
        (["--top_p", "1.1"], "top_p must lie in (0, 1], not 1.1"),
        (["--seed", "-1"], "--seed must be at least 0, not -1"),
        (["--seed", "1.5"], "must be a whole number, not '1.5'"),
        (["--stop", ""], "--stop: text must not be empty"),
        (["--stop", "halt"], "--stop: unknown word 'halt'"),
        (["--show", "0"], "--show must be at least 1, not 0"),
        (["--cache", "maybe"], "must be True or False, not 'maybe'"),
        (["--checkpoint", "worst"], "invalid choice: 'worst'"),
        (["--tempreature", "1"], "unknown option '--tempreature'; did you mean '--temperature'?"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    Path("latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    Path("utf16.txt").write_bytes("to be".encode("utf-16-le"))
    Path("prompt.txt").write_text("to be")
    assert_rejected(run("sample", *flags), message)


@pytest.mark.parametrize("temperature", ["1e-9", "1e-300", "1e300"])
def test_extreme_temperatures(run, trained, temperature):
    result = run("sample", trained, "--prompt", "to", "--temperature", temperature, "--max_new_tokens", 5, "--json")
    argmax = run("sample", trained, "--prompt", "to", "--temperature", 0, "--max_new_tokens", 5, "--json")
    probabilities = result.record["samples"][0]["probabilities"]
    if temperature == "1e300":
        assert probabilities == pytest.approx([1 / 32] * 5)
    else:
        assert result.record["samples"][0]["tokens"] == argmax.record["samples"][0]["tokens"]
        assert probabilities == [1.0] * 5


def test_default_prompt(numpy_run):
    assert json.loads(numpy_run("sample", "--json").out)["prompt"] == " "
    Path("text.txt").write_text("one two\nthree four\n" * 50)
    numpy_run("prepare", "text", "text.txt", "--out_dir", "text")
    numpy_run("train", "tiny", "--dataset", "text", "--max_iters", 0, "--out_dir", "run")
    assert json.loads(numpy_run("sample", "run", "--json").out)["prompt"] == "\n"
