"""The recipe that a command line chooses.

A recipe starts from the preset; the --config file overrides it, and flags override both. With --init_from the model is
that of a trained one, and so are the settings, unless a preset is named.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from gpt_data.checks import to_path
from gpt_data.errors import UserError
from gpt_data.terminal import print_prose
from gpt_data.texts.corpora import CORPORA, Corpus, open_dataset
from gpt_data.texts.re_encoding import re_encode
from gpt_data.tokens.batches import evaluation_windows
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.wording import count_of, quote, show_path
from numpy_gpt.shared.cli.model_choice import load_model, name_model
from numpy_gpt.shared.cli.parser import boolean, number, path, read_options, whole_number
from numpy_gpt.shared.cli.program import InitialState
from numpy_gpt.shared.model.config import GPTConfig, field_types
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, Checkpoint
from numpy_gpt.shared.training.initial_weights import describe_weights, own_recipe, recipe_from_weights, weights_for
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig, stored_recipe
from numpy_gpt.shared.training.recipe_file import read_recipe_file

PRECEDENCE = "a recipe starts from the preset; the --config file overrides it, and flags override both"
_READERS: dict[type, Callable[[str], Any]] = {int: whole_number, float: number, bool: boolean, str: str}


class RecipeChoice(NamedTuple):
    """Which recipe to use: preset and file, the fields given as flags, and the file of the corpus shakespeare.

    ``init_from`` is the place of the initial weights, if they are not drawn.
    """

    preset: str | None
    default_preset: str
    config: Path | None
    source: Path | None
    init_from: Path | None
    fields: Mapping[str, Any]


class InitialRun(NamedTuple):
    """A new run: its recipe and text, the trained model whose weights it starts from, and what to tell about that."""

    recipe: Recipe
    corpus: Corpus
    model: Checkpoint | None = None
    notes: tuple[str, ...] = ()

    def state(self) -> InitialState:
        """Return what its engine starts from, with initial weights that are drawn unless they come from a model."""
        recipe = self.recipe
        if self.model is None:
            values = initial_values(recipe.model, recipe.training.seed, recipe.training.weights_dtype)
        else:
            values = weights_for(self.model, recipe)
        return InitialState(values, None, self.corpus.tokenizer)


def add_recipe_flags(parser: argparse.ArgumentParser, default_preset: str, *, several: bool = False) -> None:
    """Add the flags that choose a recipe and its text; with ``several``, a flag accepts values a,b,c as a tuple."""
    parser.add_argument("preset", nargs="?", help=f"one of {', '.join(PRESETS)} (default: {default_preset})")
    parser.add_argument(
        "--config", type=path, metavar="FILE", help="a recipe in TOML, with the names of the flags below"
    )
    parser.add_argument(
        "--dataset",
        type=_several(str) if several else str,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="a corpus, or a directory made by `prepare` or by nanoGPT (default: the preset's)",
    )
    add_source_flag(parser)
    what = "start from the weights of a trained model: a run, a checkpoint's directory, or a model of another program "
    what += "(without PLACE: the model that ships); its shape stays, but dropout may change and block_size shrink"
    parser.add_argument("--init_from", type=path, nargs="?", const=SHIPPED_MODEL, metavar="PLACE", help=what)
    for title, config in (("model", GPTConfig), ("training", TrainingConfig)):
        group = parser.add_argument_group(title)
        for item in fields(config):
            add_field_flag(group.add_argument, config, item.name, several=several)


def add_field_flag(
    add_argument: Callable[..., object], config: type, name: str, *, several: bool = False, **options: Any
) -> None:
    """Add a flag for a field of a config, with its type and help; if not given, it is absent from the namespace.

    ``options`` override arguments of ``add_argument``, a method of a parser or of one of its groups.
    """
    kind, *others = field_types(config)[name]
    read = _or_none(_READERS[kind]) if NoneType in others else _READERS[kind]
    (item,) = (item for item in fields(config) if item.name == name)
    settings: dict[str, Any] = {
        "type": _several(read) if several else read,
        "default": argparse.SUPPRESS,
        "metavar": kind.__name__.upper(),
        "help": item.metadata["help"].replace("%", "%%"),
    }
    if kind is bool:
        settings |= {"nargs": "?", "const": True}
    add_argument(f"--{name}", **settings | options)


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.lower() == "none" else read(text)


def _several(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def read_several(text: str) -> Any:
        values = tuple(read(part) for part in text.split(","))
        return values if len(values) > 1 else values[0]

    return read_several


def add_source_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag for a text that is already on disk."""
    parser.add_argument(
        "--source", type=path, metavar="FILE", help="read the corpus `shakespeare` from a file (or set GPT_DATA_DIR)"
    )


def read_recipe_choice(arguments: argparse.Namespace, default_preset: str) -> RecipeChoice:
    """Return what the flags of ``add_recipe_flags`` choose."""
    names = {"dataset", *(item.name for config in (GPTConfig, TrainingConfig) for item in fields(config))}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return read_options(RecipeChoice, arguments, default_preset=default_preset, fields=given)


def initial_run(choice: RecipeChoice, defaults: Mapping[str, Any]) -> InitialRun:
    """Return a new run of the chosen recipe; the user's choices override ``defaults``.

    Raises
    ------
    UserError
        If the preset, the file or a flag is invalid, there is no such corpus or model, or they do not fit together.
    """
    in_file = read_recipe_file(choice.config) if choice.config else {}
    named_in_file, place_in_file = in_file.pop("preset", None), in_file.pop("init_from", None)
    named = choice.preset or named_in_file
    if choice.init_from is not None or place_in_file is not None:
        place = to_path(place_in_file) if choice.init_from is None else choice.init_from
        return _run_from_weights(place, preset(named) if named else None, in_file, choice, defaults)
    chosen = preset(named or choice.default_preset)
    recipe = _override(lambda changes: chosen.override({**defaults, **changes}), in_file, choice)
    changes = {**in_file, **choice.fields}
    bare = IdTokenizer(recipe.model.vocab_size) if "vocab_size" in changes else None
    corpus = open_dataset(recipe.dataset, choice.source, bare)
    if "vocab_size" not in changes and recipe.dataset != chosen.dataset:
        recipe = replace(recipe, model=replace(recipe.model, vocab_size=corpus.tokenizer.vocab_size))
    check_corpus(recipe, corpus)
    return InitialRun(recipe, corpus)


def _run_from_weights(
    place: Path, base: Recipe | None, in_file: Mapping[str, Any], choice: RecipeChoice, defaults: Mapping[str, Any]
) -> InitialRun:
    if base is None and str(place) in PRESETS and not os.path.lexists(place):
        raise UserError(
            f"no model at {place}; to start the preset {place} from the model that ships, put {place} first"
        )
    model, name = load_model(place), name_model(place)
    start = base or own_recipe(model)
    recipe = _override(lambda changes: recipe_from_weights(model, name, start, changes, defaults), in_file, choice)
    if not recipe.dataset:
        raise UserError(f"{name} does not say what it was trained on; choose a text with --dataset, or a preset")
    try:
        own = open_dataset(recipe.dataset, choice.source, model.tokenizer)
    except UserError as error:
        if base is not None or recipe.dataset != start.dataset or recipe.dataset in CORPORA:  # it is the user's choice
            raise
        raise UserError(f"{error}; if the text of {name} has moved, give --dataset") from error
    corpus = re_encode(own, model.tokenizer)
    check_corpus(recipe, corpus)
    return InitialRun(recipe, corpus, model, (*describe_weights(model, recipe), *_describe_ids(own, corpus, model)))


def _describe_ids(own: Corpus, corpus: Corpus, model: Checkpoint) -> Iterator[str]:
    """Yield how the text got the model's ids, if it did not have them; one with bare ``own`` ids has the tokenizer."""
    text, known = f"the corpus {quote(corpus.name)}", model.tokenizer
    if own.tokenizer is known or isinstance(own.tokenizer, IdTokenizer) or isinstance(known, IdTokenizer):
        yield f"the ids of {text} are taken to be those of the model's tokens: nothing says what they mean"
    elif own.tokenizer != known:
        yield f"{text} is encoded with the model's own vocabulary of {count_of(known.vocab_size, 'token')}"


def _override(
    make_recipe: Callable[[Mapping[str, Any]], Recipe], in_file: Mapping[str, Any], choice: RecipeChoice
) -> Recipe:
    """Return the recipe with the settings of file and flags; an error names the file if it is not the flags' own."""
    try:
        return make_recipe({**in_file, **choice.fields})
    except UserError as error:
        if choice.config is None:
            raise
        try:
            make_recipe(choice.fields)
        except UserError:
            raise error from None
        raise UserError(f"{show_path(choice.config)}: {error}") from error


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user must know about a run, on stderr, one sentence a paragraph."""
    for note in notes:
        print_prose(f"note: {note}", sys.stderr)


def check_corpus(recipe: Recipe, corpus: Corpus, remedy: str = "use a longer text or a smaller block_size") -> None:
    """Check that a corpus fits a recipe, before anything is computed or written; ``remedy`` is for a short split.

    Raises
    ------
    UserError
        If the model's vocabulary is too small for it, a split is too short for a window, or windows leave gaps.
    """
    if recipe.model.vocab_size < corpus.tokenizer.vocab_size:
        raise UserError(
            f"vocab_size={recipe.model.vocab_size} is too small for the corpus {quote(corpus.name)}; "
            f"try {corpus.tokenizer.vocab_size}"
        )
    block_size = recipe.model.block_size
    for name, split in (("training", corpus.train), ("validation", corpus.val)):
        if len(split) <= block_size:
            raise UserError(
                f"a window of {block_size=} needs {block_size + 1} tokens, and the {name} split of "
                f"{quote(corpus.name)} has {len(split):,}; {remedy}, or prepare your own "
                f"text with a {'smaller' if name == 'training' else 'larger'} --val_share"
            )
        evaluation_windows(split, recipe.model.block_size, recipe.eval_stride)


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """Return the recipe that a model was trained with, or default training settings if the checkpoint has none."""
    recipe = stored_recipe(checkpoint)
    if recipe is None:
        recipe = Recipe(name="model", dataset="", model=checkpoint.config, training=TrainingConfig())
    dtype = next(iter(checkpoint.values.values())).dtype.name  # `rebuild` may have changed it
    return replace(recipe, model=checkpoint.config, training=replace(recipe.training, dtype=dtype))
