"""Recipes in TOML files, with the names of the flags, at the top level or in the tables [model] and [training].

preset = "shakespeare-cpu"
dataset = "my-texts"
init_from = "runs/trained"

[model]
n_embd = 64

[training]
max_iters = 500
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_regular
from gpt_data.wording import describe, list_names, quote, show_path, suggest
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, field_types, has_type
from numpy_gpt.shared.training.recipe import TrainingConfig

_TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "model": field_types(BigramConfig) | field_types(GPTConfig),
    "training": field_types(TrainingConfig),
}
_NAMES: dict[str, tuple[type, ...]] = {"preset": (str,), "dataset": (str,), "init_from": (str,)}
_TOO_LARGE = 10**300  # close to the largest float; Python refuses to print numbers of more than 4,300 digits
_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


def read_recipe_file(path: Path) -> dict[str, Any]:
    """Return the settings of the file by field name, which may include ``preset``, ``dataset`` and ``init_from``.

    TOML has no empty value: "none" in quotes leaves an optional field, such as eval_stride, unset.

    Raises
    ------
    UserError
        If the file cannot be read or is not TOML, sets a field twice or to a value of the wrong type, or contains an
        unknown name.
    """
    import tomllib  # compiling its patterns is slow, and few runs need them

    place, text = show_path(path), read_regular(path)
    try:
        content = tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not TOML or not UTF-8, a number of thousands of digits, or [[[[[…
        reason = str(error).splitlines()[0]
        raise UserError(f"{place} must be a TOML file in UTF-8: {reason}") from error
    values: dict[str, Any] = {}
    try:
        for name, value, known in _settings(content):
            if name in values:
                raise UserError(f"{name} is set twice; keep one")
            values[name] = _parse_value(name, value, known)
    except ValueError as error:  # a UserError, or Python's own about a number in a list that is too long to print
        raise UserError(f"{place}: {error}") from error
    return values


def _settings(content: Mapping[str, Any]) -> Iterator[tuple[str, Any, dict[str, tuple[type, ...]]]]:
    """Yield the name and value of every setting, and the names allowed in its table with their types."""
    top_level = _NAMES | _TABLES["model"] | _TABLES["training"]
    for name, value in content.items():
        if not isinstance(value, dict):
            yield name, value, top_level
        elif name in _TABLES:
            for field, setting in value.items():
                yield field, setting, _TABLES[name]
        else:
            raise UserError(f"unknown table [{quote(name)[1:-1]}]; expected [{'] or ['.join(_TABLES)}]")


def _parse_value(name: str, value: Any, known: dict[str, tuple[type, ...]]) -> Any:
    if name not in known:
        for table, names in _TABLES.items():
            if name in names:
                raise UserError(f"{name} belongs to the table [{table}]; move it there")
        hint = suggest(name, known) or ";"
        raise UserError(f"unknown name {quote(name)}{hint} known: {list_names(known)}")
    types = known[name]
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise UserError(f"{name} must be a number of at most 300 digits")
    if NoneType in types and isinstance(value, str) and value.lower() == "none":
        return None
    if int in types and isinstance(value, float) and value.is_integer():
        return int(value)  # a thousand steps may be written as 1e3, which TOML reads as a float
    if not has_type(value, types):
        raise UserError(f"{name} must be {_TYPE_NAMES[types[0]]}, not {describe(value)}")
    return float(value) if float in types else value
