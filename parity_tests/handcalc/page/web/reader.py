"""A reader of the web page, in a real browser: what is displayed, and what a hand with mouse or keyboard does to it."""

from __future__ import annotations

import json
from typing import Any

from handcalc.arithmetic.writing import cell_label, format_number
from handcalc.formulas.attribution import attribution_steps
from handcalc.page.web.html_format import html_page
from handcalc.tracing.trace import Trace, extend

ADDRESS = "http://handcalc.test/hello.html"

_SIZE: Any = {"width": 1440, "height": 1000}

_OPEN_ALL = """() => {
  for (const details of document.querySelectorAll("details.part, details.step")) details.open = true;
  return new Promise((resolve) => setTimeout(resolve));
}"""

_NUMBERS = """() => {
  const numbers = {};
  for (const cell of document.querySelectorAll("td[data-cell]")) {
    const { dataset: { cell: label }, textContent: text } = cell;
    if (label in numbers && numbers[label] !== text) throw new Error(`${label} is ${numbers[label]} and ${text}`);
    numbers[label] = text;
  }
  return JSON.stringify(numbers);
}"""

_GO = """(label) => {
  const moved = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
  location.hash = `#${label}`;
  return moved.then(() => null);
}"""

_LINES = """async (labels) => {
  const lines = [];
  let last = "";
  const layout = document.querySelector(".layout");
  layout.style.display = "none"; // thousands of lines are read: the page need not be laid out for each
  for (const label of labels) {
    const name = label.split("[")[0];
    if (name !== last) document.querySelectorAll("details.step[open]").forEach(fold);
    last = name;
    const moved = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
    location.hash = `#${label}`;
    await moved;
    lines.push(document.querySelector("#line code.worked")?.textContent ?? null);
  }
  layout.style.display = "";
  return JSON.stringify(lines);

  function fold(step) { // as the page does after a change: tables that are folded away are made again later
    step.open = false;
    step.querySelector(".step-body").replaceChildren();
  }
}"""


_START_AGAIN = """() => {
  document.querySelector("#close-line")?.click();
  if (!document.querySelector("#changes").hidden) document.querySelector("#reset").click();
  document.querySelectorAll("#steps details[open]").forEach((details) => details.removeAttribute("open"));
  document.querySelectorAll(".step-body").forEach((body) => body.replaceChildren());
  document.activeElement.blur();
  scrollTo(0, 0);
}"""


class Reader:
    """The page of a trace, open in a browser; ``errors`` has everything that the browser complained about."""

    def __init__(self, browser: Any, html: str, address: str = "", **context: Any) -> None:
        self.page = browser.new_page(**({"viewport": _SIZE} | context))
        self.page.set_default_timeout(10_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.route("**/*", lambda route: self._answer(route, html))
        self.page.goto(ADDRESS + address)
        self.page.wait_for_selector("#comparison:not(:empty)")

    def start_again(self) -> None:
        """Return the page to how it was opened: quicker than to open another one."""
        self.page.evaluate(_START_AGAIN)
        self.page.emulate_media(media="screen")
        self.page.set_viewport_size(_SIZE)
        self.page.mouse.move(0, 0)
        assert self.errors == [], self.errors

    def _answer(self, route: Any, html: str) -> None:
        if route.request.url.split("#")[0] == ADDRESS:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif route.request.url.endswith("/favicon.ico"):
            route.fulfill(status=204)
        else:
            self.errors.append(f"asked for {route.request.url}")
            route.abort()

    def close(self) -> None:
        """Close the page, on which nothing may have gone wrong."""
        self.page.close()
        assert self.errors == [], self.errors

    def text(self, selector: str) -> str:
        """Return the text of the first element that a selector means, as it is displayed."""
        return str(self.page.locator(selector).first.inner_text())

    def open_all(self) -> None:
        """Unfold every step, so that all numbers are on the page."""
        self.page.evaluate(_OPEN_ALL)

    def numbers(self) -> dict[str, str]:
        """Return the number in each cell of the tables that were opened; it is the same in all of them."""
        self.page.wait_for_selector("[aria-busy]", state="detached")
        return dict(json.loads(self.page.evaluate(_NUMBERS)))

    def go(self, label: str) -> None:
        """Go to the address of a number."""
        if self.page.evaluate("location.hash") != f"#{label}":
            self.page.evaluate(_GO, label)

    def lines(self, labels: list[str]) -> list[str | None]:
        """Return the worked line of each number, from its panel; None if it has none."""
        return list(json.loads(self.page.evaluate(_LINES, labels)))

    def edit(self, label: str, text: str) -> None:
        """Change a weight."""
        self.go(label)
        self.page.fill("#new-value", text)
        self.page.click("#set-weight")

    def choose_word(self, place: int, token: int) -> None:
        """Choose another word in a place of the text."""
        self.page.select_option(f"#word-{place}", str(token))

    def take_step(self) -> None:
        """Take the update."""
        self.page.click("#take-step")


def expected_numbers(trace: Trace) -> dict[str, str]:
    """Return what the page of a trace must show in each cell, by label."""
    full = extend(trace, attribution_steps(trace.plan.config, trace.plan.sizes))
    return {
        cell_label(name, index): "masked" if (name, index) in full.masked else format_number(value)
        for name, values in full.numbers.items()
        if not name.startswith("before.")
        for index, value in values.items()
    }


def differences(found: dict[str, str], trace: Trace) -> list[str]:
    """Return the first numbers of a page that are not those of a trace."""
    right = expected_numbers(trace)
    labels = [label for label in right | found if right.get(label) != found.get(label)]
    return [f"{label}: {found.get(label)}, not {right.get(label)}" for label in labels[:5]]


def open_page(browser: Any, trace: Trace, address: str = "", **context: Any) -> Reader:
    """Return a reader of a trace's page."""
    return Reader(browser, html_page(trace), address, **context)


def page_data(html: str) -> dict[str, Any]:
    """Return the data that a page carries."""
    start = html.index(">", html.index('id="trace"')) + 1
    return dict(json.loads(html[start : html.index("</script>", start)]))
