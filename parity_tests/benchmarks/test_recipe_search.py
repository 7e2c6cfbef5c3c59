"""The recipe search: candidates agree with their names, and the averages of a run with those of the engine."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import recipe_search
from benchmarks.gpu.modes import Setting, make_engine, training_modes, training_workload
from benchmarks.gpu.recipe_candidates import BASE, candidates
from benchmarks.recipe_search import table, train
from benchmarks.support.text import Text, random_text, text_for
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.stopping import Diverged

EAGER = training_modes("cpu")["eager"]


def _numbers(recipe):
    return {**vars(recipe.model), **vars(recipe.training), **recipe.training.schedule()}


def test_candidates_agree_with_their_names():
    found = {name: _numbers(recipe) for name, recipe in candidates().items()}
    base = found.pop("the preset")
    assert base == _numbers(preset(BASE))
    assert len({str(sorted(numbers.items(), key=str)) for numbers in found.values()}) == len(found)
    words = {
        "dropout": ["dropout"],
        "batch_size": ["batch"],
        "learning_rate": ["peak rate"],
        "min_lr": ["rate falls to", "rate does not fall"],
        "lr_decay_iters": ["steps", "until the end"],
        "max_iters": ["steps"],
        "weight_decay": ["weight decay"],
        "beta2": ["beta2"],
    }
    for name, numbers in found.items():
        changed = {field for field, value in numbers.items() if value != base[field]}
        assert changed == {field for field, said in words.items() if any(word in name for word in said)}, name
    twice = found["half the batch, twice the steps"]
    assert (twice["batch_size"], twice["max_iters"], twice["lr_decay_iters"]) == (12, 7200, 6400)
    nano = preset("shakespeare").training
    assert found["nanoGPT's batch and steps"]["lr_decay_iters"] == nano.max_iters


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_averages_equal_those_of_the_engine(dropout):
    recipe = preset("tiny").override({"max_iters": 40, "warmup_iters": 5, "dropout": dropout, "ema_decay": 0.5})
    setting = Setting(recipe, text_for(recipe, None), "cpu", 40)
    result = train(setting, EAGER, (0.5, 0.8))
    for decay, loss in result["val_losses"].items():
        own = setting._replace(recipe=recipe.override({"ema_decay": decay}))
        workload = training_workload(engine := make_engine(own, EAGER, pytest.fail))
        for _ in range(40):
            workload.call()
        assert evaluate(engine, setting.text.val, 8, recipe.eval_stride) == pytest.approx(loss, rel=1e-6), decay
    assert len(set(result["val_losses"].values())) == 3
    assert result["val_losses"][result["best_decay"]] == min(result["val_losses"].values())
    assert (result["steps"], result["batch_size"]) == (40, recipe.training.batch_size)


def test_a_diverging_run_reports_its_step():
    recipe = preset("tiny").override({"max_iters": 60, "warmup_iters": 0, "learning_rate": 1e30, "grad_clip": 0.0})
    with pytest.raises(Diverged, match=r"a loss of (nan|inf).* at step \d+$"):
        train(Setting(recipe, text_for(recipe, None), "cpu", 60), EAGER, (0.9,))


@pytest.mark.parametrize("best", [0.0, 0.2, 0.4])
def test_the_training_loss_is_that_of_the_best_average(best, monkeypatch):
    decays = (0.2, 0.4)
    recipe = preset("tiny").override({"max_iters": 6, "warmup_iters": 0, "learning_rate": 0.1, "min_lr": 0.1})
    text = text_for(recipe, None)
    evaluated = []  # which weights, and on which text

    def scripted(engine, tokens, block_size, stride):  # no run decides which average is the best
        evaluated.append((engine.values()["wte.weight"].copy(), len(tokens)))
        return 1.0 if len(evaluated) == 1 + [0.0, *decays].index(best) else 2.0

    monkeypatch.setattr(recipe_search, "evaluate", scripted)
    setting = Setting(recipe, text._replace(val=text.val[:50]), "cpu", 6)
    result = train(setting, EAGER, decays)
    assert result["best_decay"] == best
    *validation, (weights, count) = evaluated
    assert (len(validation), count) == (3, 50)
    same = [bool((weights == other).all()) for other, _ in validation]
    assert same == [decay == best for decay in (0.0, *decays)]


def _small(monkeypatch, real=True):
    base = preset("tiny").override({"max_iters": 6, "warmup_iters": 1})
    known = {
        "the preset": base,
        "fast": base.override({"learning_rate": 1e-2}),
        "wild": base.override({"dropout": 0.9}),
    }
    text = text_for(base, None)
    monkeypatch.setattr(recipe_search, "candidates", lambda: known)
    monkeypatch.setattr(recipe_search, "text_for", lambda *_: Text(text.train, text.val, "tiny", real))


def test_the_command_prints_a_row_per_run(capsys, monkeypatch, tmp_path):
    _small(monkeypatch)
    file = tmp_path / "found.json"
    recipe_search.main(["--device", "cpu", "--only", "the preset", "fast", "--seeds", "1", "2", "--json", str(file)])
    out, err = capsys.readouterr()
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| the preset",
        "| fast",
        "| the preset, seed 2",
        "| fast, seed 2",
    ]
    assert all(row.count("**") == 2 for row in rows[2:])
    assert err.splitlines() == rows[2:]
    report = json.loads(file.read_text(encoding="utf-8"))
    losses = {name: result["val_losses"]["0.0"] for name, result in report["results"].items()}
    assert len(set(losses.values())) == 4


def test_a_failing_run_is_a_row(capsys, monkeypatch):
    _small(monkeypatch)
    monkeypatch.setattr(recipe_search, "train", lambda setting, *_: 1 / (setting.recipe.training.learning_rate != 1e-2))
    monkeypatch.setattr(recipe_search, "table", lambda results: "\n" + str(results))
    recipe_search.main(["--device", "cpu"])
    out = capsys.readouterr().out
    assert "'the preset': 1.0" in out
    assert "'fast': 'failed: ZeroDivisionError: " in out
    assert "'wild': 1.0" in out
    row = table({"fast": "failed: too hot"}, (0.9,)).splitlines()[-1]
    assert row == "| fast |  |  | failed: too hot |  |  |  |"


def test_an_unwritable_file_is_reported_first(capsys, monkeypatch, tmp_path):
    _small(monkeypatch)
    monkeypatch.setattr(recipe_search, "train", pytest.fail)
    assert recipe_search.main(["--device", "cpu", "--json", str(tmp_path / "none" / "a.json")]) == 2
    printed = capsys.readouterr()
    assert re.search(r"error: cannot write .*a\.json: No such file or directory", printed.err)
    assert "|" not in printed.out


def test_unknown_candidates_devices_and_texts(capsys, monkeypatch):
    assert recipe_search.main(["--device", "cpu", "--only", "no such thing"]) == 2
    assert recipe_search.main(["--device", "gpu"]) == 2
    monkeypatch.setattr(recipe_search, "text_for", lambda recipe, source: random_text(recipe))
    assert recipe_search.main(["--device", "cpu"]) == 2
    printed = capsys.readouterr()
    candidate, device, text = printed.err.splitlines()
    assert re.match(r"error: a candidate must be one of 'the preset'.* not 'no such thing'", candidate)
    assert device.startswith("error: device must be auto, cpu, cuda, cuda:N or mps, not 'gpu'")
    assert text.startswith("error: random tokens cannot be learnt; give the text with --source FILE")
    assert printed.out == ""
