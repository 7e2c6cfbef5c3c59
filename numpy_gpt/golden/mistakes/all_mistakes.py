"""All mistakes that a port may have made, in the order of the operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Importing a file declares its mistakes.
from numpy_gpt.golden.mistakes import adamw as adamw
from numpy_gpt.golden.mistakes import attention as attention
from numpy_gpt.golden.mistakes import attention_backward as attention_backward
from numpy_gpt.golden.mistakes import clipping as clipping
from numpy_gpt.golden.mistakes import norm as norm
from numpy_gpt.golden.mistakes import split_of_heads as split_of_heads
from numpy_gpt.golden.mistakes.precision import PRECISION
from numpy_gpt.golden.operations.adamw import ADAMW, CLIPPING
from numpy_gpt.golden.operations.attention import ATTENTION
from numpy_gpt.golden.operations.branch import BRANCH
from numpy_gpt.golden.operations.embedding import EMBEDDING
from numpy_gpt.golden.operations.feed_forward import FEED_FORWARD
from numpy_gpt.golden.operations.head import HEAD, LOSS
from numpy_gpt.golden.operations.linear import READINGS
from numpy_gpt.golden.operations.norm import NORM
from numpy_gpt.golden.operations.operation import Mistake
from numpy_gpt.golden.operations.rms_norm import EMBEDDING_NORM, RMS_NORM

_MATRICES = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
OPERATIONS = (
    EMBEDDING,
    EMBEDDING_NORM,
    NORM,
    RMS_NORM,
    ATTENTION,
    FEED_FORWARD,
    BRANCH,
    HEAD,
    LOSS,
    CLIPPING,
    ADAMW,
    PRECISION,
)


def all_mistakes() -> list[Mistake]:
    """Return every mistake; several may be versions of one, with the same id."""
    own = [mistake for operation in OPERATIONS for mistake in operation.mistakes]
    return [*own, *_in_all_linear_layers(), *(_loaded(name, reading) for name in _MATRICES for reading in READINGS)]


def _loaded(name: str, reading: Callable[[Any], Any]) -> Mistake:
    def change(s: Any, right: Any) -> Any:
        s.require(s.node.name.endswith(name))
        return s.o.shaped(right, reading)

    sentence = f"{name} was loaded as if it were stored (out, in): the pack has (in, out)"
    return Mistake(f"parameter.{name}", sentence, "2.1", wraps={"parameter": change})


def possible_mistakes(dtype: str) -> list[Mistake]:
    """Return the mistakes of a port that computes in a dtype: products in float32 are none for one in float32."""
    if dtype == "float64":
        return all_mistakes()
    coarse = dtype in ("bfloat16", "float16")
    return [
        mistake
        for mistake in all_mistakes()
        if mistake.id != "precision.float32" and not (coarse and mistake.id.startswith("precision."))
    ]


def _in_all_linear_layers() -> list[Mistake]:
    """Return the mistakes of one linear layer as they are where all layers share one function."""
    layers: dict[str, list[list[Mistake]]] = {}
    for operation in (ATTENTION, FEED_FORWARD):
        for name in ("c_attn", "c_fc", "c_proj"):
            found: dict[str, list[Mistake]] = {}
            for mistake in operation.mistakes:
                if mistake.id.startswith(f"{operation.name}.{name}."):
                    found.setdefault(mistake.id.rsplit(".", 1)[1], []).append(mistake)
            for ending, versions in found.items():
                layers.setdefault(ending, []).append(versions)
    return [
        Mistake(
            f"linear.{ending}",
            f"in every linear layer: {version[0].sentence}",
            version[0].equation,
            {kind: rule for mistake in version for kind, rule in mistake.rules.items()},
            {kind: wrap for mistake in version for kind, wrap in mistake.wraps.items()},
        )
        for ending, of_layers in layers.items()
        for version in zip(*of_layers, strict=True)
    ]
