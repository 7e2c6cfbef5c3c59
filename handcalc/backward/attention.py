"""Attention undone: back through weights, mask (8.19) and scores to queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterator

from handcalc.arithmetic.expression import Cells, Constant, sqrt, total
from handcalc.backward.gradient import gradient, gradient_step
from handcalc.backward.linear import Linear, linear_input_step, linear_parameter_steps
from handcalc.backward.projections import projection_gradient_steps
from handcalc.backward.softmax import attention_softmax_gradient_steps, past_only
from handcalc.tracing.steps import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig


def attention_gradient_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients from ``attn.c_proj`` back to ``ln_1.out`` (T, C)."""
    attn = f"{block}.attn"
    linear = Linear(f"{attn}.c_proj", f"{attn}.merged", f"{attn}.out", "j", "c")
    yield from linear_parameter_steps(linear, sizes, bias=config.bias)
    yield linear_input_step(
        linear,
        sizes,
        section="8.9",
        meaning="Each number that a head brought back went into all channels, and hears back from all of them.",
    )
    yield from _mixing_steps(attn, sizes)
    yield from attention_softmax_gradient_steps(attn)
    yield from _scaling_steps(attn, sizes)
    yield from _score_steps(attn, sizes)
    yield from projection_gradient_steps(block, config, sizes)


def _mixing_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the heads, of the weights by which they mixed, and of the values that they mixed."""
    weights, v = Cells(f"{attn}.weights"), Cells(f"{attn}.v")
    dmerged, dheads = gradient(f"{attn}.merged"), gradient(f"{attn}.heads")
    yield gradient_step(
        f"{attn}.heads",
        "htd",
        f"dheads[h,t,d] = dmerged[t, {sizes.d}·h + d]",
        "8.10",
        "The heads were laid side by side; now they are taken apart again.",
        lambda h, t, d: dmerged[t, h * sizes.d + d],
        undoes=(f"{attn}.merged",),
    )
    yield gradient_step(
        f"{attn}.weights",
        "hts",
        "dweights[h,t,s] = Σ_d dheads[h,t,d]·v[h,s,d]",
        "8.11",
        "Should position t have looked more at position s? The dot product of what t wants changed with what s had "
        "to say: below 0 means that looking more would lower the loss. The future stays masked.",
        past_only(lambda h, t, s: total(dheads[h, t, d] * v[h, s, d] for d in range(sizes.d))),
        undoes=(f"{attn}.heads",),
    )
    yield gradient_step(
        f"{attn}.v",
        "hsd",
        "dv[h,s,d] = Σ_{t≥s} weights[h,t,s]·dheads[h,t,d]",
        "8.12",
        "A value hears from every position that looked at it, from each as much as it was looked at.",
        lambda h, s, d: total(weights[h, t, s] * dheads[h, t, d] for t in range(s, sizes.t)),
        undoes=(f"{attn}.heads",),
    )


def _scaling_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of the scores, scaled and as they were."""
    dmasked, dscaled, root = gradient(f"{attn}.masked"), gradient(f"{attn}.scaled"), sqrt(Constant(sizes.d))
    yield gradient_step(
        f"{attn}.scaled",
        "hts",
        "dscaled[h,t,s] = dmasked[h,t,s] where s ≤ t, else 0",
        "8.19",
        "The mask let the past through as it was. The future was replaced by -inf: its scores had no part in the "
        "result, and their gradient is 0.",
        past_only(lambda h, t, s: dmasked[h, t, s]),
        undoes=(f"{attn}.masked",),
    )
    yield gradient_step(
        f"{attn}.scores",
        "hts",
        f"dscores[h,t,s] = dscaled[h,t,s] / √{sizes.d}",
        "8.14",
        "Divided on the way forward, so divided on the way back.",
        past_only(lambda h, t, s: dscaled[h, t, s] / root),
        undoes=(f"{attn}.scaled",),
    )


def _score_steps(attn: str, sizes: Sizes) -> Iterator[Step]:
    """Yield the gradients of keys and queries."""
    q, k, dscores = Cells(f"{attn}.q"), Cells(f"{attn}.k"), gradient(f"{attn}.scores")
    yield gradient_step(
        f"{attn}.k",
        "hsd",
        "dk[h,s,d] = Σ_{t≥s} dscores[h,t,s]·q[h,t,d]",
        "8.16",
        "A key was compared with the queries of its own and all later positions, and hears from all of them.",
        lambda h, s, d: total(dscores[h, t, s] * q[h, t, d] for t in range(s, sizes.t)),
        undoes=(f"{attn}.scores",),
    )
    yield gradient_step(
        f"{attn}.q",
        "htd",
        "dq[h,t,d] = Σ_{s≤t} dscores[h,t,s]·k[h,s,d]",
        "8.15",
        "A query was compared with the keys of its own and all earlier positions, and hears from all of them.",
        lambda h, t, d: total(dscores[h, t, s] * k[h, s, d] for s in range(t + 1)),
        undoes=(f"{attn}.scores",),
    )
