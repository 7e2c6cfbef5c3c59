"""What the recipes of the corpora learn: real words, and the same verse in both twins."""

from __future__ import annotations

import json

import pytest

from gpt_data.floors.bigram_optimum import bigram_optimum
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.scoring import complete_words, share_in_list
from numpy_gpt.cli import main
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import allowed_by, controls, field_of, lockstep, new_engine, train_whole_recipe
from parity_tests.support.shakespeare_text import shakespeare_text
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine

pytestmark = pytest.mark.prove


def _record(capsys, *words):
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_model_writes_real_words(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = _record(capsys, "train", "words", "--json")
    assert record["loss_floor"] < record["val_loss"] < record["loss_floor"] + 0.05
    sampled = _record(
        capsys, "sample", "runs/words", "--prompt", " ", "--max_new_tokens", "1500", "--num_samples", "2", "--json"
    )
    for sample in sampled["samples"]:
        assert len(complete_words(sample["text"])) > 250
        assert share_in_list(sample["text"]) >= 0.9


def test_twins_agree_on_shakespeare(monkeypatch):
    monkeypatch.setenv("GPT_DATA_DIR", str(shakespeare_text().parent))
    recipe = preset("shakespeare-cpu").override({"batch_size": 4})  # a third of its own: the same model sooner
    others = [new_engine(TorchEngine, recipe, None, "cpu", True), *controls(recipe, 1)]
    twin, control = lockstep(recipe, new_engine(NumpyEngine, recipe), others, 300)
    for field in ("loss", "weight"):
        (values,), allowed = field_of([twin], field), allowed_by([control], field, "float32")
        assert_close(f"{field} after a step (shakespeare-cpu, fused), float32", values, 0 * values, allowed)


def test_a_trained_bigram_reaches_the_optimum(monkeypatch):
    monkeypatch.setenv("GPT_DATA_DIR", str(shakespeare_text().parent))
    recipe = preset("bigram")
    corpus = load_corpus(recipe.dataset)
    optimum = bigram_optimum(corpus.train, 65)
    for engine in (NumpyEngine, FastEngine):
        trained = train_whole_recipe(new_engine(engine, recipe))
        loss = evaluate(trained, corpus.train, recipe.model.block_size, recipe.eval_stride)
        assert optimum < loss < optimum + 1e-3
