"""The residual stream undone: what came past a part of the model and what came through it, added."""

from __future__ import annotations

from handcalc.backward.gradient import gradient, gradient_step
from handcalc.tracing.steps import Step


def stream_gradient_step(name: str, norm: str, bypass: str | None, *, section: str) -> Step:
    """Return the gradient of the stream ``name``, which ``norm`` read, and which a sum ``bypass`` took over as it was.

    The last norm of the model is not bypassed: ``bypass`` is then None.
    """
    branch, scope = gradient(f"{norm}.x"), ".".join(name.split(".")[:2])
    short = f"d{name.rpartition('.')[2]}"
    if bypass is None:
        return gradient_step(
            name,
            "tc",
            f"{short}[t,c] = {norm}.dx[t,c]",
            section,
            "Only the final norm read the stream here, so all that the stream gets is what comes out of that norm.",
            lambda t, c: branch[t, c],
            undoes=(f"{norm}.centered", f"{norm}.mean"),
        )
    past = gradient(bypass)
    past_name, branch_name = (each.name.removeprefix(f"{scope}.") for each in (past, branch))
    return gradient_step(
        name,
        "tc",
        f"{short}[t,c] = {past_name}[t,c] + {branch_name}[t,c]",
        section,
        "The stream was used twice: it went past that part of the model unchanged, and into it through the norm. So "
        "it gets the sum of two gradients: the one that bypassed the part, as it was, and the one that came back "
        "through it.",
        lambda t, c: past[t, c] + branch[t, c],
        undoes=(bypass,),
    )


def branch_gradient_step(part: str, *, section: str) -> Step:
    """Return the gradient of what a block's ``part`` added to the stream: that of the sum."""
    dresidual = gradient(f"{part}.residual")
    return gradient_step(
        f"{part}.out",
        "tc",
        "dout[t,c] = dresidual[t,c]",
        section,
        "What was added to the stream gets the gradient of the sum as it is.",
        lambda t, c: dresidual[t, c],
        undoes=(f"{part}.residual",),
    )
