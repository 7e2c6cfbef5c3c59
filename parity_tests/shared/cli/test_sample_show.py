"""``sample --show``: how the prompt is tokenized, and the model's probabilities for each new token."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.cli.sample import draw_lines, prompt_table
from numpy_gpt.shared.cli.tokens import token_width
from numpy_gpt.shared.model.sampling_choice import Draw
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.cli.programs import run_program

PAIR = r"('(?:[^'\\]|\\.)*'|\"[^\"]*\") +(\d\.\d{4})"


def _tables(out):
    prompt, heading, *rest = re.split(r"\n\n|(?<=likeliest)\n", out)
    return prompt.splitlines(), heading, rest[0].splitlines(), rest[1].strip()


def test_prompt_table(run, trained):
    prompt, *_ = _tables(run("sample", trained, "--prompt", "to be", "--show", "--max_new_tokens", 1).out)
    assert prompt[0] == "prompt 'to be': 3 tokens of a vocabulary of 32"
    assert [line.split() for line in prompt[1:]] == [
        ["position", "token", "id"],
        ["0", "'to'", "28"],
        ["1", "'", "'", "0"],
        ["2", "'be'", "5"],
    ]


@pytest.mark.parametrize("temperature", [1, 0.5])
def test_probabilities_are_the_models(run, trained, temperature):
    flags = ["--prompt", "to be", "--max_new_tokens", 12, "--temperature", temperature]
    result = run("sample", trained, *flags, "--show", 4)
    (sample,) = run("sample", trained, *flags, "--json").record["samples"]
    _, heading, lines, text = _tables(result.out)
    assert heading.split() == ["new", "sampled", "p", "argmax", "p", "the", "4", "likeliest"]
    assert text == repr(sample["text"])
    model = load_checkpoint(trained)
    engine, vocabulary = NumpyEngine(recipe_of(model), model.values), model.tokenizer.vocabulary
    tokens = model.tokenizer.encode("to be").tolist()
    for number, (line, token) in enumerate(zip(lines, sample["tokens"], strict=True), start=1):
        p = engine.predict(np.array([tokens[-8:]]))[0, -1] ** (1 / temperature)
        p /= p.sum()
        best = np.argsort(-p, kind="stable")[:4]
        assert int(line.split()[0]) == number
        expected = [(repr(vocabulary[place]), f"{p[place]:.4f}") for place in (token, best[0], *best)]
        assert re.findall(PAIR, line) == expected
        tokens.append(token)


def test_programs_print_the_same(capsys, trained):
    flags = ["sample", trained, "--prompt", "once", "--show", 3, "--max_new_tokens", 12, "--num_samples", 2]
    assert run_program("numpy_gpt", capsys, *flags).out == run_program("torch_gpt", capsys, *flags).out


def test_impossible_tokens_are_left_out(run, trained):
    flags = ["--prompt", "to", "--max_new_tokens", 3]
    for choice, count in ((["--top_k", 2], 2), (["--temperature", 0], 1)):
        *_, lines, _ = _tables(run("sample", trained, *flags, "--show", 5, *choice).out)
        assert [len(re.findall(PAIR, line)) for line in lines] == [2 + count] * 3


def test_characters_are_escaped_and_narrow():
    tokenizer = CharacterTokenizer.from_text("a\n'\"")
    width = token_width(tokenizer, 4)
    table = prompt_table(tokenizer, "a\n'", tokenizer.encode("a\n'"), width)
    assert table[0] == 'prompt "a\\n\'": 3 tokens of a vocabulary of 4'
    assert [line.split()[1] for line in table[2:]] == ["'a'", r"'\n'", '"\'"']
    (line,) = draw_lines(tokenizer, 1, Draw(0, np.full(4, 0.25)), 3, width)
    assert len(line) <= 80


def test_long_tokens():
    tokenizer = WordTokenizer.from_text("internationalisation " + "x" * 100)
    width = token_width(tokenizer, 3)
    assert width == 16
    line = "\n".join(draw_lines(tokenizer, 1, Draw(1, np.array([0.2, 0.7, 0.1])), 3, width))
    assert line.count("'internationalisation' 0.7000") == 3
    assert f"'{'x' * 27}…{'x' * 13}' (100 characters) 0.1000" in line


def test_rows_wrap_at_the_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    tokenizer = WordTokenizer.from_text("artificial intelligence transformers networks")
    width = token_width(tokenizer, 5)
    draw = Draw(1, np.array([0.1, 0.2, 0.3, 0.15, 0.25]))
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = draw_lines(tokenizer, 1, draw, 5, width)
        assert max(map(len, lines)) <= columns
        assert len(re.findall(PAIR, " ".join(lines))) == 7
        assert len(lines) > 1 or columns == 120


def test_padded_ids_have_names(run):
    padded = ["train", "tiny", "--vocab_size", 40, "--max_iters", 0, "--out_dir", "padded"]
    assert run(*padded).status == 0
    out = run("sample", "padded", "--prompt", "to", "--show", 40, "--max_new_tokens", 2).out
    assert "<|39|>" in out
    assert "vocabulary of 32" in out
    out = run("step", "padded", "--text", "to be").out
    assert out.count("<|39|>") == 2
    assert Path("padded").is_dir()
    assert os.sep not in out
