"""Memory at a large vocabulary, a long context and many sequences: nothing grows with V², T² of all layers, or B.

Each entry is run at sizes of which one is large, and its peak of allocated memory must stay below a stated number of
the arrays that it cannot do without: logits (B, T, V), attention (B, H, T, T), activations and parameters. One more
array of V² numbers, of T² in each layer, or of the logits of every position while sampling, is beyond it. NumPy
reports its allocations to tracemalloc; torch is measured in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from numpy_gpt import (
    gpt_backward,
    gpt_forward,
    initial_values,
    loss_and_gradients,
    loss_of,
    parameters_from,
    predict,
)
from numpy_gpt.decoding import Decoder
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.sampling import generate
from parity_tests.replayed_step.both_ways import UNTIL_REPLAYED
from parity_tests.support.memory_bounds import MIB, SIZES, Sizes

LONG = pytest.mark.prove


def _forward_and_backward(sizes, parameters):
    logits, cache = gpt_forward(parameters, sizes.tokens)
    gpt_backward(logits, cache)


def _train(sizes, parameters):
    NumpyEngine(sizes.recipe, parameters).training_step(sizes.tokens, sizes.targets, 0, 1e-3)


def _evaluate(sizes, parameters):
    NumpyEngine(sizes.recipe, parameters).mean_loss([(sizes.tokens, sizes.targets)])


def _train_until_replayed(sizes, parameters):
    engine = NumpyEngine(sizes.recipe, parameters, replay=True)
    for step in range(UNTIL_REPLAYED):
        engine.training_step(sizes.tokens, sizes.targets, step, 1e-3)
    assert engine.execution == "replay"


def _evaluate_until_replayed(sizes, parameters):
    engine = NumpyEngine(sizes.recipe, parameters, replay=True)
    for _ in range(UNTIL_REPLAYED):
        engine.loss(sizes.tokens, sizes.targets)


def _sample_until_replayed(sizes, parameters, **choices):
    engine = NumpyEngine(sizes.recipe, parameters, replay=True)
    for _ in range(UNTIL_REPLAYED):
        list(engine.draws(sizes.tokens[0, :-2].tolist(), [0.5] * 4, **choices))


def _sample(sizes, parameters, **choices):
    list(generate(parameters, sizes.tokens[0, :-2].tolist(), [0.5] * 4, **choices))  # then the window slides


ENTRIES = {  # what is measured, and how many logits, attentions, and attentions of each layer it may take
    "initial values": (lambda sizes, _: initial_values(sizes.config, 0), 0, 0, 0),
    "predict": (lambda sizes, parameters: predict(parameters, sizes.tokens), 3, 5, 0),
    "loss": (lambda sizes, parameters: loss_of(parameters, sizes.tokens, sizes.targets), 3, 5, 0),
    "gradients": (lambda sizes, parameters: loss_and_gradients(parameters, sizes.tokens, sizes.targets), 5, 5, 3),
    "forward and backward": (_forward_and_backward, 3, 5, 3),
    "training step": (_train, 5, 5, 3),
    "evaluation": (_evaluate, 3, 5, 0),
    "replayed training": (_train_until_replayed, 5, 5, 3),
    "replayed evaluation": (_evaluate_until_replayed, 3, 5, 0),
    "replayed sampling": (_sample_until_replayed, 0, 5, 0),
    "decoding": (lambda sizes, parameters: Decoder(parameters, sizes.batch).read(sizes.tokens), 2, 5, 0),
    "sampling": (_sample, 0, 5, 0),
    "argmax": (lambda sizes, parameters: _sample(sizes, parameters, temperature=0), 0, 5, 0),
    "top-k": (lambda sizes, parameters: _sample(sizes, parameters, top_k=40), 0, 5, 0),
    "top-p": (lambda sizes, parameters: _sample(sizes, parameters, top_p=0.9), 0, 5, 0),
    "sampling without a cache": (lambda sizes, parameters: _sample(sizes, parameters, cache=False), 0, 5, 0),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("size", ["vocabulary", "context", "batch", pytest.param("both", marks=LONG)])
def test_numpy_gpt(size, entry):
    sizes, (run, *numbers) = Sizes(size), ENTRIES[entry]
    parameters, bound = parameters_from(sizes.config, initial_values(sizes.config, 0)), sizes.bound(*numbers)
    tracemalloc.start()
    try:
        run(sizes, parameters)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= bound, f"{entry}: {peak / MIB:.1f} MiB, of {bound / MIB:.1f}"
    assert bound < 4 * 50_304**2 / 8  # one array of V² would be noticed


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux counts a process's peak again")
@pytest.mark.parametrize(
    "size", ["vocabulary", *(pytest.param(size, marks=LONG) for size in SIZES if size != "vocabulary")]
)
def test_torch_gpt(size):
    command = [sys.executable, "-m", "parity_tests.support.torch_memory", size]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for entry, (peak, *numbers) in json.loads(done.stdout).items():
        bound = Sizes(size).bound(*numbers) + 16 * MIB  # the allocator keeps what was freed, in pieces
        assert peak <= bound, f"{entry}: {peak / MIB:.1f} MiB, of {bound / MIB:.1f}"
