"""Work out a trace: every cell of every step, in order, each from numbers that are already on the page."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from gpt_data.errors import UserError
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Index, Masked
from handcalc.tracing.float64 import Arrays, Training, float64_parameters, float64_probabilities, float64_training
from handcalc.tracing.optimizer import Optimizer
from handcalc.tracing.plan import Plan, planned_steps
from handcalc.tracing.steps import Sizes, Step, indices_of
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes


class Trace(NamedTuple):
    """One text worked out: the numbers on the page, and what they were worked out from.

    ``page`` holds weights and all that is worked out, name → index → printed value, in the order in which they come to
    be; ``masked`` the cells that are not worked out; ``float64`` the probabilities from numpy_gpt, position → word.
    ``targets`` are the words that came next, where the loss and its gradients were worked out, ``optimizer`` the
    numbers of the update, where there was one, and ``training`` what numpy_gpt computes for the same.
    """

    model: str
    config: GPTConfig
    vocabulary: tuple[str, ...]
    text: str
    tokens: tuple[int, ...]
    digits: int
    sizes: Sizes
    weight_shapes: dict[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    page: dict[str, dict[Index, Decimal]]
    masked: frozenset[tuple[str, Index]]
    float64: list[list[float]]
    targets: tuple[int, ...] = ()
    optimizer: Optimizer | None = None
    training: Training | None = None


def work_out(
    config: GPTConfig,
    arrays: Arrays,
    vocabulary: tuple[str, ...],
    text: str,
    tokens: tuple[int, ...],
    *,
    digits: int,
    model: str,
    targets: tuple[int, ...] = (),
    optimizer: Optimizer | None = None,
) -> Trace:
    """Return the whole forward pass of ``tokens``, calculated with ``digits`` significant digits.

    With ``targets``, the words that came next, loss and gradients are worked out as well, and with ``optimizer`` the
    new weights and the forward pass with these.

    Raises
    ------
    UserError
        If there are more tokens than the model sees, ``digits`` is out of range, a weight is not finite, or the model
        has an activation that is not among the calculator's functions.
    """
    calculator, plan = Calculator(digits), Plan(tokens, targets, optimizer)
    check_length(len(tokens), config.block_size)
    steps = planned_steps(config, plan, digits=digits)
    sizes = Sizes.of(config, len(tokens))
    page = printed_weights(arrays, calculator)
    masked = _fill(page, steps, sizes, calculator)
    exact = float64_parameters(config, arrays)
    return Trace(
        model=model,
        config=config,
        vocabulary=vocabulary,
        text=text,
        tokens=tokens,
        digits=digits,
        sizes=sizes,
        weight_shapes=parameter_shapes(config),
        steps=steps,
        page=page,
        masked=masked,
        float64=float64_probabilities(exact, tokens),
        targets=targets,
        optimizer=optimizer,
        training=float64_training(exact, plan) if targets else None,
    )


def check_length(time: int, block_size: int) -> None:
    """Refuse more tokens than the model sees.

    Raises
    ------
    UserError
        If there are.
    """
    if time > block_size:
        raise UserError(
            f"the text has {time} tokens (spaces count), and this model sees at most {block_size}; shorten it"
        )


def _fill(
    page: dict[str, dict[Index, Decimal]], steps: tuple[Step, ...], sizes: Sizes, calculator: Calculator
) -> frozenset[tuple[str, Index]]:
    """Write every cell of every step on the page, and return those that the causal mask leaves out."""
    masked = set()
    for step in steps:
        values = page[step.name] = {}
        for index in sizes.indices(step.axes):
            expression = step.cell(*index)
            values[index] = calculator.evaluate(expression, page)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
    return frozenset(masked)


def printed_weights(arrays: Arrays, calculator: Calculator) -> dict[str, dict[Index, Decimal]]:
    """Return every weight as printed: the shortest decimal that names the float, rounded to the calculator's digits.

    Raises
    ------
    UserError
        If a weight is NaN or infinite.
    """
    page: dict[str, dict[Index, Decimal]] = {}
    for name, array in arrays.items():
        values = page[name] = {}
        shortest = map(repr, array.ravel().tolist()) if array.itemsize == 8 else map(str, array.ravel())
        for index, text in zip(indices_of(array.shape), shortest, strict=True):
            value = Decimal(text)
            if not value.is_finite():
                raise UserError(f"{name}{list(index)} is {text}: this model cannot be traced; train it again")
            values[index] = calculator.round(value)
    return page
