"""How a format stores the matrices of linear layers, which it does for all of them in the same way.

GPT-2's Conv1D stores them (in, out), as this project does; torch's Linear and llm.c store them (out, in). The shape
does not tell: ``attn.c_proj.weight`` is square. So the format decides, never the shape.
"""

from __future__ import annotations

from typing import Literal

Layout = Literal["in, out", "out, in"]

_LINEAR = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def is_linear_weight(name: str) -> bool:
    """Return whether a parameter is the matrix of a linear layer inside a block; embeddings and the head are not."""
    return name.startswith("h.") and name.endswith(_LINEAR)


def is_transposed(name: str, layout: Layout) -> bool:
    """Return whether a format with this layout stores the parameter transposed, compared with this project."""
    return layout == "out, in" and is_linear_weight(name)
