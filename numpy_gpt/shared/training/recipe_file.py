"""Recipes in TOML files: the same names as the flags, by themselves or under [model] and [training].

preset = "shakespeare-cpu"
dataset = "my-texts"

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
from gpt_data.wording import list_names, quote, show_path, suggest
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, kinds_of
from numpy_gpt.shared.training.recipe import TrainingConfig

_TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "model": kinds_of(BigramConfig) | kinds_of(GPTConfig),
    "training": kinds_of(TrainingConfig),
}
_NAMES: dict[str, tuple[type, ...]] = {"preset": (str,), "dataset": (str,)}
_TOO_LARGE = 10**300  # what comes near the largest float; Python does not even show a number of 4,300 digits
_WANTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


def read_recipe_file(path: Path) -> dict[str, Any]:
    """Return what the file sets, by field name; ``preset`` and ``dataset`` may be among them.

    TOML has no empty value: "none" in quotes leaves open what may be left open, such as eval_stride.

    Raises
    ------
    UserError
        If the file cannot be read, is no TOML, sets a field twice or to a value of the wrong type, or has a name that
        a recipe does not have.
    """
    import tomllib  # its patterns take a while, and few need them

    place, written = show_path(path), read_regular(path)
    try:
        content = tomllib.loads(written.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of thousands of digits, or [[[[[…
        reason = str(error).splitlines()[0]
        raise UserError(f"{place} must be a TOML file in UTF-8: {reason}") from error
    values: dict[str, Any] = {}
    try:
        for name, value, known in _settings(content):
            if name in values:
                raise UserError(f"{name} is set twice; keep one")
            values[name] = _checked(name, value, known)
    except ValueError as error:  # a UserError, or Python's own of a number in a list that it cannot show
        raise UserError(f"{place}: {error}") from error
    return values


def _settings(content: Mapping[str, Any]) -> Iterator[tuple[str, Any, dict[str, tuple[type, ...]]]]:
    """Yield name and value of every setting, and the names that may stand where it stands, with their types."""
    everywhere = _NAMES | _TABLES["model"] | _TABLES["training"]
    for name, value in content.items():
        if not isinstance(value, dict):
            yield name, value, everywhere
        elif name in _TABLES:
            for field, setting in value.items():
                yield field, setting, _TABLES[name]
        else:
            raise UserError(f"a recipe has the tables [{'] and ['.join(_TABLES)}], and not [{quote(name)[1:-1]}]")


def _checked(name: str, value: Any, known: dict[str, tuple[type, ...]]) -> Any:
    if name not in known:
        for table, names in _TABLES.items():
            if name in names:
                raise UserError(f"{name} belongs to the table [{table}]; move it there")
        hint = suggest(name, known) or ";"
        raise UserError(f"unknown name {quote(name)}{hint} there may be: {list_names(known)}")
    kinds = known[name]
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise UserError(f"{name} must be a number of at most 300 digits")
    if NoneType in kinds and isinstance(value, str) and value.lower() == "none":
        return None
    if int in kinds and isinstance(value, float) and value.is_integer():
        return int(value)  # 1e3 is how people write a thousand steps; TOML takes it for a number with decimals
    allowed: Any = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
        raise UserError(f"{name} must be {_WANTED[kinds[0]]}, not {value!r:.60}")
    return float(value) if float in kinds else value
