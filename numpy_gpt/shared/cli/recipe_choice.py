"""Which recipe a command line means: the preset, then the file of --config, then the flags; the later one wins."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.texts.corpora import Corpus, open_dataset
from gpt_data.tokens.batches import evaluation_windows
from gpt_data.wording import show_path
from numpy_gpt.shared.cli.parser import add_recipe_flags, recipe_changes
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import Recipe
from numpy_gpt.shared.training.recipe_file import read_recipe_file

PRECEDENCE = "a recipe is the preset's, changed by the file of --config, changed by the flags: the later one wins"


def add_recipe_choice(parser: argparse.ArgumentParser, default_preset: str) -> None:
    """Give the parser what chooses a recipe and its text."""
    parser.add_argument("preset", nargs="?", help=f"one of {', '.join(PRESETS)} (default: {default_preset})")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a recipe in TOML, with the names of the flags below"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="a corpus, or a directory made by `prepare` or by nanoGPT (default: the preset's)",
    )
    add_source_flag(parser)
    # What suits a device goes before the preset, and after all that the user says.
    parser.set_defaults(default_preset=default_preset, device_defaults={})
    add_recipe_flags(parser)


def add_source_flag(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flag for a text that is on the disk already."""
    parser.add_argument(
        "--source", type=Path, metavar="FILE", help="take the corpus `shakespeare` from a file (or set GPT_DATA_DIR)"
    )


def chosen_recipe(arguments: argparse.Namespace) -> tuple[Recipe, Corpus]:
    """Return the recipe, its vocabulary that of its corpus, and the corpus.

    Raises
    ------
    UserError
        If preset, file or a flag is wrong, there is no such corpus, or its vocabulary does not fit.
    """
    in_file = read_recipe_file(arguments.config) if arguments.config else {}
    named = in_file.pop("preset", arguments.default_preset)
    name, flags = arguments.preset or named, recipe_changes(arguments)
    changes = in_file | flags
    try:
        recipe = preset(name).override(arguments.device_defaults | changes)
    except UserError as error:
        raise UserError(f"{_origin(preset(name), flags, arguments.config)}{error}") from error
    corpus = open_dataset(recipe.dataset, arguments.source)
    if "vocab_size" not in changes and recipe.dataset != preset(name).dataset:
        recipe = replace(recipe, model=replace(recipe.model, vocab_size=corpus.tokenizer.vocab_size))
    check_corpus(recipe, corpus)
    return recipe, corpus


def _origin(recipe: Recipe, flags: Mapping[str, Any], file: Path | None) -> str:
    """Return the file's name, for a message, where the flags without it would be right."""
    if file is not None:
        with suppress(UserError):
            recipe.override(flags)
            return f"{show_path(file)}: "
    return ""


def check_corpus(recipe: Recipe, corpus: Corpus) -> None:
    """Say what is wrong with the corpus for a recipe, before anything is computed or written.

    Raises
    ------
    UserError
        If the model's vocabulary is too small for it, a split too short for a window, or windows leave gaps.
    """
    if recipe.model.vocab_size < corpus.tokenizer.vocab_size:
        raise UserError(
            f"vocab_size={recipe.model.vocab_size} is too small for the corpus {corpus.name!r}; "
            f"try {corpus.tokenizer.vocab_size}"
        )
    for split in (corpus.train, corpus.val):
        evaluation_windows(split, recipe.model.block_size, recipe.eval_stride)
