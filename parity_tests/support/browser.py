"""A real Chromium: one browser per session.

Without a browser the tests skip with one line that says how to get it. With HANDCALC_BROWSER_REQUIRED=1 they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

_HELP = "needs Chromium and Playwright: apt install chromium, pip install playwright"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start a headless Chromium: the system's, or else the one that Playwright has installed."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        give_up(f"{_HELP} (Playwright is not installed)")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            give_up(f"{_HELP} ({str(error).splitlines()[0]})")
        yield chromium
        chromium.close()


def give_up(message: str) -> NoReturn:
    """Skip a test that needs what is not there; where a browser is required, fail it."""
    if os.environ.get("HANDCALC_BROWSER_REQUIRED") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def accessibility_violations(page: Any) -> list[tuple[str, str]]:
    """Return what axe-core finds on a page: the rule, and the first element that breaks it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert len(found["passes"]) > 10  # it did look
    return [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
