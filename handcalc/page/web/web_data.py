"""What the web page carries: the model, the text, and Python's words about each step, as one JSON object.

The page works out all numbers itself, with its own formulas. Sentences, equations and section numbers are data, so that
they are written only once, in ``handcalc.formulas``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Numbers
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.model import update_steps
from handcalc.formulas.step import AXES, Step
from handcalc.page.phases import part_title
from handcalc.page.web.explanations import EXPLANATIONS, kind_of
from handcalc.tracing.plan import Plan
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig, config_to_dict
from numpy_gpt.shared.model.config_checks import require_gpt


def web_data(trace: Trace) -> dict[str, Any]:
    """Return the data of a trace's page; every number of the calculator is text, exactly as printed.

    ``weights`` have their values row by row; they are those of the model before ``edits``, the weights that were
    changed (--set), which the page makes as if its reader had made them. ``steps`` are those of the trace, in order,
    without their numbers; ``later_updates`` are the update steps that replace those of the same phase from the second
    update on: their words are the same for every later one. ``explanations`` has a paragraph for each ``kind`` of step
    and weight.
    """
    plan = trace.plan
    given = _unchanged_weights(trace)
    return {
        "model": trace.model,
        "text": trace.text,
        "digits": plan.digits,
        "config": config_data(require_gpt(plan.config)),
        "vocabulary": list(trace.vocabulary),
        "tokens": list(plan.tokens),
        "targets": list(plan.targets),
        "optimizer": None if plan.optimizer is None else optimizer_data(plan.optimizer),
        "weights": [
            {
                "name": name,
                "kind": kind_of(name),
                "shape": list(shape),
                "values": [format_number(one) for one in given[name].values()],
            }
            for name, shape in plan.weight_shapes.items()
        ],
        "edits": [
            {"name": name, "index": list(index), "text": format_number(trace.numbers[name][index])}
            for name, index, _, _ in trace.changes
        ],
        "axes": {
            letter: {"size": size, "counts": counts}
            for letter, (size, counts) in AXES.items()
            if getattr(plan.sizes, letter)
        },
        "steps": [step_data(step) for step in plan.steps],
        "later_updates": [step_data(step) for step in _later_update_steps(plan)],
        "explanations": EXPLANATIONS,
    }


def _unchanged_weights(trace: Trace) -> Numbers:
    """Return the weights as they were before the changes, as printed."""
    calculator = Calculator(trace.plan.digits)
    given = {name: dict(trace.numbers[name]) for name in trace.plan.weight_shapes}
    for name, index, before, _ in trace.changes:
        given[name][index] = calculator.round(before)
    return given


def config_data(config: GPTConfig) -> dict[str, Any]:
    """Return the fields of a config, with ε as its formula writes it, and the width of the hidden layer."""
    return config_to_dict(config) | {"layer_norm_epsilon": repr(config.layer_norm_epsilon), "n_hidden": config.n_hidden}


def optimizer_data(optimizer: Optimizer) -> dict[str, str]:
    """Return the numbers of an optimizer as text."""
    return {name: format_number(value) for name, value in optimizer._asdict().items()}


def step_data(step: Step) -> dict[str, Any]:
    """Return everything about a step but its formula; ``part`` is the heading under which it belongs."""
    return {
        "name": step.name,
        "axes": step.axes,
        "phase": step.phase,
        "part": part_title(step),
        "kind": kind_of(step.name),
        "equation": step.equation,
        "section": step.section,
        "meaning": step.meaning,
        "undoes": list(step.undoes),
        "weights": [weights._asdict() for weights in step.weights],
    }


def _later_update_steps(plan: Plan) -> Iterable[Step]:
    return () if plan.optimizer is None else update_steps(plan.config, plan.optimizer, len(plan.tokens), number=2)
