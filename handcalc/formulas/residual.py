"""The residual stream: the result of each part of the model is added to what was computed before; (10.1) to (10.4)."""

from __future__ import annotations

from handcalc.arithmetic.expression import Cells
from handcalc.formulas.norms.norm import readers_of_input
from handcalc.formulas.step import Step, gradient, gradient_step, last_part
from numpy_gpt.shared.model.config import GPTConfig


def residual_step(part: str, x: str, *, section: str) -> Step:
    """Return the step residual = x + out of a block's ``part``, attention or feed-forward network."""
    before, out = Cells(x), Cells(f"{part}.out")
    scope, _, short = part.rpartition(".")
    return Step(
        name=f"{part}.residual",
        axes="tc",
        equation=f"residual[t,c] = {x.removeprefix(f'{scope}.')}[t,c] + {short}.out[t,c]",
        section=section,
        meaning="The result is added to the stream, so that nothing computed before is lost.",
        cell=lambda t, c: before[t, c] + out[t, c],
    )


# Backward


def branch_gradient_step(part: str, *, section: str) -> Step:
    """Return the gradient of what a block's ``part`` added to the stream: that of the sum."""
    dresidual = gradient(f"{part}.residual")
    return gradient_step(
        f"{part}.out",
        "tc",
        "dout[t,c] = dresidual[t,c]",
        section,
        "This was added to the stream, so its gradient is that of the sum, unchanged.",
        lambda t, c: dresidual[t, c],
        undoes=(f"{part}.residual",),
    )


def normed_gradient_step(name: str, norm: str, config: GPTConfig) -> Step:
    """Return the gradient of what nothing but ``norm`` read: the stream before the last norm, or the embeddings."""
    dx = gradient(f"{norm}.x")
    if config.has_embedding_norm:
        meaning = "Only this norm read the sum of the embeddings, so its gradient is what the norm passes back."
    else:
        meaning = "Only the final norm read the stream here, so the stream's gradient is what that norm passes back."
    return gradient_step(
        name,
        "tc",
        f"d{last_part(name)}[t,c] = {norm}.dx[t,c]",
        "19.7" if config.norm == "rms_norm" else "4.15",
        meaning,
        lambda t, c: dx[t, c],
        undoes=readers_of_input(norm, config),
    )


def stream_gradient_step(name: str, norm: str, bypass: str, *, section: str) -> Step:
    """Return the gradient of the stream ``name``, which ``norm`` read, and to which the sum ``bypass`` was added."""
    branch, scope = gradient(f"{norm}.x"), ".".join(name.split(".")[:2])
    short, past = f"d{last_part(name)}", gradient(bypass)
    past_name, branch_name = (each.name.removeprefix(f"{scope}.") for each in (past, branch))
    return gradient_step(
        name,
        "tc",
        f"{short}[t,c] = {past_name}[t,c] + {branch_name}[t,c]",
        section,
        "The stream was used twice: it bypassed this part of the model unchanged, and it went into the part through "
        "the norm. Its gradient is the sum of both: the one that bypassed the part, and the one that came back through "
        "it.",
        lambda t, c: past[t, c] + branch[t, c],
        undoes=(bypass,),
    )
