"""A training step with every number: each activation, gradient and weight change, on thousands of lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gpt_data.terminal import page_width
from numpy_gpt.by_hand.predictions import prediction_lines
from numpy_gpt.by_hand.recorded_step import RecordedStep
from numpy_gpt.shared.cli.tables import Column, row_line, title_line
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.names import activation_shapes, parameter_shapes

_LIKELIEST = 5
_WIDEST = 160


def full_lines(step: RecordedStep) -> Iterator[str]:
    """Yield the lines; activations are those of the first sequence, loss and changes those of the whole batch."""
    yield f"\n=== step {step.step + 1}: learning rate {step.learning_rate:.6g} ==="
    yield from step.sequence_lines(len(step.inputs))
    yield "\n--- forward: every activation of sequence 0 ---"
    for name in activation_shapes(step.recipe.model, *step.inputs.shape, dropout=True):
        if name in step.recorder.activations:
            yield from _array_lines(name, step.recorder.activations[name])
    yield f"--- the {_LIKELIEST} likeliest next tokens at each position of sequence 0 ---"
    yield from prediction_lines(step, _LIKELIEST, step.inputs.shape[1])
    yield f"loss of the whole batch: {step.result.loss:.6f} nats per token"
    yield "\n--- backward: the gradient of every activation, of sequence 0 ---"
    for name, array in step.recorder.gradients.items():
        yield from _array_lines(name, array)
    yield "--- update: the gradient after clipping, and what it changes ---"
    yield f"gradient's global norm before clipping: {step.result.gradient_norm:.6f}"
    yield from _change_lines(step)


def entry(name: str, index: Sequence[int]) -> str:
    """Return the name of one number of an array."""
    return f"{name}[{', '.join(map(str, index))}]"


def _change_lines(step: RecordedStep) -> Iterator[str]:
    if not step.recorder.clipped:
        yield "no update: the loss or the gradient is not finite"
        return
    shapes = parameter_shapes(step.recipe.model)
    width = max(len(entry(name, [size - 1 for size in shape])) for name, shape in shapes.items())
    numbers = [Column("gradient", width=13), Column("before", width=9), Column("change", width=13)]
    columns = [Column("weight", "left", width), *numbers, Column("after", width=9)]
    yield title_line(columns)
    for name in shapes:
        gradient = step.recorder.clipped[name]
        for index in np.ndindex(gradient.shape):
            old, new = step.before[name][index], step.after[name][index]
            cells = (f"{gradient[index]:+.6e}", f"{old:+.6f}", f"{new - old:+.6e}", f"{new:+.6f}")
            yield row_line(columns, (entry(name, index), *cells))


def _array_lines(name: str, array: Array) -> Iterator[str]:
    yield f"{name} {array.shape}"
    width = page_width(None, _WIDEST)
    text = np.array2string(array, precision=4, suppress_small=True, threshold=1 << 30, max_line_width=width)
    yield f"{text}\n"
