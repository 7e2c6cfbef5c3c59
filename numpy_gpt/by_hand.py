"""``train --by_hand``: print every number computed in the first training steps, and every weight change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from gpt_data.terminal import page_width, wrap_prose
from gpt_data.wording import make_visible
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.program import InitialState
from numpy_gpt.shared.cli.tables import Column, row_line, table_lines, title_line
from numpy_gpt.shared.cli.tokens import likeliest
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.names import activation_shapes, gradient_name, parameter_shapes
from numpy_gpt.shared.model.record import Record, ignore, keep_in
from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import Recipe

_LIKELIEST = 5
_WIDEST = 160


class ByHandEngine(NumpyEngine):
    """A NumpyEngine that prints its first ``steps`` steps in full.

    Activations are printed for the batch's first sequence; loss, gradients and changes are those of the whole batch.
    """

    def __init__(self, recipe: Recipe, initial: InitialState, steps: int, out: TextIO) -> None:
        super().__init__(recipe, initial.values, initial.moments, initial.trained)
        self._tokenizer, self._steps_left, self._out = initial.tokenizer, steps, out

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step as NumpyEngine does, and print it if it is one of the first ``steps``."""
        if self._steps_left == 0:
            return super().training_step(inputs, targets, step, learning_rate, record)
        self._steps_left -= 1
        arrays: dict[str, Any] = {}
        before = {name: array.copy() for name, array in self.parameters.items()}
        result = super().training_step(inputs, targets, step, learning_rate, keep_in(arrays))
        self._print_batch(inputs, targets, step, learning_rate)
        self._print_activations(arrays, inputs)
        self._print_predictions(arrays["probabilities"][0], inputs[0], targets[0])
        self._print(f"loss of the whole batch: {result.loss:.6f} nats per token")
        self._print_gradients(arrays)
        self._print_changes(before, arrays, result)
        return result

    def _print(self, text: str) -> None:
        print(text, file=self._out)

    def _print_batch(self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float) -> None:
        self._print(f"\n=== step {step + 1}: learning rate {learning_rate:.6g} ===")
        for row, (ids, next_ids) in enumerate(zip(inputs, targets, strict=True)):
            for what, tokens in (("input", ids), ("target", next_ids)):
                words = " | ".join(map(self._word, tokens))
                line = f"sequence {row} {what:>6}: {tokens.tolist()}  {words}"
                self._print("\n".join(wrap_prose(line, continued="  ", stream=self._out)))

    def _print_activations(self, arrays: Mapping[str, Any], inputs: Tokens) -> None:
        self._print("\n--- forward: every activation of sequence 0 ---")
        batch, time = inputs.shape
        for name in activation_shapes(self.recipe.model, batch, time, dropout=True):
            if name in arrays:
                # embedding.position and the loss have no batch axis
                shared = name in ("embedding.position", "loss")
                self._print_array(name, arrays[name] if shared else arrays[name][0])

    def _print_predictions(self, probabilities: Array, ids: Tokens, next_ids: Tokens) -> None:
        self._print(f"--- the {_LIKELIEST} likeliest next tokens at each position of sequence 0 ---")
        rows: list[list[str]] = []
        for row, token, target in zip(probabilities, ids, next_ids, strict=True):
            candidates = [f"{self._word(other)} {row[other]:.4f}" for other in (*likeliest(row, _LIKELIEST), target)]
            rows.append([self._word(token), *candidates])
        titles = ["likeliest", *[""] * (len(rows[0]) - 3), "target"]
        self._print("\n".join(table_lines([Column("after"), *(Column(title, "left") for title in titles)], rows)))

    def _print_gradients(self, arrays: Mapping[str, Any]) -> None:
        self._print("\n--- backward: the gradient of every activation, of sequence 0 ---")
        known = {gradient_name(name) for name in activation_shapes(self.recipe.model, 1, 1, dropout=True)}
        for name, array in arrays.items():
            if name in known:
                self._print_array(name, array if name == "embedding.dposition" else array[0])

    def _print_changes(self, before: Mapping[str, Array], arrays: Mapping[str, Any], result: StepResult) -> None:
        self._print("--- update: the gradient after clipping, and what it changes ---")
        self._print(f"gradient's global norm before clipping: {result.gradient_norm:.6f}")
        if not any(name.startswith("clipped.") for name in arrays):
            self._print("no update: the loss or the gradient is not finite")
            return
        shapes = parameter_shapes(self.recipe.model)
        width = max(len(_entry(name, [size - 1 for size in shape])) for name, shape in shapes.items())
        numbers = [Column("gradient", width=13), Column("before", width=9), Column("change", width=13)]
        columns = [Column("weight", "left", width), *numbers, Column("after", width=9)]
        self._print(title_line(columns))
        for name in shapes:
            gradient = arrays[f"clipped.{name}"]
            for index in np.ndindex(gradient.shape):
                old, new = before[name][index], self.parameters[name][index]
                cells = (f"{gradient[index]:+.6e}", f"{old:+.6f}", f"{new - old:+.6e}", f"{new:+.6f}")
                self._print(row_line(columns, (_entry(name, index), *cells)))

    def _print_array(self, name: str, array: Array) -> None:
        self._print(f"{name} {array.shape}")
        width = page_width(None, _WIDEST)
        text = np.array2string(array, precision=4, suppress_small=True, threshold=1 << 30, max_line_width=width)
        self._print(f"{text}\n")

    def _word(self, token: Any) -> str:
        # A vocabulary may be padded: the model then has rows for ids without a word.
        return make_visible(self._tokenizer.vocabulary[token]) if token < self._tokenizer.vocab_size else f"id {token}"


def _entry(name: str, index: Sequence[int]) -> str:
    return f"{name}[{', '.join(map(str, index))}]"
