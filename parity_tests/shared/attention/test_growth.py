"""How attention grows: the maps and losses are those of each snapshot's own weights, in both twins."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.growth import MOST_SNAPSHOTS, growth_of, head_growths, validation_text
from numpy_gpt.shared.attention.sentences import measure
from numpy_gpt.shared.runs.checkpoint import save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.runs.snapshots import remove_snapshots, snapshots_of
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.recipe import stored_recipe
from parity_tests.shared.training.training_runs import metrics_of, quick_recipe, train_in
from torch_gpt.engine import TorchEngine

RECIPE = quick_recipe(max_iters=40, eval_interval=20, eval_stride=8, snapshots=5, warmup_iters=4, learning_rate=2e-2)
STEPS = (0, 1, 3, 12, 40)
TEXT = "to be or not"
CORPUS = load_corpus("tiny")
TOKENS = CORPUS.tokenizer.encode(TEXT)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "tiny"
    train_in(RECIPE, run)
    return run


@pytest.fixture
def run(trained, tmp_path):
    """Return this test's own copy of the run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def _numpy(model):
    return NumpyEngine(stored_recipe(model), model.values)


def _growth(run, make_engine=_numpy, **options):
    return growth_of(run, TOKENS, CORPUS.val, make_engine, **options)


def test_maps_and_losses_are_those_of_the_weights(trained):
    growth = _growth(trained)
    assert (growth.steps, growth.found) == (STEPS, 5)
    assert growth.maps[0].text == TEXT
    for place, maps, loss in zip(snapshots_of(trained), growth.maps, growth.losses, strict=True):
        model = load_checkpoint(place)
        kept = {}
        engine = _numpy(model)
        engine.predict(TOKENS[None], lambda name, array, kept=kept: kept.update({name: np.array(array)}))
        assert np.array_equal(maps.weights, [kept[f"h.{layer}.attn.weights"][0] for layer in range(2)])
        assert np.allclose(maps.weights.sum(-1), 1) and not np.triu(maps.weights, 1).any()
        assert loss == evaluate(engine, CORPUS.val, 8, 8)
        assert maps.model == f"{trained}, after {model.step} step{'s' * (model.step != 1)}"


def test_the_curve_has_the_runs_own_losses_too(trained, run):
    evaluations = {line["step"]: line["val_loss"] for line in metrics_of(trained) if line["kind"] == "evaluation"}
    growth = _growth(trained)
    assert [step for step, _ in growth.curve] == sorted({*STEPS, 20})
    assert dict(growth.curve)[20] == evaluations[20]
    for step in (0, 40):  # computed from the snapshot, the loss is that of the evaluation to the last bit
        assert dict(zip(growth.steps, growth.losses, strict=True))[step] == evaluations[step]
    (run / "metrics.jsonl").write_text("damaged\n")
    assert [step for step, _ in _growth(run).curve] == list(STEPS)
    (run / "metrics.jsonl").unlink()
    assert _growth(run).losses == growth.losses


def test_twins_agree(trained):
    ours = _growth(trained)
    twins = _growth(trained, lambda model: TorchEngine(stored_recipe(model), model.values, None, "cpu"))
    assert twins.steps == ours.steps
    for one, other in zip(ours.maps, twins.maps, strict=True):
        assert np.allclose(one.weights, other.weights, rtol=0, atol=1e-5)
    assert np.allclose(ours.losses, twins.losses, rtol=1e-5)


def test_shares_are_of_the_last_target_at_every_step(trained):
    growth = _growth(trained)
    rows = head_growths(growth)
    assert [(row.layer, row.head) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for row in rows:
        text, weights = growth.maps[-1].tokens, growth.maps[-1].weights[row.layer, row.head]
        assert row.last == measure(weights, text)
        assert row.shares[-1] == row.last.main.share
        mask = row.last.main.target.select(text)
        chosen = [t for t in range(len(TOKENS)) if mask[t].any() and mask[t, : t + 1].sum() < t + 1]
        for share, maps in zip(row.shares, growth.maps, strict=True):
            by_hand = [sum(maps.weights[row.layer, row.head, t][mask[t]]) for t in chosen]
            assert share == pytest.approx(sum(by_hand) / len(by_hand))


def test_a_single_head_and_a_single_token(trained):
    growth = growth_of(trained, TOKENS[:1], CORPUS.val, _numpy, layer=1, head=0)
    (row,) = head_growths(growth)
    assert (row.layer, row.head, row.shares, row.title) == (1, 0, (), "nothing to choose from")


def test_of_many_snapshots_some_are_chosen(run):
    model = load_checkpoint(snapshots_of(run)[-1])
    for step in range(14):
        save_checkpoint(run / "snapshots" / f"step-{step:09d}", replace(model, step=step))
    growth = _growth(run)
    assert (len(growth.steps), growth.found) == (MOST_SNAPSHOTS, 15)
    assert (growth.steps[0], growth.steps[-1]) == (0, 40)
    assert sorted(set(growth.steps)) == list(growth.steps)


def test_a_damaged_snapshot_is_left_out(run):
    warnings = []
    (snapshots_of(run)[1] / "model.safetensors").write_bytes(b"damaged")
    growth = _growth(run, warn=warnings.append)
    assert growth.steps == (0, 3, 12, 40)
    assert len(warnings) == 1
    assert "step-000000001/model.safetensors" in warnings[0] and warnings[0].endswith("; it is left out")
    for place in snapshots_of(run):
        (place / "checkpoint.json").write_text("{}")
    with pytest.raises(UserError, match="has no intact snapshot"):
        _growth(run)


def test_a_run_without_snapshots_is_told_how_to_keep_them(run):
    remove_snapshots(run)
    with pytest.raises(UserError, match=r"has no snapshots: .* train one with --snapshots N, such as --snapshots 8"):
        _growth(run)


def test_a_bigram_model_has_no_attention(tmp_path):
    from numpy_gpt.shared.training.presets import preset

    small = {"vocab_size": 32, "block_size": 8, "max_iters": 2, "snapshots": 2, "eval_iters": 0, "eval_stride": 8}
    recipe = preset("bigram").override({"dataset": "tiny", **small})
    train_in(recipe, tmp_path)
    with pytest.raises(UserError, match="a bigram model has no attention"):
        _growth(tmp_path)


def test_the_validation_text_must_be_the_runs_own(trained):
    model = load_checkpoint(trained)
    assert np.array_equal(validation_text(model), CORPUS.val)
    with pytest.raises(UserError, match="trained on a different text from what 'tiny' is now"):
        validation_text(replace(model, corpus="other"))
    with pytest.raises(UserError, match="does not say what it was trained on"):
        validation_text(replace(model, recipe=None))
