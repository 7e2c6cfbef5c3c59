"""The implementations that ``benchmarks.training_step`` compares: each takes whole training steps of one recipe.

That command starts ``python -m benchmarks.peers.implementations``, which times them with a given number of threads and
prints the result as one line of JSON.
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

from benchmarks.peers.torch_model import idiomatic_adamw, idiomatic_gpt, idiomatic_step
from benchmarks.support.environment import blas_libraries
from benchmarks.support.interleaved import Workload, time_interleaved
from benchmarks.support.text import text_for
from gpt_data.checks import TokenIds
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import Recipe
from torch_gpt.fast.engine import FastEngine

SIDE = 1024
PRODUCT_OPERATIONS = 2 * SIDE**3
PRODUCTS = ("NumPy's product", "torch's product")
_MOST_STEPS = 64  # before a step is replayed: the tapes of all threads are written and proven by then
_BATCH_SIZES = {"shakespeare": 4}  # with its own 64 sequences a step would take ten seconds and more on a CPU


def benchmark_recipe(name: str) -> Recipe:
    """Return the preset in float32, with the batch size of the benchmark."""
    recipe = preset(name)
    return recipe.override({"dtype": "float32", "batch_size": _BATCH_SIZES.get(name, recipe.training.batch_size)})


def numpy_gpt(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return NumPy's engine, driven as by the trainer, after the steps that write the tape."""
    engine = NumpyEngine(recipe, _values(recipe), replay=True)
    workload = _engine_workload(engine, recipe, tokens)
    for _ in range(_MOST_STEPS):
        if engine.execution == "replay":
            return workload
        workload.call()
    raise RuntimeError(f"the step is not replayed: {engine.execution}")


def numpy_gpt_plain(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return the same without replay."""
    return _engine_workload(NumpyEngine(recipe, _values(recipe), replay=False), recipe, tokens)


def torch_gpt_fast(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return torch_gpt's fast engine with its default options: nothing is compiled."""
    return _engine_workload(FastEngine(recipe, _values(recipe)), recipe, tokens)


def torch_eager(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return the idiomatic PyTorch model with fused AdamW."""
    return _torch_workload(recipe, tokens, lambda model: model)


def torch_compile(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return the same model, compiled."""
    return _torch_workload(recipe, tokens, torch.compile)


def jax_jit(recipe: Recipe, tokens: TokenIds) -> Workload:
    """Return the JAX model with its whole step jitted."""
    import jax
    import jax.numpy as jnp

    from benchmarks.peers.jax_model import jax_step, jax_weights

    take, steps = jax_step(recipe, jnp.asarray(tokens, jnp.int32)), count()
    state = [jax_weights(_values(recipe)), *({k: jnp.zeros_like(v) for k, v in _values(recipe).items()} for _ in "mv")]

    def call() -> None:
        state[:] = take(*state, next(steps))

    return Workload(call, lambda: jax.block_until_ready(state))


IMPLEMENTATIONS: dict[str, Callable[[Recipe, TokenIds], Workload]] = {
    "numpy_gpt": numpy_gpt,
    "numpy_gpt plain": numpy_gpt_plain,
    "torch eager": torch_eager,
    "torch.compile": torch_compile,
    "torch_gpt fast": torch_gpt_fast,
    "JAX jit": jax_jit,
}


def time_steps(
    recipe: Recipe, tokens: TokenIds, names: list[str], rounds: int, seconds: float
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the seconds of a step, and of a product of 1024³, in each round; and why an implementation is absent."""
    workloads, absent = dict(zip(PRODUCTS, _products(), strict=True)), {}
    for name in names:
        try:
            workload = IMPLEMENTATIONS[name](recipe, tokens)
            workload.call()  # compilers fail here, if at all
        except Exception as error:  # compilers' errors have no common class; one failure must not stop the others
            absent[name] = f"{type(error).__name__}: {error}"[:200]
        else:
            workloads[name] = workload
    return time_interleaved(workloads, rounds, seconds), absent


def _engine_workload(engine: Any, recipe: Recipe, tokens: TokenIds) -> Workload:
    engine.begin(tokens)
    steps, rate = count(), recipe.training.learning_rate
    return Workload(lambda: engine.take_step(next(steps), rate), engine.latest)


def _torch_workload(recipe: Recipe, tokens: TokenIds, compiler: Callable[[Any], Any]) -> Workload:
    torch.manual_seed(recipe.training.seed)
    config, training = require_gpt(recipe.model), recipe.training
    model = idiomatic_gpt(config, _values(recipe))
    optimizer, text = idiomatic_adamw(model, training), torch.tensor(np.asarray(tokens, np.int64))
    loss_of = compiler(model)
    return Workload(lambda: idiomatic_step(loss_of, optimizer, text, config.block_size, training))


def _products() -> tuple[Workload, Workload]:
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    out = np.empty_like(a)
    ours, theirs = torch.from_numpy(a), torch.from_numpy(b)
    result = torch.empty_like(ours)
    return Workload(lambda: np.matmul(a, b, out=out)), Workload(lambda: torch.mm(ours, theirs, out=result))


def _values(recipe: Recipe) -> dict[str, Any]:
    return initial_values(recipe.model, recipe.training.seed)


def main(arguments: list[str] | None = None) -> None:
    """Time one recipe with the given number of threads, and print the result as JSON."""
    parser = argparse.ArgumentParser(description="Started by benchmarks.training_step.")
    parser.add_argument("preset")
    parser.add_argument("threads", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--source")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe = benchmark_recipe(options.preset)
    text = text_for(recipe, options.source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the compilers
        times, absent = time_steps(recipe, text.train, options.names, options.rounds, options.seconds)
    result = {"times": times, "absent": absent, "text": text.origin, "libraries": blas_libraries()}
    print(json.dumps({"preset": options.preset, "threads": options.threads, **result}))


if __name__ == "__main__":
    main()
