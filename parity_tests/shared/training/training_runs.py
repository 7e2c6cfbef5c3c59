"""Short training runs of either twin with the one trainer, for its tests."""

from __future__ import annotations

import json

from gpt_data.texts.corpora import load_corpus
from numpy_gpt import initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.trainer import train
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine


class Silent:
    def progress(self, progress):
        pass

    def evaluation_progress(self, step, tokens):
        pass

    def evaluation(self, evaluation):
        pass


def quick_recipe(**changes) -> Recipe:
    return preset("tiny").override({"max_iters": 30, "eval_interval": 10, "log_interval": 5, "dropout": 0.1, **changes})


def engine_for(recipe, checkpoint=None, kind="numpy"):
    values = initial_values(recipe.model, recipe.training.seed, recipe.training.dtype)
    start = (checkpoint.values, checkpoint.moments) if checkpoint else (values, None)
    if kind == "numpy":
        return NumpyEngine(recipe, *start)
    if kind == "fast":
        return FastEngine(recipe, *start, "cpu")
    return TorchEngine(recipe, *start, "cpu", fused=kind == "torch fused")


def train_in(recipe, out_dir, engine=None, state=None):
    return train(recipe, engine or engine_for(recipe), load_corpus("tiny"), out_dir, Silent(), state)


def resume_in(recipe, out_dir, kind="numpy"):
    checkpoint = load_checkpoint(out_dir)
    return train_in(recipe, out_dir, engine_for(recipe, checkpoint, kind), checkpoint.state)


def metrics_of(out_dir):
    return [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]
