"""Every example of every ``--help`` runs; only training runs are shortened."""

from __future__ import annotations

import pickle
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from numpy_gpt.shared.training.presets import PRESETS
from parity_tests.shared.cli.programs import PROGRAMS, runner
from parity_tests.shared.interchange.foreign_files import (
    NANOGPT,
    config_of,
    random_values,
    write_huggingface,
    write_nanogpt,
)
from parity_tests.support.shakespeare_text import shakespeare_text

SHARED = (
    *("train", "sample", "step", "attention", "heads", "evaluate", "compare"),
    *("import", "edit", "plot", "snapshots", "prepare"),
)
COMMANDS = {
    "numpy_gpt": (*SHARED, "parameters", "rebuild", "golden"),
    "torch_gpt": SHARED,
}
CASES = [(program, command) for program, commands in COMMANDS.items() for command in ("", *commands)]


def _help(program, command, capsys):
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[program]([*([command] if command else []), "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def _examples(program, command, capsys):
    lines = _help(program, command, capsys).splitlines()
    return [line.strip() for line in lines[lines.index("examples:") :] if line.startswith(f"  {program} ")]


@pytest.fixture
def _files_of_the_examples(trained, numpy_run, monkeypatch):
    """Make a run, a recipe, texts and data, and presets that train for a moment instead of seconds."""
    for name in ("tiny", "bigram"):
        short = replace(PRESETS[name].training, max_iters=10, eval_interval=10, eval_iters=1)
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], training=short))
    Path("recipe.toml").write_text('preset = "tiny"\nn_embd = 8\n\n[training]\nmax_iters = 10\n')
    Path("prompt.txt").write_text("to be")
    Path("input.txt").write_text("Your own text, of some length. " * 30)
    assert numpy_run("prepare", "text", "input.txt", "--out_dir", "my-text").status == 0
    config, meta = config_of(**NANOGPT), {"vocab_size": 2, "itos": {0: "a", 1: "b"}, "stoi": {"a": 0, "b": 1}}
    for name in ("gpt2", "out", "data"):
        Path(name).mkdir(exist_ok=True)
    write_huggingface(Path("gpt2"), config, random_values(config))
    write_nanogpt(Path("out/ckpt.pt"), config, random_values(config))
    Path("data/meta.pkl").write_bytes(pickle.dumps(meta))
    assert numpy_run("train", "tiny", "--max_iters", 4, "--snapshots", 2, "--out_dir", "runs/grown").status == 0


@pytest.mark.parametrize(("program", "command"), CASES)
@pytest.mark.usefixtures("_files_of_the_examples")
def test_examples_run(program, command, capsys):
    examples = _examples(program, command, capsys)
    assert examples
    for example in examples:
        if "--source input.txt" in example:
            shutil.copyfile(shakespeare_text(), "input.txt")
        words = shlex.split(example)[1:]
        if "--max_iters" in words:
            words[words.index("--max_iters") + 1] = "70" if "--resume" in words else "20"  # after 60 steps
        result = runner(program, capsys)(*words)
        assert result.status == 0, (example, result.err)
        if "--json" in words:
            assert result.record["schema_version"] >= 1


@pytest.mark.parametrize(("program", "command"), CASES)
def test_help_states_exit_status_and_precedence(program, command, capsys):
    out = _help(program, command, capsys)
    assert "exit status: 0 done, 2 invalid input" in out
    assert ("flags override both" in out) == (command in ("train", "compare"))
    assert max(map(len, out.splitlines())) <= 120
