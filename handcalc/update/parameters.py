"""What the update calls the parameters: the index letters of each, its gradient, and the names of its own steps."""

from __future__ import annotations

from collections.abc import Callable

from handcalc.arithmetic.expression import Expression
from handcalc.tracing.steps import UPDATE, Step, Weights
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes

_AXES = {
    "wte.weight": "vc",
    "wpe.weight": "pc",
    "lm_head.weight": "vc",
    "attn.c_attn.weight": "ci",
    "attn.c_attn.bias": "i",
    "attn.c_proj.weight": "jc",
    "mlp.c_fc.weight": "cf",
    "mlp.c_fc.bias": "f",
    "mlp.c_proj.weight": "fc",
}


def parameter_axes(name: str) -> str:
    """Return the index letters of a parameter, ``h.0.mlp.c_fc.weight`` → ``cf``; norms and most biases have ``c``."""
    inside_block = name.split(".", 2)[2] if name.startswith("h.") else name
    return _AXES.get(inside_block, "c")


def parameter_names(config: GPTConfig) -> list[str]:
    """Return the parameters in the order in which they are updated."""
    return list(parameter_shapes(config))


def update_step(
    prefix: str,
    parameter: str,
    equation: str,
    section: str,
    meaning: str,
    cell: Callable[..., Expression],
    *,
    axes: str | None = None,
    uses: bool = False,
) -> Step:
    """Return the step ``prefix.parameter``; ``axes`` are the parameter's unless given, ``uses`` prints its weights."""
    letters = parameter_axes(parameter)
    return Step(
        name=f"{prefix}.{parameter}",
        axes=letters if axes is None else axes,
        equation=equation,
        section=section,
        meaning=meaning,
        cell=cell,
        weights=(Weights(parameter, letters),) if uses else (),
        phase=UPDATE,
    )
