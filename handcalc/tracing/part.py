"""A part of a trace: only the numbers that the chosen steps need, for models too large to be worked out whole.

Each number is the same as in the whole trace, because a number depends only on those in its formula. Weights are
rounded when a formula asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

from gpt_data.errors import UserError
from gpt_data.wording import count_of
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Expression, Index, Masked, MutableNumbers, Ref
from handcalc.formulas.attribution import is_attribution
from handcalc.formulas.step import AGAIN, FORWARD, UPDATED, Step, Weights
from handcalc.tracing.plan import PROBABILITIES, Plan
from handcalc.tracing.selection import Selection, indices_to_show, steps_to_show
from handcalc.tracing.size import MOST_CHARACTERS, MOST_NUMBERS, MOST_OPERANDS, count_operands, written_size
from handcalc.tracing.trace import Trace, round_weight, words_of
from numpy_gpt.shared.runs.checkpoint import Checkpoint

Needed = dict[str, set[Index]]
"""Name of a step → its cells."""


def trace_part(model: Checkpoint, name: str, text: str, plan: Plan, selection: Selection, *, full: bool) -> Trace:
    """Return the trace of the steps that are chosen, and of those they depend on; it has no results and no float64.

    Raises
    ------
    UserError
        If even this part is too large, or a weight that it uses is not finite.
    """
    needed = find_needed(plan, selection, full=full)
    calculator = Calculator(plan.digits)
    numbers: MutableNumbers = {key: _Weights(key, array, calculator) for key, array in model.values.items()}
    numbers |= {step.name: {} for step in plan.page_steps}
    masked = set()
    for step in plan.steps:
        for index in sorted(needed.get(step.name, ())):
            expression = step.cell(*index)
            numbers[step.name][index] = calculator.evaluate(expression, numbers)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
    return Trace(plan, name, words_of(model), text, numbers, frozenset(masked), [], None)


class _Weights(dict[Index, Decimal]):
    """The numbers of one parameter, each of which is rounded when it is first used."""

    def __init__(self, name: str, array: Any, calculator: Calculator) -> None:
        super().__init__()
        self._name, self._array, self._calculator = name, array, calculator

    def __missing__(self, index: Index) -> Decimal:
        value = self[index] = round_weight(self._name, index, str(self._array[index]), self._calculator)
        return value


def find_needed(plan: Plan, selection: Selection, *, full: bool) -> Needed:
    """Return the cells of each step that the chosen ones need, themselves included.

    Raises
    ------
    UserError
        If they are too many, or the page of the chosen steps would be too large.
    """
    chosen = steps_to_show(plan.page_steps, selection, full=full)
    if any(is_attribution(step) for step in chosen):
        raise UserError("logits are split only in a trace that is worked out whole; take a smaller model")
    needed: Needed = {step.name: set(indices_to_show(step, plan.sizes, selection)) for step in chosen}
    if not full and any(_shows_likeliest_word(step, selection) for step in chosen):
        likeliest = Selection(position=plan.sizes.t - 1 if selection.position is None else selection.position)
        probabilities = next(step for step in plan.steps if step.name == PROBABILITIES)
        needed.setdefault(PROBABILITIES, set()).update(indices_to_show(probabilities, plan.sizes, likeliest))
    for weights in [one for step in chosen if selection.shows_whole(step.name) for one in step.weights]:
        if weights.name not in plan.weight_shapes:  # worked out by the update, and its table is printed
            needed.setdefault(weights.name, set()).update(_cells_of(weights, plan))
    operands = 0
    for step in reversed(plan.steps):
        cells = needed.get(step.name, ())
        if cells:
            operands += len(cells) * count_operands(step.cell(*(size - 1 for size in plan.sizes.shape(step.axes))))
            _check(operands, sum(map(len, needed.values())))
        for index in cells:
            _add_references(step.cell(*index), plan.weight_shapes, needed)
    characters = written_size(plan, chosen, selection, full=full)
    if characters > MOST_CHARACTERS:
        raise UserError(
            f"this page is too large to print: about {characters:,} characters (at most {MOST_CHARACTERS:,}); leave "
            "out --full, or choose fewer steps"
        )
    return needed


def _cells_of(weights: Weights, plan: Plan) -> Iterator[Index]:
    """Return the part of a parameter after the update that a step uses."""
    *rows, columns = plan.weight_shapes[weights.name.removeprefix(f"{UPDATED}.")]
    return product(*map(range, rows), range(columns)[weights.start : weights.stop])


def _shows_likeliest_word(step: Step, selection: Selection) -> bool:
    """Return whether the cell that is worked out for a step is the likeliest word's, which the probabilities tell."""
    return "v" in step.axes and step.phase in (FORWARD, AGAIN) and selection.shows_whole(step.name)


def _add_references(expression: Expression, weights: Mapping[str, Any], needed: Needed) -> None:
    if isinstance(expression, Ref):
        if expression.name not in weights:
            needed.setdefault(expression.name, set()).add(expression.index)
        return
    for part in expression.parts:
        _add_references(part, weights, needed)


def _check(operands: int, numbers: int) -> None:
    if operands > MOST_OPERANDS or numbers > MOST_NUMBERS:
        raise UserError(
            f"this trace is too large to work out: the chosen steps need more than {count_of(numbers, 'number')} from "
            f"{count_of(operands, 'operand')} (at most {MOST_NUMBERS:,} and {MOST_OPERANDS:,}); take a shorter text, "
            "an earlier layer, one --head, or a smaller model"
        )
