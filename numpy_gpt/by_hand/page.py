"""A training step as a page to read: names, shapes and samples of all arrays, attention as maps, largest changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from gpt_data.terminal import terminal_columns
from numpy_gpt.by_hand.full import entry
from numpy_gpt.by_hand.predictions import prediction_lines
from numpy_gpt.by_hand.recorded_step import RecordedStep, norm_of
from numpy_gpt.shared.cli.tables import Column, side_by_side, table_lines
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.names import activation_shapes, parameter_shapes

_ROWS, _NUMBERS = 2, 3  # of a sample; a narrow terminal has room for one row
_TWO_ROWS = 106  # columns that they need
_POSITIONS = 8  # of a map, and of the predictions
_WORD = 8  # letters of a word on a map's axis
_LIKELIEST = 3
_CHANGES = 3
_TOKENS = 16  # of the batch's first sequence
_COLUMNS = 120  # if the output is not a terminal


def page_lines(step: RecordedStep) -> Iterator[str]:
    """Yield the lines of the page, as wide as the terminal has room for."""
    batch, time = step.inputs.shape
    columns = terminal_columns(_COLUMNS)
    rows = _ROWS if columns >= _TWO_ROWS else 1
    size = f"a batch of {batch} × {time} tokens"
    yield f"\n=== step {step.step + 1}: learning rate {step.learning_rate:.6g}, {size} ==="
    yield from step.sequence_lines(1, _TOKENS)
    yield "(activations and samples are of sequence 0; loss, norms, changes of the whole batch)"
    yield from _forward_lines(step, rows, columns)
    yield f"\n--- predictions: the {_LIKELIEST} likeliest next tokens, and the probability of the target ---"
    yield from prediction_lines(step, _LIKELIEST, _POSITIONS)
    yield from _cut(time, "positions")
    yield f"loss of the whole batch: {step.result.loss:.6f} nats per token"
    yield from _backward_lines(step, rows)
    yield from _update_lines(step)
    yield "\nevery number of this step: --by_hand full"


def _forward_lines(step: RecordedStep, rows: int, columns: int) -> Iterator[str]:
    where = f"first {rows} rows" if rows > 1 else "first row"
    yield f"\n--- forward: each activation's shape, and {_NUMBERS} numbers of its {where} ---"
    names = [
        name
        for name in activation_shapes(step.recipe.model, *step.inputs.shape, dropout=True)
        if name in step.recorder.activations
    ]
    for part, inside in groupby(names, _part_of):
        yield f"\n{part}"
        members = list(inside)
        titles = [Column("  activation", "left", 32), Column("shape", width=12), Column("sample", "left")]
        arrays = [step.recorder.activations[name] for name in members]
        cells = [(f"  {name}", _shape(array), sample(array, rows)) for name, array in zip(members, arrays, strict=True)]
        yield from table_lines(titles, cells)
        yield from _map_lines(step, [name for name in members if name.endswith(".attn.weights")], columns)
    if isinstance(step.recipe.model, BigramConfig):
        yield "\n(a bigram model has no attention: it sees nothing but the last token)"


def _part_of(name: str) -> str:
    first, second, *_ = (*name.split("."), "")
    if first == "h":
        return f"block {second}"
    return "embedding" if first == "embedding" else "output"


def _map_lines(step: RecordedStep, names: Iterable[str], columns: int) -> Iterator[str]:
    """Yield the attention of each head: each row is a token, with the weights of what it attends to."""
    words = [step.word(token) for token in step.inputs[0][:_POSITIONS]]
    words = [word if len(word) <= _WORD else f"{word[: _WORD - 1]}…" for word in words]
    for name in names:
        heads = step.recorder.activations[name]
        blocks = [_map_block(f"{name}[{number}]", head, words) for number, head in enumerate(heads)]
        beside = max(1, (columns + 2) // (max(map(len, blocks[0])) + 4))
        yield "\n  attention: each row is a token, the columns what it attends to; · is later, 0"
        for first in range(0, len(blocks), beside):
            yield ""
            part = [_padded(block) for block in blocks[first : first + beside]]
            yield from (f"  {line}" for line in side_by_side(part))
        yield from _cut(heads.shape[-1], "tokens")


def _map_block(title: str, weights: Array, words: Sequence[str]) -> list[str]:
    rows = [
        (word, *(f"{weights[query, key]:.2f}" if key <= query else "·" for key in range(len(words))))
        for query, word in enumerate(words)
    ]
    return [title, *table_lines([Column(""), *(Column(word, width=4) for word in words)], rows)]


def _padded(block: Sequence[str]) -> list[str]:
    width = max(map(len, block)) + 2
    return [f"{line:<{width}}" for line in block]


def _backward_lines(step: RecordedStep, rows: int) -> Iterator[str]:
    yield "\n--- backward: the gradients, from the loss back; norm: of the whole batch ---"
    columns = [
        Column("gradient", "left", 20),
        Column("shape", width=10),
        Column("norm", width=8),
        Column("sample", "left"),
    ]
    cells = [
        (name, _shape(array), f"{step.recorder.norms[name]:.2e}", sample(array, rows, ".2e"))
        for name, array in step.recorder.gradients.items()
    ]
    yield from table_lines(columns, cells)


def _update_lines(step: RecordedStep) -> Iterator[str]:
    yield f"\n--- update: the {_CHANGES} weights of each parameter that change most; gradients: after clipping ---"
    limit = step.recipe.training.grad_clip
    clip = f", limited to {limit:g}" if limit else ""
    yield f"gradient's global norm before clipping: {step.result.gradient_norm:.6f}{clip}"
    if not step.recorder.clipped:
        yield "no update: the loss or the gradient is not finite"
        return
    numbers = [Column(title) for title in ("gradient", "before", "change", "after")]
    columns = [Column("weight", "left"), *numbers, Column("gradient's norm"), Column("parameter", "left")]
    rows = [row for name in parameter_shapes(step.recipe.model) for row in _change_rows(step, name)]
    yield from table_lines(columns, rows)


def _change_rows(step: RecordedStep, name: str) -> Iterator[tuple[str, ...]]:
    """Yield the largest changes of one parameter; the first row also says its shape and its gradient's norm."""
    before, after, gradient = step.before[name], step.after[name], step.recorder.clipped[name]
    change = after - before
    largest = np.argsort(-np.abs(change), axis=None, kind="stable")[:_CHANGES]
    about = (f"{norm_of(gradient):.3e}", f"{name} {_shape(gradient)}")
    for place in largest:
        index = tuple(int(part) for part in np.unravel_index(place, change.shape))
        where = entry(name, index) + (f" {step.word(index[0])}" if name == "wte.weight" else "")
        values = (f"{gradient[index]:+.3e}", f"{before[index]:+.6f}", f"{change[index]:+.3e}", f"{after[index]:+.6f}")
        yield (where, *values, *about)
        about = ("", "")


def sample(array: Array, count: int, form: str = ".4f") -> str:
    """Return the first numbers of an array's first rows, separated by |; … stands for what is left out."""
    rows = np.atleast_2d(array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array)
    texts = [
        " ".join([f"{number: {form}}" for number in row[:_NUMBERS]] + ["…"] * (len(row) > _NUMBERS))
        for row in rows[:count]
    ]
    return " | ".join(texts + ["…"] * (len(rows) > count))


def _shape(array: Array) -> str:
    return " × ".join(map(str, array.shape)) or "1"


def _cut(count: int, what: str) -> list[str]:
    return [f"… the first {_POSITIONS} of {count} {what}"] if count > _POSITIONS else []
