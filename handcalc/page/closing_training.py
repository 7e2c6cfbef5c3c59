"""What came of a training step: the loss before and after, and how far gradients and new weights are from float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from gpt_data.wording import make_visible
from handcalc.arithmetic.number_format import format_number
from handcalc.page.blocks import Block, Columns, Paragraph
from handcalc.page.closing import context, ranking_panels, rounded_float
from handcalc.page.next_word import PROBABILITIES
from handcalc.tracing.steps import UPDATED
from handcalc.tracing.working import Trace
from numpy_gpt.shared.model.names import gradient_name


class Distance(NamedTuple):
    """How far a tensor is from float64: the largest entry of its float64 twin, and the largest difference."""

    name: str
    largest: float
    difference: float


def after_update_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield probability and loss of each word that came, with the old and the new weights, and the likeliest words."""
    before, after = trace.page["loss"][()], trace.page[f"{UPDATED}.loss"][()]
    verdict = "fell" if after < before else "rose" if after > before else "stayed the same"
    yield Paragraph(
        f"With the new weights the loss {verdict}: from {format_number(before)} to {format_number(after)}."
        + _TOO_FAR * (after > before)
    )
    header = ["after", "next word", "probability before", "after", "loss before", "after"]
    rows = [_prediction(trace, position) for position in positions]
    yield Columns([header, *rows], headed=True)
    yield Paragraph("The five likeliest words after each position, with the new weights:")
    yield ranking_panels(trace, positions, f"{UPDATED}.{PROBABILITIES}")


_TOO_FAR = (
    " The step was too long: a gradient is right only for tiny changes. Try a smaller --learning_rate, and see whether "
    "it falls."
)


def _prediction(trace: Trace, position: int) -> list[str]:
    target = trace.targets[position]
    places = ((PROBABILITIES, (position, target)), ("losses", (position,)))
    numbers = [trace.page[prefix + name][index] for name, index in places for prefix in ("", f"{UPDATED}.")]
    return [context(trace, position), make_visible(trace.vocabulary[target]), *map(format_number, numbers)]


def training_float64_blocks(trace: Trace) -> Iterator[Block]:
    """Yield the loss, and of each parameter's gradient and new values how far the calculator's are from float64."""
    exact = trace.training
    if exact is None:
        return
    before = format_number(trace.page["loss"][()])
    losses = f"The loss is {before} here and {rounded_float(trace, exact.loss)} in float64."
    if exact.updated_loss is not None:
        after = trace.page[f"{UPDATED}.loss"][()]
        losses += f" After the update it is {format_number(after)} here and {rounded_float(trace, exact.updated_loss)}."
    yield Paragraph(f"{losses} The gradients, and how far off the farthest number of each parameter is:")
    yield _distance_columns(gradient_distances(trace))
    if exact.updated is not None:
        yield Paragraph(
            "And the new weights. Where a gradient is so close to 0 that rounding decides its sign, AdamW's first "
            "step goes the other way, and the weight is off by twice the learning rate:"
        )
        yield _distance_columns(update_distances(trace))


def gradient_distances(trace: Trace) -> list[Distance]:
    """Return how far each parameter's gradient is from float64."""
    arrays = {} if trace.training is None else trace.training.gradients
    return [_distance(trace, gradient_name(name), array) for name, array in arrays.items()]


def update_distances(trace: Trace) -> list[Distance]:
    """Return how far each parameter's new values are from float64; nothing without an update."""
    arrays = {} if trace.training is None else trace.training.updated or {}
    return [_distance(trace, f"{UPDATED}.{name}", array) for name, array in arrays.items()]


def _distance(trace: Trace, name: str, array: Any) -> Distance:
    exact: list[float] = array.ravel().tolist()
    pairs = zip(trace.page[name].values(), exact, strict=True)
    return Distance(name, max(map(abs, exact)), max(abs(float(value - Decimal(other))) for value, other in pairs))


def _distance_columns(distances: list[Distance]) -> Columns:
    rows = [[one.name, f"{one.largest:.2g}", f"{one.difference:.2g}"] for one in distances]
    return Columns([["name", "largest number", "largest difference"], *rows], headed=True)
