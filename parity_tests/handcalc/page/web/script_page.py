"""The page's program as a reader's browser runs it: put together, in one script of a page, with what a test adds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handcalc.page.web.web_script import web_script

HERE = Path(__file__).parent
ENTRIES = ("tracing/trace.js", "arithmetic/writing.js")

Call = Callable[..., Any]
"""A function that calls one of the script's functions, by name, with arguments as JSON, and returns its result."""


def open_script(browser: Any, glue: str, change: Callable[[str], str] = str) -> Call:
    """Run the program in a new page, ``change``d first, together with ``glue``, a file of this directory.

    The glue is more text of the same module; it makes the functions that are to be called global.
    """
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    script = change(web_script(*ENTRIES)) + (HERE / glue).read_text(encoding="utf-8")
    page.set_content(f'<!doctype html><script type="module">{script}</script>')
    assert errors == []

    def call(function: str, *arguments: Any) -> Any:
        # As JSON: the browser's own protocol is slow for thousands of values.
        code = "([name, json]) => JSON.stringify(globalThis[name](...JSON.parse(json)))"
        return json.loads(page.evaluate(code, [function, json.dumps(arguments)]))

    return call
