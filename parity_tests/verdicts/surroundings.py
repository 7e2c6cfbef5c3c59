"""What surrounds a call: the caller's settings, threads, processes, and copies of parameters and configs."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from parity_tests.verdicts.builders import SMALL, TARGETS, TOKENS, values_of
from parity_tests.verdicts.evaluation import Case, Section
from parity_tests.verdicts.implementations import IMPLEMENTATIONS, Implementation

_CONFIG = GPTConfig(**SMALL)
_SECONDS = 120  # that a child process may take: only a deadlock does

Answer = Callable[[], Array]


def _answer(twin: Implementation, dtype: str, config: GPTConfig = _CONFIG) -> Array:
    """Return what a model can be asked in one array: probabilities, loss, gradients, a sample's probabilities."""
    values = values_of(config, dtype, 30.0)  # far-off scores: exp underflows, and most gradients are subnormal or 0
    loss, gradients = twin.loss_and_gradients(config, values, TOKENS, TARGETS, None)
    probabilities = twin.predict(config, twin.parameters(config, values), TOKENS)
    choice = twin.token_probabilities(np.array([1e308, -1e308, 0.0]), temperature=0.5, top_p=0.9)
    parts = [probabilities, loss, *(gradients[name] for name in sorted(gradients)), choice]
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])


def _verdict(found: Array, expected: Array) -> Mapping[str, str]:
    return {"results": "the same bits" if found.tobytes() == expected.tobytes() else "others"}


def _case(given: str, run: Callable[[Implementation, str], Array]) -> Case:
    return Case(given, lambda twin, dtype: _verdict(run(twin, dtype), _answer(twin, dtype)))


def _strict_numpy(twin: Implementation, dtype: str) -> Array:
    with np.errstate(all="raise"):
        return _answer(twin, dtype)


def _without_gradients(context: Any) -> Callable[[Implementation, str], Array]:
    def run(twin: Implementation, dtype: str) -> Array:
        with context():
            return _answer(twin, dtype)

    return run


def _in_threads(twin: Implementation, dtype: str) -> Array:
    barrier = threading.Barrier(4)

    def work(_: int) -> Array:
        barrier.wait()
        return _answer(twin, dtype)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(work, range(4))
    return first if all(other.tobytes() == first.tobytes() for other in others) else np.zeros(0)


def _in_a_fork(twin: Implementation, dtype: str) -> Array:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send_bytes(_answer(twin, dtype).tobytes()))
    child.start()
    found = receiver.recv_bytes() if receiver.poll(_SECONDS) else b""
    child.kill()
    child.join()
    return np.frombuffer(found)


def _in_a_new_process(twin: Implementation, dtype: str) -> Array:
    return _answers_of_a_new_process()[twin.name, dtype]


@lru_cache(maxsize=1)
def _answers_of_a_new_process() -> Mapping[tuple[str, str], Array]:
    """Return every answer of a process that has imported everything afresh, as multiprocessing's ``spawn`` does."""
    code = f"from {__name__} import write_answers; write_answers()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=_SECONDS)
    answers: Mapping[tuple[str, str], Array] = pickle.loads(done.stdout)
    return answers


def write_answers() -> None:
    """Write every answer to standard output."""
    torch.set_num_threads(1)
    answers = {(twin.name, dtype): _answer(twin, dtype) for twin in IMPLEMENTATIONS for dtype in ("float64", "float32")}
    sys.stdout.buffer.write(pickle.dumps(answers))


def _of_copies(copied: Callable[[Any], Any]) -> Callable[[Implementation, str], Mapping[str, str]]:
    def run(twin: Implementation, dtype: str) -> Mapping[str, str]:
        parameters = twin.parameters(_CONFIG, values_of(_CONFIG, dtype))
        other, config = copied(parameters), copied(_CONFIG)
        expected = twin.predict(_CONFIG, parameters, TOKENS)
        results = _verdict(twin.predict(config, other, TOKENS), expected)
        with torch.no_grad():
            for name in other:
                other[name][...] = 1.0
        unmoved = twin.predict(_CONFIG, parameters, TOKENS).tobytes() == expected.tobytes()
        return {
            **results,
            "config": "equal" if config == _CONFIG else "another",
            "numbers": "its own" if unmoved else "shared",
        }

    return run


def _round_trip(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


SURROUNDINGS = Section(
    "Around a call",
    "What a caller has set, started or copied: probabilities, loss, every gradient and a sample's probabilities, "
    "compared with the same call made plainly. The weights are spread over (−15, 15), so that softmax underflows, and "
    "two logits are 2e308 apart. NumPy's settings do not reach into a call, which computes in IEEE arithmetic as torch "
    "does.",
    (
        _case('the caller has set `numpy.seterr(all="raise")`', _strict_numpy),
        _case("the caller is in `torch.no_grad()`", _without_gradients(torch.no_grad)),
        _case("the caller is in `torch.inference_mode()`", _without_gradients(torch.inference_mode)),
        _case("four threads at once", _in_threads),
        _case("in a forked process", _in_a_fork),
        _case("in a new process, as `spawn` starts it", _in_a_new_process),
        Case("parameters and config through pickle", _of_copies(_round_trip)),
        Case("parameters and config through `copy.deepcopy`", _of_copies(copy.deepcopy)),
    ),
)

SECTIONS = (SURROUNDINGS,)
