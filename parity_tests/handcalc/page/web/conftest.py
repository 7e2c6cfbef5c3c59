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
        _give_up("Playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            _give_up(str(error).splitlines()[0])
        yield chromium
        chromium.close()


def _give_up(reason: str) -> NoReturn:
    message = f"{_HELP} ({reason})"
    if os.environ.get("HANDCALC_BROWSER_REQUIRED") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def modules(browser: Any) -> Iterator[Any]:
    """Open an empty page in which ``import("/arithmetic/decimal.js")`` loads the page's modules from disk.

    ``/tests/`` has the modules of this directory.
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
    file = HERE / path.removeprefix("tests/") if path.startswith("tests/") else WEB / path
    if file.suffix == ".js" and file.is_file():
        route.fulfill(body=file.read_text(encoding="utf-8"), content_type="text/javascript; charset=utf-8")
    else:
        route.fulfill(status=404, body="")
