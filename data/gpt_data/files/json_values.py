"""Values from JSON files, checked in one place against the type that they are read as.

The schema is the type itself: a dataclass or TypedDict whose fields are numbers, text, lists, objects, alternatives
(``int | None``) or more such types. ``Annotated[int, AtLeast(0)]`` adds a lower limit, and
``Annotated[Tokenizer, From(tokenizer_from_dict)]`` names the function that makes the value from an object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints, is_typeddict

from gpt_data.errors import UserError
from gpt_data.wording import describe, list_names, quote, suggest

_DESCRIPTIONS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    list: "a list",
}


class AtLeast(NamedTuple):
    """An annotation: the smallest allowed number."""

    least: int


class From(NamedTuple):
    """An annotation: the function that makes the value from an object, or raises UserError."""

    make: Callable[[Mapping[str, Any]], Any]


def parse_json(content: bytes) -> Any:
    """Return the value of JSON in UTF-8; NaN and infinity, which JSON does not have, are refused.

    Raises
    ------
    ValueError
        If it is not JSON; the message is one line.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or brackets thousands deep
        raise ValueError(str(error).splitlines()[0]) from error


def convert(value: object, kind: Any, name: str = "") -> Any:
    """Return the value as ``kind``: an object becomes the dataclass, and other values are returned as they are.

    A field of a dataclass may be missing if it has a default. ``name`` is the value's name in messages.

    Raises
    ------
    UserError
        If the value, or one inside it, has another type, or a field is missing or unknown; the message names it.
    """
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for option in options:
        inner, limits = (get_args(option)[0], option.__metadata__) if get_origin(option) is Annotated else (option, ())
        make = next((limit.make for limit in limits if isinstance(limit, From)), None)
        if make is not None and isinstance(value, dict):
            return _call(make, value, name)
        if make is None and _has_type(value, inner):
            if least := [limit.least for limit in limits if value < limit.least]:
                raise UserError(f"{name or 'it'} must be at least {least[0]}, not {describe(value)}")
            return _convert_parts(value, inner, name)
    what = " or ".join(map(_describe, options))
    raise UserError(f"{name or 'it'} must be {what}, not {describe(value)}")


def _has_type(value: object, kind: Any) -> bool:
    """Return whether the value has the type, whatever its parts are; a whole number is also a float, true is not."""
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict if is_dataclass(kind) or is_typeddict(kind) else get_origin(kind) or kind)


def _convert_parts(value: Any, kind: Any, name: str) -> Any:
    if is_dataclass(kind):
        required = {item.name for item in fields(kind) if item.default is item.default_factory is MISSING}
        values = _convert_fields(value, kind, required, name)
        return _call(lambda known: kind(**known), values, name)  # type: ignore[operator]
    if is_typeddict(kind):
        return _convert_fields(value, kind, set(get_type_hints(kind)), name)
    if isinstance(value, dict) and get_args(kind):
        return {key: convert(part, get_args(kind)[1], _inside(name, key)) for key, part in value.items()}
    if isinstance(value, list) and get_args(kind):
        return [convert(part, get_args(kind)[0], f"{name}[{place}]") for place, part in enumerate(value)]
    return value


def _convert_fields(value: Mapping[str, Any], kind: Any, required: set[str], name: str) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    if unknown := sorted(set(value) - set(hints)):
        hint = suggest(unknown[0], hints) or ";"
        raise UserError(f"{name or 'it'} has the unknown field {quote(unknown[0])}{hint} known: {list_names(hints)}")
    if missing := [field for field in hints if field in required - set(value)]:
        raise UserError(f"{_inside(name, missing[0])} is missing")
    return {field: convert(part, hints[field], _inside(name, field)) for field, part in value.items()}


def _call(make: Callable[[Mapping[str, Any]], Any], values: Mapping[str, Any], name: str) -> Any:
    try:
        return make(values)
    except UserError as error:
        raise UserError(f"{name}: {error}" if name else str(error)) from error


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number larger than any float
        return False


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return _DESCRIPTIONS.get(get_origin(kind) or kind, "an object")


def _inside(name: str, part: str) -> str:
    shown = part if part.replace(".", "_").isidentifier() else quote(part)
    return f"{name}.{shown}" if name else shown


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
