"""``--by-hand``: the first training steps with every number that they compute and every weight that they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import make_visible
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.names import activation_shapes, gradient_name, parameter_shapes
from numpy_gpt.shared.model.record import Record, ignore, keep_in
from numpy_gpt.shared.training.engine import Moments, StepResult
from numpy_gpt.shared.training.recipe import Recipe

_LIKELIEST = 5


class ByHandEngine(NumpyEngine):
    """A NumpyEngine that prints its first ``steps`` steps in full.

    Activations are shown for the batch's first sequence; loss, gradients and changes are those of the whole batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        values: Mapping[str, Array],
        tokenizer: Tokenizer,
        steps: int,
        out: TextIO,
        moments: Moments | None = None,
        trained: Mapping[str, Array] | None = None,
    ) -> None:
        super().__init__(recipe, values, moments, trained)
        self._tokenizer, self._steps_left, self._out = tokenizer, steps, out

    def training_step(
        self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float, record: Record = ignore
    ) -> StepResult:
        """Take one step as NumpyEngine does, and print it while any of the first steps is left."""
        if self._steps_left == 0:
            return super().training_step(inputs, targets, step, learning_rate, record)
        self._steps_left -= 1
        kept: dict[str, Any] = {}
        before = {name: array.copy() for name, array in self.parameters.items()}
        result = super().training_step(inputs, targets, step, learning_rate, keep_in(kept))
        self._show_batch(inputs, targets, step, learning_rate)
        self._show_activations(kept, inputs)
        self._show_predictions(kept["probabilities"][0], inputs[0], targets[0])
        self._say(f"loss of the whole batch: {result.loss:.6f} nats per token")
        self._show_gradients(kept)
        self._show_changes(before, kept, result)
        return result

    def _say(self, text: str) -> None:
        print(text, file=self._out)

    def _show_batch(self, inputs: Tokens, targets: Tokens, step: int, learning_rate: float) -> None:
        self._say(f"\n=== step {step + 1}: learning rate {learning_rate:.6g} ===")
        for row, (ids, next_ids) in enumerate(zip(inputs, targets, strict=True)):
            for what, tokens in (("input", ids), ("target", next_ids)):
                words = " | ".join(map(self._word, tokens))
                self._say(f"sequence {row} {what:>6}: {tokens.tolist()}  {words}")

    def _show_activations(self, kept: Mapping[str, Any], inputs: Tokens) -> None:
        self._say("\n--- forward: every activation of sequence 0 ---")
        batch, time = inputs.shape
        for name in activation_shapes(self.recipe.model, batch, time, dropout=True):
            if name in kept:
                # embedding.position and the loss belong to no sequence of their own
                shared = name in ("embedding.position", "loss")
                self._show_array(name, kept[name] if shared else kept[name][0])

    def _show_predictions(self, probabilities: Array, ids: Tokens, next_ids: Tokens) -> None:
        self._say(f"--- the {_LIKELIEST} likeliest next tokens at each position of sequence 0 ---")
        for row, token, target in zip(probabilities, ids, next_ids, strict=True):
            best = np.argsort(-row, kind="stable")[:_LIKELIEST]
            likeliest = "  ".join(f"{self._word(place)} {row[place]:.4f}" for place in best)
            self._say(f"after {self._word(token):>14}: {likeliest}  (target {self._word(target)} {row[target]:.4f})")

    def _show_gradients(self, kept: Mapping[str, Any]) -> None:
        self._say("\n--- backward: the gradient of every activation, of sequence 0 ---")
        known = {gradient_name(name) for name in activation_shapes(self.recipe.model, 1, 1, dropout=True)}
        for name, array in kept.items():
            if name in known:
                self._show_array(name, array if name == "embedding.dposition" else array[0])

    def _show_changes(self, before: Mapping[str, Array], kept: Mapping[str, Any], result: StepResult) -> None:
        self._say("--- update: gradient after clipping, weight before, change, weight after ---")
        self._say(f"gradient's global norm before clipping: {result.gradient_norm:.6f}")
        for name in parameter_shapes(self.recipe.model):
            gradient = kept.get(f"clipped.{name}")
            if gradient is None:
                self._say("no update: the loss or the gradient is not finite")
                return
            for index in np.ndindex(gradient.shape):
                old, new = before[name][index], self.parameters[name][index]
                place = f"{name}[{', '.join(map(str, index))}]"
                self._say(f"{place:<34} {gradient[index]:+.6e}  {old:+.6f}  {new - old:+.6e}  {new:+.6f}")

    def _show_array(self, name: str, array: Array) -> None:
        self._say(f"{name} {array.shape}")
        text = np.array2string(array, precision=4, suppress_small=True, threshold=1 << 30, max_line_width=160)
        self._say(f"{text}\n")

    def _word(self, token: Any) -> str:
        # A vocabulary may be padded: the model has rows for ids that stand for no word.
        return make_visible(self._tokenizer.vocabulary[token]) if token < self._tokenizer.vocab_size else f"id {token}"
