"""A trained model as one object: what it predicts, attends to, writes and learns."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from gpt_data.checks import to_path, whole_number
from gpt_data.errors import UserError
from gpt_data.tokens.token_text import padded_vocabulary
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, describe, list_names, one_line, short_repr
from numpy_gpt.shared.attention.maps import AttentionMaps, record_maps
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.cli.model_choice import ModelChoice, describe_model
from numpy_gpt.shared.cli.model_choice import load_model as load_checkpoint
from numpy_gpt.shared.cli.program import InitialState, initial_state_of
from numpy_gpt.shared.cli.sample import MOST_TOKENS, default_prompt
from numpy_gpt.shared.cli.step import check_example, first_step, step_recipe, take_steps
from numpy_gpt.shared.cli.stop_text import read_stop, written_before
from numpy_gpt.shared.html_table import html_paragraph, html_table
from numpy_gpt.shared.library.guesses import Guesses
from numpy_gpt.shared.library.prediction import LearnedExample, Prediction
from numpy_gpt.shared.library.reading import Reading, read
from numpy_gpt.shared.model.argument_checks import check_flags
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import ModelConfig, config_to_dict
from numpy_gpt.shared.model.config_checks import check_place, require_attention
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.model.token_checks import check_length
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.runs.run_directory import WHICH
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.randomness import sampling_uniforms
from numpy_gpt.shared.training.recipe import Recipe

MakeEngine = Callable[[Recipe, InitialState], Engine]


class Model:
    """A trained model; ``load_model`` and ``train`` return one. Axis letters: T tokens of a text, V vocabulary.

    Wherever a text is expected, a row of ids (T,) is understood too, such as ``[13, 0, 31]``. A text is split into
    tokens of the vocabulary; if that has only lower case or only capitals, the text is read so. Ids and texts must not
    be empty, nor longer than ``config.block_size`` tokens, except to continue them with ``sample``.
    """

    def __init__(self, checkpoint: Checkpoint, choice: ModelChoice, make_engine: MakeEngine) -> None:
        self._checkpoint, self._choice, self._make_engine = checkpoint, choice, make_engine
        self._recipe = recipe_of(checkpoint)
        self._engine = make_engine(self._recipe, initial_state_of(checkpoint))
        self._first, self._learned = first_step(checkpoint), 0

    @property
    def name(self) -> str:
        """The name of the model's directory."""
        return self._choice.run.resolve().name

    @property
    def config(self) -> ModelConfig:
        """The sizes and the kind of the model."""
        return self._checkpoint.config

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits texts into tokens: ``encode(text)`` and ``decode(ids)``."""
        return self._checkpoint.tokenizer

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The V tokens as text; a token's id is its index."""
        return padded_vocabulary(self.tokenizer, self.config.vocab_size)

    @property
    def parameters(self) -> dict[str, Array]:
        """A copy of every parameter by name, as it is now; ``parameters_from(config, parameters)`` computes with it.

        The copies are read-only: writing to them would not change the model.
        """
        copies = {name: np.array(value) for name, value in self._engine.values().items()}
        for value in copies.values():
            value.flags.writeable = False
        return copies

    def predict(self, text: Any) -> Prediction:
        """Return the probabilities (T, V) of the next token after each token of a text.

        Raises
        ------
        UserError
            If the text is not one, is empty or too long, or contains anything outside the vocabulary.
        """
        text, tokens = self._read(text)
        return Prediction(text, tokens, self._engine.predict(tokens[None])[0], self.vocabulary)

    def guess(self, text: Any, *, seed: int = 1337) -> Guesses:
        """Return the model's best guess, and one drawn at random, at each token of a text but the first.

        The same seed draws the same guesses.

        Raises
        ------
        UserError
            As ``loss``, or if the seed is not a whole number of at least 0.
        """
        text, tokens = self._read_example(text)
        seen, uniforms = tokens[:-1], sampling_uniforms(whole_number("seed", seed, 0), len(tokens) - 1)
        prefixes = (seen[: place + 1].tolist() for place in range(len(seen)))
        draws = [next(self._engine.draws(prefix, [u])) for prefix, u in zip(prefixes, uniforms, strict=True)]
        sampled = np.array([draw.token for draw in draws])
        return Guesses(text, tokens, *self._logits_and_probabilities(seen), sampled, self.vocabulary)

    def logits(self, text: Any) -> Array:
        """Return the logits (T, V) of the next token after each token of a text.

        Raises
        ------
        UserError
            As ``predict``.
        """
        return self._logits_and_probabilities(self._read(text).tokens)[0]

    def loss(self, text: Any) -> float:
        """Return the mean loss in nats per token of predicting each token of a text but the first.

        Raises
        ------
        UserError
            As ``predict``; the text must have 2 to block_size + 1 tokens.
        """
        tokens = self._read_example(text).tokens
        return self._engine.loss(tokens[None, :-1], tokens[None, 1:])

    def attention(self, text: Any, *, layer: int | None = None, head: int | None = None) -> AttentionMaps:
        """Return what each head attends to in a text: weights (L, H, T, T) of one layer and head, or of all.

        Raises
        ------
        UserError
            As ``predict``, or if the model has no attention, or no such layer or head.
        """
        config = require_attention(self.config)
        for name, value, count in (("layer", layer, config.n_layer), ("head", head, config.n_head)):
            check_place(name, value if value is None else whole_number(name, value, 0), count)
        tokens = self._read(text).tokens
        return record_maps(
            self._engine,
            self.tokenizer,
            tokens,
            model=describe_model(self._steps, self._choice),
            layer=layer,
            head=head,
        )

    def sample(
        self,
        prompt: Any = None,
        *,
        max_new_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 1337,
        stop: str | None = None,
    ) -> str:
        """Return the prompt, by default a line break or a space, continued by ``max_new_tokens`` tokens.

        ``temperature`` divides the logits, and 0 takes the likeliest token; ``top_k`` samples only from the k likeliest
        tokens, ``top_p`` only from the likeliest whose probabilities add up to p. The same seed gives the same text.
        The text ends before the first ``stop`` that the model writes, which may be any text.

        Raises
        ------
        UserError
            If the prompt is empty or contains anything outside the vocabulary, an option is out of range, or ``stop``
            can never occur.
        """
        text, tokens = read(self.tokenizer, default_prompt(self.tokenizer) if prompt is None else prompt)
        count, seed = whole_number("max_new_tokens", max_new_tokens, 0), whole_number("seed", seed, 0)
        if count > MOST_TOKENS:
            raise UserError(f"max_new_tokens must be at most {MOST_TOKENS:,}, not {describe(max_new_tokens)}")
        draws = self._engine.draws(tokens.tolist(), sampling_uniforms(seed, count), temperature, top_k, top_p)
        end = None if stop is None else read_stop(self.tokenizer, stop, "stop")
        return text + "".join(written.text for written in written_before(end, self.tokenizer, tokens.tolist(), draws))

    def step(self, text: Any, learning_rate: float | None = None) -> LearnedExample:
        """Learn one example in place: one step of AdamW on a text, each token of which but the first is a target.

        The learning rate is by default the last one of the model's training. If the model's weights are averages, it
        continues with the weights in training. After an error the model is as before.

        Raises
        ------
        UserError
            As ``loss``, or if the learning rate is out of range, or so high that the loss is no longer finite.
        """
        text, tokens = self._read_example(text)
        recipe, rate = step_recipe(self._recipe, learning_rate)
        engine = self._make_engine(recipe, self._state())  # a copy, so that an error leaves the model as it is
        (before, after), p_before, p_after = take_steps(engine, tokens, self._first, 1, rate)
        self._engine, self._first, self._learned = engine, self._first + 1, self._learned + 1
        return LearnedExample(text, tokens, rate, before, after, p_before, p_after, self.vocabulary)

    def trace(
        self,
        text: Any,
        *,
        backward: bool = False,
        update: bool = False,
        learning_rate: float | None = None,
        digits: int = 4,
    ) -> Any:
        """Return a text worked out digit by digit with these weights, as ``python -m handcalc.trace`` does.

        ``backward`` continues to the loss and all gradients, ``update`` also to the new weights. The trace shows
        itself in a notebook, and ``trace.lines("attn.scores[0,1,0]")`` returns worked lines.

        Raises
        ------
        UserError
            As ``predict``, or if the trace would be too large, or an option is out of range.
        """
        check_flags(backward=backward, update=update)
        given = read(self.tokenizer, text)
        now = replace(self._checkpoint, values=self._engine.values())
        # By name: handcalc is built on this package, which therefore must not import it.
        library = import_module("handcalc.library")
        options = {"backward": backward, "update": update, "learning_rate": learning_rate, "digits": digits}
        return library.trace_text(now, self.name, given.text, given.tokens.tolist(), **options)

    def _logits_and_probabilities(self, tokens: Tokens) -> tuple[Array, Array]:
        kept: dict[str, Array] = {}

        def record(name: str, array: Any) -> None:
            if name == "logits":
                kept[name] = np.array(array[0])

        probabilities: Array = self._engine.predict(tokens[None], record)[0]
        return kept["logits"], probabilities

    def _read(self, text: Any) -> Reading:
        given = read(self.tokenizer, text)
        check_length(len(given.tokens), self.config.block_size)
        return given

    def _read_example(self, text: Any) -> Reading:
        given = read(self.tokenizer, text)
        check_example(len(given.tokens), self.config.block_size, "the text")
        return given

    def _state(self) -> InitialState:
        engine = self._engine
        return InitialState(
            engine.values(), engine.moments(), self.tokenizer, engine.engine_state(), engine.trained_values()
        )

    @property
    def _steps(self) -> int:
        return self._checkpoint.step + self._learned

    def _summary(self) -> str:
        parameters = count_of(parameter_count(self.config), "parameter")
        learned = f", {count_of(self._learned, 'example')} learned since" if self._learned else ""
        return f"{parameters}, {count_of(self._checkpoint.step, 'step')}{learned}"

    def __fspath__(self) -> str:
        """Return where the model was loaded from, so that a new run can start from its weights.

        Raises
        ------
        UserError
            If it has learned since, as what it learned is stored nowhere.
        """
        if self._learned:
            learned = count_of(self._learned, "example")
            raise UserError(
                f"the model has learned {learned} since it was loaded, which no file contains; load it again"
            )
        return str(self._checkpoint.path or self._choice.run)

    def __repr__(self) -> str:
        return short_repr(f"Model {self.name}: {self._summary()}")

    def _repr_html_(self) -> str:
        sizes = [(name, str(value)) for name, value in config_to_dict(self.config).items()]
        facts = [(name, f"{value:.4f}") for name, value in (self._checkpoint.facts or {}).items() if value is not None]
        rows = [*sizes, *(facts if not self._learned else [])]
        heading = f"{one_line(self.name, 60)}: {self._summary()}"
        return html_table(heading, ["", "value"], rows) + html_paragraph(f"vocabulary: {list_names(self.vocabulary)}")


def open_model(run: str | os.PathLike[str] | None, checkpoint: str, make_engine: MakeEngine) -> Model:
    """Return the model of a run, a checkpoint directory or another program, by default the one that ships.

    Raises
    ------
    UserError
        If there is none, it is damaged, or ``checkpoint`` is neither last nor best.
    """
    directory = SHIPPED_MODEL if run is None else to_path(run)
    if not isinstance(checkpoint, str) or checkpoint not in WHICH:
        raise UserError(f"checkpoint must be {' or '.join(map(repr, WHICH))}, not {describe(checkpoint)}")
    return Model(load_checkpoint(directory, checkpoint), ModelChoice(directory, checkpoint), make_engine)
