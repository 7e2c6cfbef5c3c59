"""Python's trace of a model that was changed: also after some steps of training, with the moments carried on."""

from __future__ import annotations

from decimal import Decimal

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Numbers
from handcalc.formulas.adamw import BEFORE
from handcalc.tracing.plan import Plan, make_plan
from handcalc.tracing.trace import Trace, fill


def with_weight(trace: Trace, name: str, index: tuple[int, ...], text: str) -> Trace:
    """Return the trace, which may be one after some steps of training, with another number for a weight."""
    value = Calculator(trace.plan.digits).round(Decimal(text))
    return _again(trace, trace.plan, {name: {**trace.numbers[name], index: value}})


def with_word(trace: Trace, place: int, word: int) -> Trace:
    """Return the trace with another word in a place of its text."""
    plan = trace.plan
    words = [plan.tokens[0], *plan.targets]
    words[place] = word
    others = make_plan(
        plan.config, tuple(words[:-1]), tuple(words[1:]), plan.optimizer, digits=plan.digits, number=plan.number
    )
    return _again(trace, others, {})


def _again(trace: Trace, plan: Plan, changed: Numbers) -> Trace:
    """Return a plan worked out from what a trace was given, weights and moments, some of it changed."""
    given = {name: dict(values) for name, values in trace.numbers.items() if name.startswith(f"{BEFORE}.")}
    given |= {name: dict(trace.numbers[name]) for name in plan.weight_shapes}
    numbers = given | dict(changed)
    masked = fill(numbers, plan.steps, plan.sizes, Calculator(plan.digits))
    return trace._replace(plan=plan, numbers=numbers, masked=masked)
