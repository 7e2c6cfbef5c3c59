"""Who takes part in ``benchmarks.training_step``: each takes whole training steps of one recipe, in one process.

``python -m benchmarks.peers.contestants``, which that command starts, times them at a number of threads and writes
what it found as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from benchmarks.peers.torch_modules import idiomatic_adamw, idiomatic_gpt, idiomatic_step
from benchmarks.support.conditions import linear_algebra, text_for
from benchmarks.support.interleaved import Contestant, in_turn
from gpt_data.checks import TokenIds
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.model.inputs import require_gpt
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.fast.engine import FastEngine

SIDE = 1024
PRODUCT_OPERATIONS = 2 * SIDE**3
PRODUCTS = ("NumPy's product", "torch's product")
_LARGEST_BATCH = {"shakespeare": 4}  # sequences: its own 64 would take a processor ten seconds and more for each step


def timed_recipe(name: str) -> Recipe:
    """Return the preset in float32, with the batch that it is timed with."""
    recipe = preset(name)
    return recipe.override({"dtype": "float32", "batch_size": _LARGEST_BATCH.get(name, recipe.training.batch_size)})


def numpy_gpt(recipe: Recipe, tokens: TokenIds) -> Contestant:
    """Return NumPy's engine, as the trainer drives it."""
    return _engine(NumpyEngine(recipe, _values(recipe)), recipe, tokens)


def torch_gpt_fast(recipe: Recipe, tokens: TokenIds) -> Contestant:
    """Return torch_gpt's fast engine as it is by itself: nothing compiled."""
    return _engine(FastEngine(recipe, _values(recipe)), recipe, tokens)


def torch_eager(recipe: Recipe, tokens: TokenIds) -> Contestant:
    """Return the idiomatic PyTorch model with fused AdamW."""
    return _torch(recipe, tokens, lambda model: model)


def torch_compile(recipe: Recipe, tokens: TokenIds) -> Contestant:
    """Return the same model compiled."""
    return _torch(recipe, tokens, torch.compile)


def jax_jit(recipe: Recipe, tokens: TokenIds) -> Contestant:
    """Return the JAX model, its whole step jitted."""
    import jax
    import jax.numpy as jnp

    from benchmarks.peers.jax_functions import jax_step, jax_weights

    take, steps = jax_step(recipe, jnp.asarray(tokens, jnp.int32)), count()
    state = [jax_weights(_values(recipe)), *({k: jnp.zeros_like(v) for k, v in _values(recipe).items()} for _ in "mv")]

    def call() -> None:
        state[:] = take(*state, next(steps))

    return Contestant(call, lambda: jax.block_until_ready(state))


CONTESTANTS: dict[str, Callable[[Recipe, TokenIds], Contestant]] = {
    "numpy_gpt": numpy_gpt,
    "torch eager": torch_eager,
    "torch.compile": torch_compile,
    "torch_gpt fast": torch_gpt_fast,
    "JAX jit": jax_jit,
}


def measured(
    recipe: Recipe, tokens: TokenIds, names: list[str], rounds: int, seconds: float
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the seconds of a step, and of a product of 1024³, in each round; and why anyone did not take part."""
    contestants, absent = dict(zip(PRODUCTS, _products(), strict=True)), {}
    for name in names:
        try:
            contestant = CONTESTANTS[name](recipe, tokens)
            contestant.call()  # compilers fail here, if they do
        except Exception as error:  # a compiler's errors have no common class; whoever fails must not stop the others
            absent[name] = f"{type(error).__name__}: {error}"[:200]
        else:
            contestants[name] = contestant
    return in_turn(contestants, rounds, seconds), absent


def _engine(engine: Any, recipe: Recipe, tokens: TokenIds) -> Contestant:
    engine.begin(tokens)
    steps, rate = count(), recipe.training.learning_rate
    return Contestant(lambda: engine.take_step(next(steps), rate), engine.latest)


def _torch(recipe: Recipe, tokens: TokenIds, compiled: Callable[[Any], Any]) -> Contestant:
    torch.manual_seed(recipe.training.seed)
    config, training = require_gpt(recipe.model), recipe.training
    model = idiomatic_gpt(config, _values(recipe))
    optimizer, text, loss_of = (
        idiomatic_adamw(model, training),
        torch.tensor(np.asarray(tokens, np.int64)),
        compiled(model),
    )
    return Contestant(lambda: idiomatic_step(loss_of, optimizer, text, config.block_size, training))


def _products() -> tuple[Contestant, Contestant]:
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    out = np.empty_like(a)
    ours, theirs = torch.from_numpy(a), torch.from_numpy(b)
    result = torch.empty_like(ours)
    return Contestant(lambda: np.matmul(a, b, out=out)), Contestant(lambda: torch.mm(ours, theirs, out=result))


def _values(recipe: Recipe) -> dict[str, Any]:
    return initial_values(recipe.model, recipe.training.seed)


def main(arguments: list[str] | None = None) -> None:
    """Time one recipe at the number of threads that the environment was given, and print it as JSON."""
    parser = argparse.ArgumentParser(description="started by benchmarks.training_step")
    parser.add_argument("preset")
    parser.add_argument("threads", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--source")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe = timed_recipe(options.preset)
    text = text_for(recipe, options.source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compilers' own
        times, absent = measured(recipe, text.train, options.names, options.rounds, options.seconds)
    found = {"times": times, "absent": absent, "text": text.origin, "libraries": linear_algebra()}
    print(json.dumps({"preset": options.preset, "threads": options.threads, **found}))


if __name__ == "__main__":
    main()
