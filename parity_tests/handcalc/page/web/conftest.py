"""A real Chromium for the page's code: pages that load the modules from disk, and the page of "hello world"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import handcalc.page
from handcalc.page.web.html_format import html_page
from handcalc.tracing.trace import Trace
from parity_tests.handcalc.page.web.reader import Reader

WEB = Path(handcalc.page.__file__).parent / "web"
HERE = Path(__file__).parent
ORIGIN = "http://handcalc.test"


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


@pytest.fixture(scope="session")
def hello(train_shipped: Callable[..., Trace]) -> Trace:
    return train_shipped("hello world")


@pytest.fixture(scope="session")
def hello_html(hello: Trace) -> str:
    return html_page(hello)


@pytest.fixture(scope="session")
def opened(browser: Any, hello_html: str) -> Iterator[Reader]:
    reader = Reader(browser, hello_html)
    yield reader
    reader.close()


@pytest.fixture
def reader(opened: Reader) -> Iterator[Reader]:
    """Yield the page as it was opened; all tests share it."""
    yield opened
    opened.start_again()
