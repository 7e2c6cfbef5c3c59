"""Which arrays a pack contains, in the order of computation, and what golden.tsv says about each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.graph import GIVEN, Graph, prefix_of
from numpy_gpt.golden.pack.case import Optimizer
from numpy_gpt.shared.model.config import ACTIVATIONS, NORMS, GPTConfig
from numpy_gpt.shared.model.names import Shape, dropout_shapes

ITEM_SIZES = {"F32": 4, "F64": 8, "I32": 4}
_ENDS = re.compile(r"logits|loss|(clipping|updated)\..+|(.+\.)?d(weight|bias)")
_BLOCKS = re.compile(
    rf"{_ENDS.pattern}|losses|dlogits|(clipped|m|v)\..+|ln_f\.d?out|embedding\.d?(sum|dropout)|h\.\d+\.\w+\.d?residual"
)
_PATTERNS = {"blocks": _BLOCKS, "ends": _ENDS}


class Entry(NamedTuple):
    """An array of a pack in this project's own layout; ``dtype`` is F32, F64 or I32; axes and equation may be ``-``."""

    name: str
    dtype: str
    shape: Shape
    equation: str = "-"
    axes: str = "-"
    skip: str = "-"

    @property
    def bytes(self) -> int:
        """The number of bytes of its numbers."""
        return ITEM_SIZES[self.dtype] * prod(self.shape)


def entries_of(config: GPTConfig, batch: int, time: int, steps: int, level: str, dtype: str) -> Iterator[Entry]:
    """Yield the entries of a pack: settings, then step by step what is given and what follows from it."""
    for name, value in config_settings(config).items():
        yield Entry(name, "I32" if isinstance(value, int) else "F64", ())
    for name in OPTIMIZER_NAMES:
        yield Entry(f"optimizer.{name}", "F64", ())
    graph = Graph(config, batch, time, steps)
    floats = "F64" if dtype == "float64" else "F32"
    shapes = dropout_shapes(config, batch, time) if config.dropout else {}
    masks = [(f"mask.{name}", shape) for name, shape in shapes.items()]
    before = 0
    for node in graph.nodes.values():
        if node.step > before:
            before = node.step
            prefix = prefix_of(node.step)
            yield Entry(f"{prefix}learning_rate", "F64", ())
        if node.array is not None and node.array.hidden:  # a port may have it, but it has another name already
            continue
        if node.phase == GIVEN or level == "all" or _PATTERNS[level].fullmatch(node.plain):
            kind = "I32" if node.kind in ("tokens", "targets") else floats
            yield Entry(node.name, kind, node.shape, node.equation or "-", node.axes or "-", node.skip or "-")
        if node.kind == "targets":
            for name, shape in masks:
                yield Entry(prefix_of(node.step) + name, floats, shape)


def config_settings(config: GPTConfig) -> dict[str, int | float]:
    """Return what a port needs to know of a config, as numbers; its activation and norm by their places."""
    names = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")
    return {
        **{f"config.{name}": int(getattr(config, name)) for name in names},
        "config.bias": int(config.bias),
        "config.tie_weights": int(config.tie_weights),
        "config.activation": ACTIVATIONS.index(config.activation),
        "config.norm": NORMS.index(config.norm),
        "config.layer_norm_epsilon": config.layer_norm_epsilon,
    }


OPTIMIZER_NAMES = ("beta1", "beta2", "epsilon", "weight_decay", "grad_clip")


def settings_of(config: GPTConfig, optimizer: Optimizer, learning_rates: list[float]) -> dict[str, Any]:
    """Return every setting as an array without axes, by its name in the pack."""
    rates = {f"{prefix_of(step)}learning_rate": rate for step, rate in enumerate(learning_rates, 1)}
    numbers = {f"optimizer.{name}": float(optimizer[name]) for name in OPTIMIZER_NAMES}
    settings = config_settings(config) | numbers | rates
    return {
        name: np.array(value, np.int32 if isinstance(value, int) else np.float64) for name, value in settings.items()
    }
