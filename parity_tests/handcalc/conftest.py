"""Models to trace: the one that ships, and random ones of every variant that a pocket calculator can work out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from handcalc.formulas.adamw import Optimizer
from handcalc.tracing.plan import make_plan, make_training_plan, optimizer_of
from handcalc.tracing.trace import Trace, work_out
from numpy_gpt.shared.model.config import ModelConfig, config_from_dict
from numpy_gpt.shared.model.names import parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint

WORDS = (" ", "and", "cat", "dog", "sees", "the")


def small_config(changes: dict[str, Any]) -> ModelConfig:
    """Return the config of a bigram model if its ``kind`` says so, otherwise of a small GPT."""
    gpt = {} if changes.get("kind") == "bigram" else {"n_layer": 1, "n_head": 2, "n_embd": 4}
    return config_from_dict(gpt | changes)


@pytest.fixture(scope="session")
def trace_shipped() -> Callable[..., Trace]:
    """Return a function that works a text out with the shipped model."""
    model = load_checkpoint(SHIPPED_MODEL)

    def trace(text: str, digits: int = 4) -> Trace:
        tokens = tuple(model.tokenizer.encode(text).tolist())
        plan = make_plan(model.config, tokens, digits=digits)
        return work_out(plan, model.values, model.tokenizer.vocabulary, text, model="tiny")

    return trace


@pytest.fixture(scope="session")
def trace_random() -> Callable[..., Trace]:
    """Return a function that works tokens out with a random model of the given config, weights of two decimals."""

    def trace(tokens: tuple[int, ...], digits: int, seed: int = 0, scale: float = 0.5, **changes: Any) -> Trace:
        config = small_config({"vocab_size": 6, "block_size": 4} | changes)
        rng = np.random.default_rng(seed)
        arrays = {
            name: np.round(rng.normal(float(name.endswith(("_1.weight", "_2.weight", "f.weight"))), scale, shape), 2)
            for name, shape in parameter_shapes(config).items()
        }
        text = "".join(WORDS[token] for token in tokens)
        plan = make_plan(config, tokens, digits=digits)
        return work_out(plan, arrays, WORDS[: config.vocab_size], text, model="random")

    return trace


@pytest.fixture(scope="session")
def train_shipped() -> Callable[..., Trace]:
    """Return a function that works out a whole training step of the shipped model on a text."""
    model = load_checkpoint(SHIPPED_MODEL)

    def trace(text: str, digits: int = 4, learning_rate: float | None = None, update: bool = True) -> Trace:
        tokens = tuple(model.tokenizer.encode(text).tolist())
        optimizer = optimizer_of(model.recipe, learning_rate) if update else None
        plan = make_training_plan(model.config, tokens, optimizer, digits=digits)
        return work_out(plan, model.values, model.tokenizer.vocabulary, text, model="tiny")

    return trace


@pytest.fixture(scope="session")
def train_random() -> Callable[..., tuple[Trace, dict[str, Any]]]:
    """Return a function that works out a training step of a random model, and returns its weights as well."""

    def trace(
        tokens: tuple[int, ...], digits: int, seed: int = 0, scale: float = 0.4, grad_clip: str = "1", **changes: Any
    ) -> tuple[Trace, dict[str, Any]]:
        config = small_config({"vocab_size": 6, "block_size": 6} | changes)
        rng = np.random.default_rng(seed)
        arrays = {
            name: rng.normal(float(name.endswith(("_1.weight", "_2.weight", "f.weight"))), scale, shape)
            for name, shape in parameter_shapes(config).items()
        }
        optimizer = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", grad_clip)))
        plan = make_training_plan(config, tokens, optimizer, digits=digits)
        text = "".join(WORDS[token] for token in tokens)
        return work_out(plan, arrays, WORDS[: config.vocab_size], text, model="random"), arrays

    return trace
