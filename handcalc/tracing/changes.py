"""Weights that were changed before a text is worked out, and the probabilities without the change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Index, MutableNumbers
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.trace import Change, Trace, fill
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.edits import Edit, edit_weights


class Changed(NamedTuple):
    """A model with changed weights, and the changes."""

    model: Checkpoint
    changes: tuple[Change, ...]


def change_weights(model: Checkpoint, edits: Sequence[Edit]) -> Changed:
    """Return the model with changed weights; of several changes of one weight the last one counts.

    Raises
    ------
    UserError
        If a weight does not exist, or its new value does not fit the model's precision.
    """
    edited = edit_weights(model, edits)
    places = dict.fromkeys((edit.name, edit.place) for edit in edits)
    return Changed(
        edited,
        tuple(
            Change(name, index, *(Decimal(str(one.values[name][index])) for one in (model, edited)))
            for name, index in places
        ),
    )


def compare_with_unchanged(trace: Trace, changes: Iterable[Change]) -> Trace:
    """Return the trace with its changes, and with the probabilities of the model without them."""
    changes, plan = tuple(changes), trace.plan
    calculator = Calculator(plan.digits)
    numbers: MutableNumbers = {name: dict(trace.numbers[name]) for name in plan.weight_shapes}
    for name, index, before, _ in changes:
        numbers[name][index] = calculator.round(before)
    names = [step.name for step in plan.steps]
    fill(numbers, plan.steps[: names.index(PROBABILITIES) + 1], plan.sizes, calculator)
    unchanged: dict[Index, Decimal] = numbers[PROBABILITIES]
    return trace._replace(changes=changes, unchanged=unchanged)
