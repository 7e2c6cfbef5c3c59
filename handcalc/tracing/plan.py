"""What a trace works out: which tokens go in, what is asked of them, and the steps that answer it."""

from __future__ import annotations

from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.forward import forward_steps
from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.steps import Step
from numpy_gpt.shared.model.config import GPTConfig


class Plan(NamedTuple):
    """The tokens that the model reads, and how far the calculation goes.

    ``targets`` are the tokens that came next, one for each of ``tokens``: with them the loss and all gradients are
    worked out. With ``optimizer`` as well, so are the new weights, and the forward pass again with these.
    """

    tokens: tuple[int, ...]
    targets: tuple[int, ...] = ()
    optimizer: Optimizer | None = None


def training_plan(tokens: tuple[int, ...], optimizer: Optimizer | None = None) -> Plan:
    """Return the plan that predicts each next token of a text: the last token is a target only.

    Raises
    ------
    UserError
        If the text has one token, and so nothing to predict.
    """
    if len(tokens) < 2:
        raise UserError("there is nothing to predict: give a text of at least two tokens (spaces count)")
    return Plan(tokens[:-1], tokens[1:], optimizer)


def planned_steps(config: GPTConfig, plan: Plan, *, digits: int) -> tuple[Step, ...]:
    """Return every step of the plan, in order of computation.

    Raises
    ------
    UserError
        If the model's activation is not among the calculator's functions.
    """
    forward = list(forward_steps(config, plan.tokens, digits=digits))
    if not plan.targets:
        return tuple(forward)
    from handcalc.backward import backward_steps  # the plain forward trace starts without it
    from handcalc.forward.loss import loss_steps

    forward += loss_steps(plan.targets)
    backward = backward_steps(config, plan.tokens, plan.targets, digits=digits)
    if plan.optimizer is None:
        return (*forward, *backward)
    from handcalc.update import update_steps
    from handcalc.update.again import steps_again

    update = update_steps(config, plan.optimizer, len(plan.tokens))
    return (*forward, *backward, *update, *steps_again(forward))
