"""The peak memory of torch_gpt's entries in a process of its own: ``python -m parity_tests.support.torch_memory SIZE``.

It prints JSON: of each entry the bytes of its peak, and the arguments of ``Sizes.bound``. torch allocates outside
Python, so the system's count of the process is read, which Linux can start again.
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from parity_tests.support.memory_bounds import Sizes
from torch_gpt import initial_values, loss_and_gradients, parameters_from, predict
from torch_gpt.engine import TorchEngine
from torch_gpt.fast.engine import FastEngine
from torch_gpt.sampling import generate

CHOICES: tuple[dict[str, Any], ...] = ({}, {"temperature": 0}, {"top_k": 40}, {"top_p": 0.9}, {"cache": False})


def _step(sizes: Sizes, make_engine: Any) -> None:
    engine = make_engine(sizes.recipe, initial_values(sizes.config, 0))
    engine.begin(sizes.text)
    engine.take_step(0, 1e-3)
    engine.latest()
    engine.mean_loss([(sizes.tokens, sizes.targets)])


def _sample(sizes: Sizes, parameters: Any, **choices: Any) -> None:
    list(generate(parameters, sizes.config, sizes.tokens[0, :-2].tolist(), [0.5] * 4, **choices))


def _entries(sizes: Sizes) -> dict[str, tuple[Any, ...]]:
    config, parameters = sizes.config, parameters_from(sizes.config, initial_values(sizes.config, 0))
    found: dict[str, tuple[Any, ...]] = {"training step, fast": (partial(_step, sizes, FastEngine), 6, 8, 8)}
    for fused in (False, True):
        way, targets = "fused" if fused else "explicit", sizes.targets
        gradients = partial(loss_and_gradients, parameters, config, sizes.tokens, targets, fused=fused)
        found[f"predict, {way}"] = partial(predict, parameters, config, sizes.tokens, fused=fused), 4, 8
        found[f"gradients, {way}"] = gradients, 6, 8, 8
        found[f"training step, {way}"] = partial(_step, sizes, partial(TorchEngine, fused=fused)), 6, 8, 8
        for choices in CHOICES:
            found[f"sampling, {choices}, {way}"] = partial(_sample, sizes, parameters, fused=fused, **choices), 0, 8
    return found


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return 1024 * int(found[1]) if found else 0


def main() -> None:
    """Measure every entry of the size that the command line names."""
    torch.set_num_threads(1)
    peaks = {}
    for _ in range(2):  # the first round loads libraries
        for name, (run, *numbers) in _entries(Sizes(sys.argv[1])).items():
            before = _memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again
            run()
            peaks[name] = [max(0, _memory("VmHWM") - before), *numbers]
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
