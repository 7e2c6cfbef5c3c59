"""Training with one call: the same files as the command's, and a run that has its model, curve and directory."""

from __future__ import annotations

import inspect
import signal
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import torch_gpt
from gpt_data.errors import UserError
from numpy_gpt import GPTConfig
from numpy_gpt.library import train as train_numpy
from numpy_gpt.shared.library.display import NotebookDisplay
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.training.recipe import TrainingConfig
from parity_tests.shared.library.library_examples import Reading

SHORT = {"n_embd": 12, "max_iters": 4, "eval_interval": 2, "eval_stride": None, "warmup_iters": 1}
FLAGS = ["--n_embd", 12, "--max_iters", 4, "--eval_interval", 2, "--eval_stride", "none", "--warmup_iters", 1]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(empty_directory):
    pass


def test_a_run_is_the_commands(train, load_model, run):
    ours = train("tiny", **SHORT)
    assert ours.directory == Path("runs/tiny")
    assert run("train", "tiny", *FLAGS, "--out_dir", "theirs").status == 0
    last = Path("checkpoints/step-000000004")
    for name in ("model.safetensors", "optimizer.safetensors", "checkpoint.json"):
        assert (ours.directory / last / name).read_bytes() == (Path("theirs") / last / name).read_bytes()
    assert ours.curve.steps == [0, 2, 4]
    assert [record["step"] for record in ours.metrics if record["kind"] == "evaluation"] == [0, 2, 4]
    assert ours.model.config.n_embd == 12
    assert ours.model.loss("hello world") == load_model(ours).loss("hello world")
    assert load_model(ours, checkpoint="best").config == ours.model.config


def test_a_run_is_shown(train):
    run = train("tiny", out_dir="<i>", **SHORT)
    assert repr(run) == f"<Run <i>: tiny, 4 steps, validation loss {run.curve.val[-1]:.4f} nats per token>"
    assert repr(run.curve) == "<Curve of <i>: 3 evaluations>"
    reading = Reading(run._repr_html_())
    assert reading.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "<i>: tiny, 4 steps" in reading.text
    assert f"{min(run.curve.val):.4f}best" in reading.text


def test_each_run_gets_a_directory_of_its_own(train):
    assert [train("tiny", **SHORT | {"max_iters": 0}).directory.name for _ in range(2)] == ["tiny", "tiny-2"]


def test_an_interruption_saves_a_checkpoint_and_the_run_can_be_resumed(train, monkeypatch):
    whole = train("tiny", out_dir="whole", **SHORT)
    with monkeypatch.context() as patch:
        patch.setattr(
            "numpy_gpt.shared.library.display.NoDisplay.evaluation", lambda *_: signal.raise_signal(signal.SIGINT)
        )
        with pytest.raises(KeyboardInterrupt, match=r"interrupted after step 1; continue with train\(resume='part'\)"):
            train("tiny", out_dir="part", **SHORT)
    resumed = train(resume="part")
    assert resumed.curve[1:] == whole.curve[1:]
    for name, value in whole.model.parameters.items():
        assert (resumed.model.parameters[name] == value).all()


def test_a_run_starts_from_a_loaded_model(train, load_model):
    model = load_model()
    assert train("tiny16", init_from=model, max_iters=0).recipe.init_from.place == "the model that ships"
    run = train("tiny", **SHORT)
    best = train(init_from=load_model(run, checkpoint="best"), max_iters=0)
    assert best.recipe.init_from.place == f"runs/tiny/checkpoints/step-{best.recipe.init_from.step:09d}"
    assert load_model(load_model(run)).loss("hello world") == run.model.loss("hello world")
    model.step("hello world")
    with pytest.raises(UserError, match="the model has learned 1 example since it was loaded, which no file contains"):
        train(init_from=model)


def test_a_run_starts_from_another_and_one_is_extended(train, run):
    first = train("tiny", **SHORT)
    second = train(init_from=first, max_iters=2)
    assert second.curve.val[0] == pytest.approx(first.curve.val[-1])
    assert (second.recipe.init_from.place, second.recipe.init_from.step) == ("runs/tiny", 4)
    assert second.model.config == first.model.config
    longer = train(resume=first, max_iters=6)
    assert (longer.curve.steps, longer.recipe.training.max_iters) == ([0, 2, 4, 6], 6)
    for arguments in (["--init_from", "runs/tiny-2"], ["--resume", "runs/tiny", "--max_iters", 7]):
        assert run("train", *arguments).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "tiney"}, "unknown preset 'tiney'; did you mean 'tiny'"),
        ({"preset": 3}, "a preset must be a name, not 3"),
        ({"n_emb": 12}, "unknown field 'n_emb'; did you mean 'n_embd'"),
        ({"n_embd": "12"}, "n_embd must be a whole number of at least 1, not '12'"),
        ({"n_embd": 5}, "n_embd=5 is not divisible by n_head=2"),
        ({"dataset": ["tiny"]}, "a dataset must be the name of a corpus or of a directory"),
        ({"dataset": "nowhere"}, "unknown dataset 'nowhere'"),
        ({"out_dir": 3}, "a path must be a string or a Path, not 3"),
        ({"config": "nowhere.toml"}, "nowhere.toml"),
        ({"resume": "nowhere"}, "no model at nowhere"),
        ({"init_from": "nowhere"}, "no model at nowhere"),
        ({"init_from": 3}, "a path must be a string or a Path, not 3"),
        ({"init_from": SHIPPED_MODEL, "block_size": 9}, "block_size must be at most 8"),
        ({"init_from": SHIPPED_MODEL, "resume": "nowhere"}, "leave out --init_from"),
        ({"preset": "tiny", "resume": "nowhere"}, "leave out the preset"),
        ({"progress": "yes"}, "progress must be True or False, not 'yes'"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error_and_leaves_nothing(train, arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        train(**arguments)
    assert "\n" not in str(caught.value)
    assert not list(Path().iterdir())


def test_the_signature_has_every_field_of_a_recipe(twin):
    parameters = inspect.signature(twin.train).parameters
    names = {item.name for config in (GPTConfig, TrainingConfig) for item in fields(config)}
    assert names | {"preset", "out_dir", "resume", "config", "source", "progress", "dataset", "init_from"} <= set(
        parameters
    )
    assert repr(parameters["n_embd"].default) == "<the preset's>"
    assert not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def test_a_terminal_shows_what_the_command_shows(twin, capsys):
    on_cpu = {"device": "cpu"} if twin.__name__ == "torch_gpt" else {}
    twin.train("tiny", **SHORT, **on_cpu)
    shown = capsys.readouterr()
    assert [line.split("train_loss")[0].split() for line in shown.out.splitlines()] == [
        ["step", step] for step in "024"
    ]
    twin.train("tiny", **SHORT, **on_cpu, progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_settings_of_torch_stay_the_programs():
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("high")
    try:
        run = torch_gpt.train("tiny", **SHORT | {"max_iters": 0}, device="cpu", progress=False)
        run.model.step("hello world")
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "high")
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def test_a_notebook_shows_one_output_that_is_updated(monkeypatch, capsys):
    shown, updates = [], []

    def display(value, display_id):
        shown.append(value)
        return SimpleNamespace(update=lambda value: updates.append((repr(value), value._repr_html_())))

    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    train_numpy("tiny", **SHORT)
    assert capsys.readouterr() == ("", "")
    assert len(shown) == 1
    assert isinstance(shown[0], NotebookDisplay)
    last, html = updates[-1]
    assert last == "4/4"  # nothing that differs from run to run stays in a notebook's file
    reading = Reading(html)
    assert reading.tags == {"progress", "pre"}
    assert reading.text.count("val_loss") == 3
