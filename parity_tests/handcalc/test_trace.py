"""What the command line promises: one line for each error, files whole or not at all, quiet ends, a light start."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handcalc import trace as command
from handcalc.trace import main
from handcalc.verify import main as verify
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.handcalc.conftest import small_config

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], 'give the text as one argument, in quotes: python -m handcalc.trace "hello world"'),
        (["hello", "world"], 'in quotes: python -m handcalc.trace "hello world"'),
        ([""], "text must not be empty"),
        (["hello wurld"], "unknown word 'wurld' (word 2, character 7); did you mean 'world'?"),
        (["to be or not to be"], "the text has 11 tokens (spaces count), and this model reads at most 8"),
        (["hello", "--digits", "0"], "--digits must be a whole number from 1 to 34, not 0"),
        (["hello", "--digits", "35"], "--digits must be a whole number from 1 to 34, not 35"),
        (["hello", "--digits", "four"], "--digits"),
        (["hello", "--digits", "1.5"], "--digits: must be a whole number, not '1.5'"),
        (["hello", "--model", "no/such/model"], "no model at no/such/model"),
        (["hello", "--model", __file__], "no model at"),
        (["hello", "--layer", "2"], "--layer 2 does not exist: this model has 2 layers, numbered 0 to 1"),
        (["hello", "--head", "-1"], "--head -1 does not exist: this model has 2 heads, numbered 0 to 1"),
        (["hello", "--position", "1"], "--position 1 does not exist: this text has one position, number 0"),
        (["hello", "--only", "scors"], "--only 'scors' matches no step; did you mean 'scores'?"),
        (["hello", "--only", "zzzzzz"], "--only 'zzzzzz' matches no step; --list shows them"),
        (["--list", "--layer", "9"], "--layer 9 does not exist: this model has 2 layers, numbered 0 to 1"),
        (["--list", "--head", "9"], "--head 9 does not exist: this model has 2 heads, numbered 0 to 1"),
        (["--list", "--position", "9"], "--position 9 does not exist: this model has 8 positions, numbered 0 to 7"),
        (
            ["hello world", "--update", "--learning_rate", "1e300"],
            "and after an update at learning rate 1e+300 they do not (h.0.ln_1.variance overflows",
        ),
        (["hello", "--only", ","], "--only needs the name of a step"),
        (["hello", "--only", "logits", "--layer", "0"], "--only 'logits' matches no step of --layer 0"),
        (["hello", "--format", "xml"], "invalid choice: 'xml'"),
        (["hello", "--fornat", "json"], "did you mean '--format'?"),
        (["hello", "--backward"], "there is nothing to predict: give a text of at least two tokens (spaces count)"),
        (["hello", "--update"], "there is nothing to predict"),
        (["to be or not to be", "--backward"], "the text has 10 tokens (spaces count), and this model reads at most 8"),
        (["hello world", "--backward", "--position", "2"], "--position 2 does not exist: this text has 2 positions"),
        (["hello world", "--only", "dq"], "--only 'dq' matches no step"),
        (["hello world", "--learning_rate", "0.1"], "--learning_rate is the rate of an update: add --update"),
        (["hello world", "--update", "--learning_rate", "-1"], "learning_rate must be at least 0 and finite, not -1"),
        (["hello world", "--update", "--learning_rate", "nan"], "learning_rate must be at least 0 and finite"),
        (["hello world", "--update", "--learning_rate", "fast"], "--learning_rate"),
        (["hello", "--set", "x"], "must look like wte.weight[31,0]=0, not 'x'"),
        (["hello", "--set", "wte.weight[99,0]=1"], "wte.weight[99,0] does not exist: the last one is wte.weight[31,5]"),
        (["hello", "--set", "wte.weight[1,0]=nan"], "must be a finite number, not 'nan'"),
        (["hello", "--output", "no/such/directory/file"], "cannot write no/such/directory/file"),
        (["hello", "--output", "."], "cannot write"),
        (["hello", "--format", "xlsx"], "a workbook is a file: add --output FILE, such as --output hello.xlsx"),
        (["hello", "--format", "xlsx", "--output", "x", "--head", "0"], "a workbook always has every step: leave out"),
        (["hello", "--format", "xlsx", "--output", "x", "--digits", "4"], "a workbook calculates in float64"),
        (["hello", "--format", "xlsx", "--output", "."], "cannot write"),
        (["--format", "xlsx", "--output", "x"], "give the text as one argument"),
        (
            ["hello world", "--format", "xlsx", "--output", "x", "--update", "--learning_rate", "1e300"],
            "numbers must stay in the range of float64, and updated.h.0.ln_1.variance does not; try a lower",
        ),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: ") and message in err


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("size", [0, 7, 500])
def test_truncated_models_are_refused(name: str, size: int, tmp_path: Path, capsys: Capture) -> None:
    broken = Path(shutil.copytree(SHIPPED_MODEL, tmp_path / "model"))
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[:size])
    assert main(["hello", "--model", str(broken)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def saved(directory: Path, **changes: Any) -> str:
    """Save a model of equal weights with the shipped tokenizer and return its path; ``kind`` may make it a bigram."""
    shipped = load_checkpoint(SHIPPED_MODEL)
    fields = {"vocab_size": 32, "block_size": 8} | changes
    fill = fields.pop("fill", 1.0)
    config = small_config(fields)
    values = {name: np.full(shape, fill) for name, shape in parameter_shapes(config).items()}
    save_checkpoint(directory, Checkpoint(config, shipped.tokenizer, values))
    return str(directory)


@pytest.mark.parametrize(("activation", "line"), [("gelu_erf", " = erf("), ("relu", "mlp.activated[0,0] = max(0, ")])
def test_models_of_each_activation_are_traced(activation: str, line: str, tmp_path: Path, capsys: Capture) -> None:
    page, model = tmp_path / "page.txt", saved(tmp_path / "model", activation=activation, fill=0.5)
    assert main(["hello world", "--backward", "--full", "--model", model, "--output", str(page)]) == 0
    assert line in page.read_text(encoding="utf-8")
    assert verify([str(page)]) == 0


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_bigram_models_are_traced(form: str, tmp_path: Path, capsys: Capture) -> None:
    page, model = tmp_path / "page", saved(tmp_path / "bigram", kind="bigram", fill=0.5)
    options = ["--model", model, "--format", form, "--output", str(page)]
    assert main(["hello world", "--update", "--set", "wte.weight[0,31]=2", *options]) == 0
    text = " ".join(page.read_text(encoding="utf-8").replace("\\", "").split())
    start = text.index("The next word")
    assert text.index("The arithmetic of a bigram model") < start < text.index('likeliest next word is "world"')
    assert "A trained bigram model reads" in text and "h.0" not in text and "GPT" not in text
    assert "logits[1,31] = 2 = 2" in text and "(15.1)" in text and "(15.2)" in text
    for end in ("updated.wte.weight[0,31] = ", "How far from float64", "Before and after the change"):
        assert end in text
    assert verify([str(page)]) == 0


def test_json_of_a_bigram_model(tmp_path: Path, capsys: Capture) -> None:
    model = saved(tmp_path / "bigram", kind="bigram", fill=0.5)
    assert main(["hello world", "--backward", "--full", "--model", model, "--format", "json"]) == 0
    page = capsys.readouterr().out
    (tmp_path / "page.json").write_text(page, encoding="utf-8")
    record = json.loads(page)
    assert record["model"]["config"] == {"kind": "bigram", "vocab_size": 32, "block_size": 8}
    assert record["why"] is None and record["model"]["parameters"] == 1024
    assert [one["name"] for one in record["weights"]] == ["wte.weight"]
    assert record["steps"][0]["section"] == "15.1" and record["steps"][-1]["name"] == "wte.dweight"
    assert verify([str(tmp_path / "page.json")]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hello world", "--layer", "0"], "--layer 0 does not exist: a bigram model has no layers"),
        (["hello world", "--head", "0"], "--head 0 does not exist: a bigram model has no heads"),
        (["--list", "--layer", "0"], "--layer 0 does not exist: a bigram model has no layers"),
        (["hello world", "--only", "scores"], "--only 'scores' matches no step"),
        (["to be or not to be"], "the text has 11 tokens (spaces count), and this model reads at most 8"),
        (["hello world", "--format", "html"], "a web page shows a GPT, and this is a bigram model: choose another"),
        (["hello", "--set", "wpe.weight[0,0]=1"], "wpe.weight"),
    ],
)
def test_errors_of_a_bigram_model_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: Capture
) -> None:
    assert main([*arguments, "--model", saved(tmp_path / "bigram", kind="bigram")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: ") and message in err


def test_first_screen_without_layers(tmp_path: Path, capsys: Capture) -> None:
    for changes in ({"n_layer": 0}, {"kind": "bigram"}):
        model = saved(tmp_path / "model", **changes)
        assert main(["hello world", "--backward", "--model", model]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "where in the model the number is; all counting starts at 0" in text and "h.0" not in text
        assert "in its equation: here t = 1, v = 0." in text
        shutil.rmtree(model)


@pytest.mark.parametrize("fill", [0.0, 1.0, 1e300])
def test_constant_weights(fill: float, tmp_path: Path, capsys: Capture) -> None:
    # All vectors are constant: variance 0, equal scores, equal logits; 1e300 cubed is far beyond float64.
    with np.errstate(over="ignore", invalid="ignore"):
        assert main(["hello world", "--model", saved(tmp_path / "model", fill=fill), "--only", "probabilities"]) == 0
    assert " = 0.03125" in capsys.readouterr().out


def test_debug_shows_traceback() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "handcalc.trace", "", "--debug"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2 and "Traceback" in result.stderr and "UserError" in result.stderr


def test_error_keeps_old_output(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "trace.txt"
    output.write_text("old")
    assert main(["unknown", "--output", str(output)]) == 2
    assert output.read_text() == "old" and list(tmp_path.iterdir()) == [output]


def test_output_equals_screen(tmp_path: Path, capsys: Capture) -> None:
    for options in ([], ["--format", "json", "--full"]):
        assert main(["gpt", *options, "--output", str(tmp_path / "trace")]) == 0
        assert capsys.readouterr().out == ""
        assert main(["gpt", *options]) == 0
        assert (tmp_path / "trace").read_bytes() == capsys.readouterr().out.encode()


def test_list(capsys: Capture) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert len(names) == 90 and names[0] == "embedding.token" and names[-1] == "attribution.logits"
    assert max(map(len, lines)) <= 100
    assert main(["--list", "--only", "scores"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    for option, count in (("--backward", 193), ("--update", 431)):
        assert main(["--list", option]) == 0
        assert sum(not line.startswith(" ") for line in capsys.readouterr().out.splitlines()) == count


def test_json(capsys: Capture) -> None:
    assert main(["hello world", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema_version"] == 1 and record["digits"] == 4 and record["text"] == "hello world"
    assert record["tokens"][1] == {"position": 1, "word": " ", "id": 0}
    assert record["model"]["parameters"] == sum(len(weight["cells"]) for weight in record["weights"]) == 1134
    assert record["model"]["name"] == "tiny"
    for step in record["steps"]:  # the attribution works out both words
        worked = sum(cell["expression"] is not None for cell in step["cells"])
        assert worked == (len(step["cells"]) if step["section"] in ("17.5", "17.6") else 1)
    assert record["why"]["words"] == [" ", "project"] and record["why"]["sum"] == ["8.814", "0.4707"]
    assert [part["title"] for part in record["why"]["parts"]][:3] == [
        "token embedding",
        "position embedding",
        "layer 0, head 0",
    ]
    assert [one["position"] for one in record["next_words"]] == [0, 1, 2]
    assert record["next_words"][1]["likeliest"][0]["word"] == "world"
    assert abs(record["largest_difference_from_float64"]) == max(
        abs(one["difference"]) for one in record["probabilities"]
    )
    assert main(["hello world", "--format", "json", "--only", "scores", "--head", "1", "--position", "1"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in record["steps"]] == ["h.0.attn.scores", "h.1.attn.scores"]
    assert [cell["index"] for cell in record["steps"][0]["cells"]] == [[1, 1, 0], [1, 1, 1], [1, 1, 2]]


def test_json_of_training_step(capsys: Capture) -> None:
    assert main(["hello world", "--backward", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [one["word"] for one in record["tokens"]] == ["hello", " "]
    assert [one["word"] for one in record["targets"]] == [" ", "world"]
    assert record["optimizer"] is None and record["training"]["loss_after_update"] is None
    assert {step["phase"] for step in record["steps"]} == {"forward", "backward"}
    assert len(record["training"]["differences_from_float64"]) == len(record["weights"])
    assert main(["hello world", "--update", "--learning_rate=0.001", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["optimizer"]["learning_rate"] == "0.001"
    assert {step["phase"] for step in record["steps"]} == {"forward", "backward", "update"}
    after = record["training"]["loss_after_update"]
    assert float(after["calculator"]) < 0.01 and abs(float(after["calculator"]) - after["float64"]) < 0.001
    assert main(["hello world", "--update", "--format", "json", "--only", "updated.loss,h.*.dq"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in record["steps"]] == ["h.1.attn.dq", "h.0.attn.dq", "updated.loss"]


def test_update_uses_recipe(tmp_path: Path, capsys: Capture) -> None:
    shipped = load_checkpoint(SHIPPED_MODEL)
    assert shipped.recipe is not None
    training = {**shipped.recipe["training"], "learning_rate": 0.02, "beta1": 0.8, "grad_clip": 0.0}
    for recipe, expected in (
        ({**shipped.recipe, "training": training}, {"learning_rate": "0.002", "beta1": "0.8", "grad_clip": "0"}),
        ({**shipped.recipe, "training": {**training, "min_lr": 0.5}}, {"learning_rate": "0.5"}),
        (None, {"learning_rate": "0.0003", "beta1": "0.9", "grad_clip": "1"}),
    ):
        save_checkpoint(tmp_path / "model", replace(shipped, recipe=recipe))
        assert main(["hello world", "--update", "--format", "json", "--model", str(tmp_path / "model")]) == 0
        optimizer = json.loads(capsys.readouterr().out)["optimizer"]
        assert expected.items() <= optimizer.items()


def test_padded_vocabulary(tmp_path: Path, capsys: Capture) -> None:
    model = saved(tmp_path / "model", vocab_size=34)
    assert main(["hello world", "--model", model, "--only", "logits"]) == 0
    assert "<|33|>" in capsys.readouterr().out


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(command, "trace_model", interrupted)
    assert main(["hello"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes that close early, no /dev/full")
def test_closed_pipe_and_full_disk(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "handcalc.trace", "hello world", "--full"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
        assert result.returncode == 2 and result.stderr.count(b"\n") == 1


def test_output_is_utf_8() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "handcalc.trace", "hello world", "--only", "scores"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert "␣" in result.stdout.decode()


def test_start_is_light() -> None:
    program = (
        "import sys; from handcalc.trace import main; main(['hello world']); "
        "heavy = {'torch', 'rich', 'matplotlib', 'mpmath'} | {f'handcalc.{name}' for name in "
        "('page.markdown', 'page.json_format', 'verification', 'exercises', 'averages')}; "
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_changed_weights_end_in_before_and_after(form: str, tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "page"
    options = ["--set", "wte.weight[31,0]=0.123456", "--set", "wte.weight[31,0]=0", "--format", form]
    assert main(["hello world", *options, "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    if form != "json":
        assert "wte.weight[31,0] from 0.91 to 0." in " ".join(text.replace("\\", "").split())
        assert "0.9699 → 0.03213" in text[text.index("Before and after the change") :]
    else:
        record = json.loads(text)
        assert record["changes"] == [{"name": "wte.weight", "index": [31, 0], "before": "0.91", "after": "0"}]
        assert {"position": 1, "word": "world", "before": "0.9699", "after": "0.03213"} in record[
            "changed_probabilities"
        ]
    assert verify([str(page)]) == 0
    page.write_text(text.replace("0.03213", "0.03214"), encoding="utf-8")
    assert verify([str(page)]) == 1


def test_untrained_model_has_something_to_learn(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    assert main(["hello world", "--update", "--model", "untrained", "--output", str(page)]) == 0
    losses = re.search(r"the loss fell: from ([\d.]+) to ([\d.]+)\.", page.read_text(encoding="utf-8"))
    assert losses is not None and float(losses[1]) > 3.4 and float(losses[2]) < float(losses[1]) - 0.05
    assert verify([str(page)]) == 0


def test_pages_of_a_few_steps_start_with_three_lines(capsys: Capture) -> None:
    assert main(["hello world", "--only", "h.0.attn.scores"]) == 0
    title, underline, blank, *lines = capsys.readouterr().out.splitlines()
    assert "GPT" in title and set(underline) == {"="} and blank == "" == lines[3]
    assert "1,835 numbers in 90 steps, 1 shown, rounding to 4 significant digits." in lines[2]
    assert lines[2].endswith("Tokens: hello=10 ␣=0 world=31") and max(map(len, lines)) <= 100
