"""The web page's program: the modules under ``web/``, put together as the text of one module, without any bundler.

A module is hand-written JavaScript that keeps to a few rules, which are checked here. It imports by name and without
renaming, ``import { a, b } from "./x.js";``, each import on one line. It exports where it declares, with ``export
function``, ``export class`` or ``export const``, one name at a time. No two modules declare the same name at the top
level. So modules can be concatenated in the order of their imports, and nothing needs to be renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from posixpath import dirname, join, normpath
from typing import NamedTuple

WEB = files("handcalc.page.web")

_IMPORT = re.compile(r'import \{ ([\w$]+(?:, [\w$]+)*) \} from "(\.[\w./]+\.js)";')
_DECLARATION = re.compile(r"(export )?(?:(?:async )?function\*? ?|class |(?:const|let) )([\w$]+)(?=[ (=;])")
_MODULE_LINE = re.compile(r"(?:import|export|const|let|var|function|async function|class)\b")
_UNSAFE = re.compile(r"</script|<script|<!--", re.IGNORECASE)


class _Module(NamedTuple):
    """A module: the names it imports, module → names; the names it declares and exports; its text without either."""

    imports: dict[str, list[str]]
    declared: list[str]
    exported: frozenset[str]
    text: str


def web_script(*entries: str, web: Traversable = WEB) -> str:
    """Return the modules ``entries``, paths under ``web``, and all that they import, as the text of one module.

    Raises
    ------
    ValueError
        If a module does not keep to the rules, imports what does not exist, or imports itself through others.
    """
    modules = _modules(entries, web)
    _check_names(modules)
    return "\n".join(f"// {path}\n\n{module.text}" for path, module in modules.items())


def _modules(entries: tuple[str, ...], web: Traversable) -> dict[str, _Module]:
    """Return the modules, each after those that it imports."""
    modules: dict[str, _Module] = {}

    def add(path: str, importers: tuple[str, ...]) -> None:
        if path in importers:
            raise ValueError(f"{' → '.join((*importers, path))}: a module must not import itself through others")
        if path in modules:
            return
        module = _read_module(path, web)
        for imported in module.imports:
            add(imported, (*importers, path))
        modules[path] = module

    for entry in entries:
        add(entry, ())
    return modules


def _read_module(path: str, web: Traversable) -> _Module:
    file = web / path
    if not file.is_file():
        raise ValueError(f"there is no module {path}")
    text = file.read_text(encoding="utf-8")
    if unsafe := _UNSAFE.search(text):
        raise ValueError(f"{path} contains {unsafe[0]}, which would end the page's script")
    imports: dict[str, list[str]] = {}
    declared, exported, kept = [], [], []
    for line in text.splitlines():
        if match := _IMPORT.fullmatch(line):
            imports.setdefault(normpath(join(dirname(path), match[2])), []).extend(match[1].split(", "))
            continue
        if match := _DECLARATION.match(line):
            declared.append(match[2])
            exported += [match[2]] if match[1] else []
        elif _MODULE_LINE.match(line):
            raise ValueError(f"{path}: {line!r} is not an import or a declaration as web_script allows them")
        kept.append(line.removeprefix("export "))
    return _Module(imports, declared, frozenset(exported), "\n".join(kept).strip() + "\n")


def _check_names(modules: dict[str, _Module]) -> None:
    """Refuse a name that two modules declare, and an import of what the other module does not export."""
    owners: dict[str, str] = {}
    for path, name in _declarations(modules):
        if name in owners:
            raise ValueError(f"{path} and {owners[name]} both declare {name}; give one of the two another name")
        owners[name] = path
    for path, module in modules.items():
        for source, names in module.imports.items():
            if missing := sorted(set(names) - modules[source].exported):
                raise ValueError(f"{path} imports {missing[0]}, which {source} does not export")


def _declarations(modules: dict[str, _Module]) -> Iterator[tuple[str, str]]:
    for path, module in modules.items():
        for name in module.declared:
            yield path, name
