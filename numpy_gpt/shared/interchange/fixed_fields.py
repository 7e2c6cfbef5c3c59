"""What is the same in every model of a program, so that its format has no field for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import GPTConfig


def require_fields(config: GPTConfig, fixed: Mapping[str, Any], program: str) -> None:
    """Check that a model has the values that are fixed in a program.

    Raises
    ------
    UserError
        If a field differs; the message names it.
    """
    for name, value in fixed.items():
        if getattr(config, name) != value:
            remedy = "no other program's format has it either" if name == "norm" else "use another format"
            raise UserError(
                f"{program}'s model always has {name}={value!r}, but this one has {getattr(config, name)!r}; {remedy}"
            )
