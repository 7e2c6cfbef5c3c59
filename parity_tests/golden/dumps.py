"""How much of its arrays a port writes: everything, or as little as llm.c's golden file has."""

from __future__ import annotations

import re

from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import gradient_name, parameter_shapes
from parity_tests.golden.port.run import Arrays

DUMPS = ("full", "blocks", "ends", "llmc")
"""``full``: everything. ``blocks``: residual streams, logits, loss, gradients of parameters, new weights. ``ends``:
without the streams, and with AdamW's moments. ``llmc``: logits, loss and gradients of step 1, losses of the others."""

_STREAMS = r"embedding\.sum|h\.\d+\.(attn|mlp)\.residual"
_OF_RESULTS = {
    "blocks": re.compile(rf"({_STREAMS}|logits|loss|updated\..*)"),
    "ends": re.compile(r"(logits|loss|updated\..*|m\..*|v\..*)"),
    "llmc": re.compile(r"(logits|loss)"),
}


def dump(arrays: Arrays, kind: str, config: GPTConfig) -> Arrays:
    """Return those of a port's arrays that it writes."""
    if kind == "full":
        return arrays
    gradients = {gradient_name(name) for name in parameter_shapes(config)}
    kept: Arrays = {}
    for name, array in arrays.items():
        step, bare = _split(name)
        if kind == "llmc" and step > 1:
            wanted = bare == "loss"
        else:
            wanted = bare in gradients or _OF_RESULTS[kind].fullmatch(bare) is not None
        if wanted:
            kept[name] = array
    return kept


def _split(name: str) -> tuple[int, str]:
    match = re.fullmatch(r"step(\d+)\.(.*)", name)
    return (int(match[1]), match[2]) if match else (1, name)
