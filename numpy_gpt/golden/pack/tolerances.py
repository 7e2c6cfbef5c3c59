"""How far each array of a right port may be from the pack's, in each of three dtypes.

The whole calculation is run with random rounding errors a few times (``tolerances.sampled``); an array's tolerance is a
few times the largest deviation of any of its entries. It is for comparing a port with the pack itself, where errors add
up from step to step; ``golden check`` compares each array with what follows from the port's own earlier ones, and so is
far sharper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from numpy_gpt.golden.evaluation import Evaluation, Given, Setting
from numpy_gpt.golden.graph import GIVEN, Graph, Node, prefix_of
from numpy_gpt.golden.pack.case import Case
from numpy_gpt.shared.model.names import gradient_name, parameter_count
from numpy_gpt.tolerances.rounding import rounding
from numpy_gpt.tolerances.sampled import Sampled

_SAMPLED, _SCALED = "float32", ("bfloat16", "float16")
_MARGIN = 4.0
_MOST_SAMPLES, _NUMBERS = 8, 4_000_000
"""A large array has enough entries to show its largest deviation in fewer samples: about so many parameters in all."""


def tolerances_of(case: Case, written: Callable[[str], Any]) -> dict[str, dict[str, float]]:
    """Return the largest difference that rounding explains, by dtype and name, of the arrays that a pack contains.

    ``written`` returns a pack's array as it was written, or None if it has none of this name. Memory does not grow with
    the number of steps.
    """
    graph = Graph(case.config, *case.batch_shape, case.steps)
    given, setting = Given(_inputs(case), {}, {}, {}), Setting(case.optimizer, case.learning_rates)
    unit = rounding(_SAMPLED).unit
    samples = [
        Evaluation(graph, given, setting, Sampled(unit, seed), _SAMPLED)
        for seed in range(max(1, min(_MOST_SAMPLES, _NUMBERS // parameter_count(case.config))))
    ]
    tolerance = {}
    with np.errstate(all="ignore"):
        for name, node in graph.nodes.items():
            if node.phase == GIVEN:
                continue
            values = [sample.value(name) for sample in samples]
            if (exact := written(name)) is not None:
                deviation = max(_largest(value - exact) for value in values)
                tolerance[name] = max(_MARGIN * deviation, unit * _largest(exact))
            for sample in samples:
                sample.forget(_needless(node))
    factors = {dtype: rounding(dtype).unit / unit for dtype in (_SAMPLED, *_SCALED)}
    return {
        dtype: {name: float(f"{factor * value:.3g}") for name, value in tolerance.items()}
        for dtype, factor in factors.items()
    }


def _inputs(case: Case) -> Mapping[str, Any]:
    inputs: dict[str, Any] = dict(case.parameters)
    for step in range(1, case.steps + 1):
        prefix, place = prefix_of(step), step - 1
        inputs |= {f"{prefix}tokens": case.tokens[place], f"{prefix}targets": case.targets[place]}
        inputs |= {f"{prefix}mask.{name}": mask for name, mask in case.masks[place].items()}
    return inputs


def _needless(node: Node) -> list[str]:
    """Return the arrays of this step and the one before that nothing needs once a parameter has been updated."""
    group, _, parameter = node.plain.partition(".")
    if group != "updated":
        return []
    now, before = prefix_of(node.step), prefix_of(node.step - 1)
    earlier = [f"{before}{name}.{parameter}" for name in ("m", "v", "updated")] if node.step > 1 else []
    return [f"{now}{gradient_name(parameter)}", f"{now}clipped.{parameter}", *earlier]


def _largest(array: Any) -> float:
    """Return the largest absolute value of the finite entries; masked scores are −inf."""
    sizes = np.abs(array)
    largest = float(sizes.max())
    return largest if np.isfinite(largest) else float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
