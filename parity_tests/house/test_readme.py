"""README, training and attention guides are true: their commands and the example run; the figures are the model's."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from handcalc.averaging import main as averaging
from handcalc.exercise import main as exercise
from handcalc.trace import main as trace
from handcalc.verify import main as verify
from numpy_gpt.cli import main as numpy_gpt
from numpy_gpt.shared.cli.commands import program_parser
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import changeable_names
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from parity_tests.mutants.mutant_list import MUTANTS
from torch_gpt.cli import PROGRAM
from torch_gpt.cli import main as torch_gpt

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("training.md", "attention.md")]
TEXT = "".join([README, *GUIDES])
PROGRAMS = {
    "numpy_gpt": numpy_gpt,
    "torch_gpt": torch_gpt,
    "python -m handcalc.trace": trace,
    "python -m handcalc.verify": verify,
    "python -m handcalc.exercise": exercise,
    "python -m handcalc.averaging": averaging,
}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_first_commands_are_make_targets():
    first = [line.split("#")[0].strip() for line in _blocks("sh")[0].splitlines()]
    assert first == ["make trace", "make test"]
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {command.split()[1] for command in re.findall(r"^make \w+", TEXT, re.MULTILINE)} <= targets


def test_the_mutants_are_counted():
    told = re.findall(r"in (\d+) ways|of (\d+) mutants", TEXT)
    assert [int(number) for pair in told for number in pair if number] == [len(MUTANTS)] * 2


@pytest.mark.prove
def test_every_command_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for line in "".join(_blocks("sh")).splitlines():
        if line.startswith("mkdir -p "):
            Path(shlex.split(line, comments=True)[2]).mkdir(exist_ok=True)
        for program, main in PROGRAMS.items():
            if line.startswith(program + " "):
                words = shlex.split(line.removeprefix(program), comments=True)
                assert main(words) == 0, (line, capsys.readouterr().err)
                ran += 1
    assert ran >= 10
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # the checkout stays clean


def test_what_commands_write_is_ignored_by_git():
    written = re.findall(r"--(?:output|png|html|out_dir) (\S+)", "".join([*_blocks("sh"), *_blocks("bash")]))
    assert len(written) >= 3
    assert all(path.startswith("runs/") for path in written), written
    assert "/runs/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_command_has_flags_that_exist():
    parser, commands = program_parser(PROGRAM, "")
    parsed = 0
    for line in "".join([*_blocks("sh"), *_blocks("bash")]).splitlines():
        words = [word for word in shlex.split(line, comments=True) if word != "--by_hand"]  # only numpy_gpt has it
        for program in {"numpy_gpt", "torch_gpt"} & {*words}:
            arguments = words[words.index(program) + 1 :]
            if arguments[0] in commands.choices:
                assert callable(parser.parse_args(arguments).command), line
                parsed += 1
    assert parsed >= 15


def test_no_example_ends_in_its_warmup():
    parser, commands = program_parser(PROGRAM, "")
    lines = [*_blocks("sh"), *_blocks("bash"), *(commands.choices[name].epilog for name in ("train", "compare"))]
    shorter = 0
    for example in re.findall(r"^ *(?:numpy|torch)_gpt ((?:train|compare)\b.*)", "\n".join(lines), re.MULTILINE):
        words = shlex.split(example, comments=True)
        if not {"--by_hand", "--resume", "--config"} & {*words}:  # a single step, and recipes that are given elsewhere
            arguments = vars(parser.parse_args(words))
            training = preset(arguments["preset"] or PROGRAM.default_preset).training
            steps = arguments.get("max_iters", training.max_iters)
            assert arguments.get("warmup_iters", training.warmup_iters) < steps, example
            shorter += steps < training.max_iters
    assert shorter >= 5


def test_the_python_examples_run(capsys, empty_directory):
    examples = "\n".join(_blocks("python"))
    exec(compile(examples, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "<Prediction after 'once upon a': ' ' 0.9994" in out
    assert "0.9994" in examples
    assert "h.1.attn.scores[0,1,0] = " in out
    assert "step    600  train_loss" in out
    assert "[[" in out


def test_the_examples_of_recording_run(capsys):
    text = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile("\n".join(examples), "recording.md", "exec"), {})
    assert "the loss is" in capsys.readouterr().out
    lists = text[text.index("**What can be changed**") :].split(". A change")[0]
    told = re.findall(r"`([\w.]+)`", lists)
    assert told == [
        name.removeprefix("h.0.")
        for name in changeable_names(GPTConfig(vocab_size=2, block_size=2, n_layer=1, n_head=1, n_embd=2))
    ]


def test_the_shipped_models_figures_are_right():
    facts = load_checkpoint(SHIPPED_MODEL).facts
    for name in ("val_loss", "val_loss_before_rounding", "loss_floor"):
        assert f"{facts[name]:.4f}" in TEXT, name


def test_the_requirements_are_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')}" in TEXT
    for extra in re.findall(r'"\.\[([\w,]+)\]"', TEXT):
        assert set(extra.split(",")) <= set(project["optional-dependencies"])


def test_the_worked_lines_are_the_traces(tmp_path, capsys):
    output = tmp_path / "trace.txt"
    assert trace(["hello world", "--update", "--full", "--output", str(output)]) == 0
    lines = set(output.read_text(encoding="utf-8").replace("\n        ", " ").splitlines())
    (block,) = _blocks("trace")
    for line in block.splitlines():
        assert f"    {line}" in lines
    assert any("attn.scores[" in line for line in block.splitlines())
    assert any("dweight[" in line for line in block.splitlines())
    assert any("updated." in line for line in block.splitlines())
