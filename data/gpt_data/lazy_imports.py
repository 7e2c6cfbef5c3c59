"""Packages whose names are imported when they are first used: importing the package itself takes no time."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # that of typing takes as long to import as all the rest of a program's first moment
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package that offers these names of these modules."""
    homes = {name: module for module, names in modules.items() for name in names}

    def get_attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def list_attributes() -> list[str]:
        return sorted({*vars(import_module(package)), *homes})

    return get_attribute, list_attributes
