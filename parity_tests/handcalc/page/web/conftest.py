"""A real Chromium for the page's code: one browser per session, and pages that load the modules from disk.

Without a browser the tests skip with one line that says how to get it. With HANDCALC_BROWSER_REQUIRED=1 they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import handcalc.page

WEB = Path(handcalc.page.__file__).parent / "web"
HERE = Path(__file__).parent
ORIGIN = "http://handcalc.test"
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


@pytest.fixture(scope="session")
def modules(browser: Any) -> Iterator[Any]:
    """Open an empty page in which ``import("/arithmetic/decimal.js")`` loads the page's modules from disk.

    ``/tests/`` has the modules of this directory; ``/few_bits/`` has those of ``/arithmetic/``, but with so few spare
    bits that the errors of rounding show in the results.
    """
    page = browser.new_page()
    page.route("**/*", _serve)
    page.goto(f"{ORIGIN}/")
    yield page
    page.close()


def _serve(route: Any) -> None:
    path = route.request.url.removeprefix(ORIGIN).lstrip("/")
    if not path:
        route.fulfill(body="<!doctype html><title>tests</title>", content_type="text/html; charset=utf-8")
        return
    room, _, name = path.rpartition("/")
    file = {"tests": HERE, "few_bits": WEB / "arithmetic"}.get(room, WEB / room) / name
    if file.suffix != ".js" or not file.is_file():
        route.fulfill(status=404, body="")
        return
    text = file.read_text(encoding="utf-8")
    if room == "few_bits":
        text = text.replace("const SPARE_BITS = 24;", "const SPARE_BITS = -20;")
        assert name != "functions.js" or "-20" in text
    route.fulfill(body=text, content_type="text/javascript; charset=utf-8")
