"""The residual stream: what a part of the model found out is added to what was known before."""

from __future__ import annotations

from handcalc.arithmetic.expression import Cells
from handcalc.tracing.steps import Step


def residual_step(part: str, x: str, *, section: str) -> Step:
    """Return the step residual = x + out of a block's ``part``, attention or feed-forward network."""
    before, out = Cells(x), Cells(f"{part}.out")
    scope, _, short = part.rpartition(".")
    return Step(
        name=f"{part}.residual",
        axes="tc",
        equation=f"residual[t,c] = {x.removeprefix(f'{scope}.')}[t,c] + {short}.out[t,c]",
        section=section,
        meaning="The result is added to the stream, so that nothing known before is lost.",
        cell=lambda t, c: before[t, c] + out[t, c],
    )
