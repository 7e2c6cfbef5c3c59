"""The recipe that a command line chooses.

A recipe starts from the preset; the --config file overrides it, and flags override both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.texts.corpora import Corpus, open_dataset
from gpt_data.tokens.batches import evaluation_windows
from gpt_data.tokens.id_tokenizer import IdTokenizer
from gpt_data.wording import quote, show_path
from numpy_gpt.shared.cli.parser import boolean, number, path, read_options, whole_number
from numpy_gpt.shared.model.config import GPTConfig, field_types
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig, stored_recipe
from numpy_gpt.shared.training.recipe_file import read_recipe_file

PRECEDENCE = "a recipe starts from the preset; the --config file overrides it, and flags override both"
_READERS: dict[type, Callable[[str], Any]] = {int: whole_number, float: number, bool: boolean, str: str}


class RecipeChoice(NamedTuple):
    """Which recipe to use: preset and file, the fields given as flags, and the file of the corpus shakespeare."""

    preset: str | None
    default_preset: str
    config: Path | None
    source: Path | None
    fields: Mapping[str, Any]


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


def load_recipe(choice: RecipeChoice, defaults: Mapping[str, Any]) -> tuple[Recipe, Corpus]:
    """Return the recipe, with its corpus's vocabulary size, and the corpus; the user's choices override ``defaults``.

    Raises
    ------
    UserError
        If the preset, the file or a flag is invalid, there is no such corpus, or its vocabulary does not fit.
    """
    in_file = read_recipe_file(choice.config) if choice.config else {}
    named = in_file.pop("preset", choice.default_preset)
    chosen = preset(choice.preset or named)
    changes = {**in_file, **choice.fields}
    try:
        recipe = chosen.override({**defaults, **changes})
    except UserError as error:
        raise UserError(f"{_file_prefix(chosen, choice)}{error}") from error
    bare = IdTokenizer(recipe.model.vocab_size) if "vocab_size" in changes else None
    corpus = open_dataset(recipe.dataset, choice.source, bare)
    if "vocab_size" not in changes and recipe.dataset != chosen.dataset:
        recipe = replace(recipe, model=replace(recipe.model, vocab_size=corpus.tokenizer.vocab_size))
    check_corpus(recipe, corpus)
    return recipe, corpus


def _file_prefix(recipe: Recipe, choice: RecipeChoice) -> str:
    """Return the file's name as a prefix of the error message, if the flags are valid without the file."""
    if choice.config is not None:
        with suppress(UserError):
            recipe.override(choice.fields)
            return f"{show_path(choice.config)}: "
    return ""


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
                f"{quote(corpus.name)} has {len(split):,}; {remedy}"
            )
        evaluation_windows(split, recipe.model.block_size, recipe.eval_stride)


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """Return the recipe that a model was trained with, or default training settings if the checkpoint has none."""
    recipe = stored_recipe(checkpoint)
    if recipe is None:
        recipe = Recipe(name="model", dataset="", model=checkpoint.config, training=TrainingConfig())
    dtype = next(iter(checkpoint.values.values())).dtype.name  # `rebuild` may have changed it
    return replace(recipe, model=checkpoint.config, training=replace(recipe.training, dtype=dtype))
