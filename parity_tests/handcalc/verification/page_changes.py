"""Change one character of a page, anywhere, and say whether handcalc.verify notices, or names it as not checked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from gpt_data.errors import UserError
from handcalc.page.json_format import json_lines
from handcalc.page.markdown import markdown_lines
from handcalc.page.text import text_lines
from handcalc.tracing.selection import Selection
from handcalc.tracing.trace import Trace
from handcalc.verification.document import read_document
from handcalc.verification.page_check import Report, check_document

WRITERS: dict[str, Callable[..., Iterator[str]]] = {
    "text": text_lines,
    "markdown": markdown_lines,
    "json": json_lines,
}
_LETTERS = "0123456789.,-+=()[]abcdefghijklmnopqrstuvwxyzXYZ_ \n|`\"'\\#"


def page_of(trace: Trace, form: str, *, full: bool = False) -> str:
    return "".join(f"{line}\n" for line in WRITERS[form](trace, Selection(), full=full))


def changed_pages(page: str, rng: random.Random) -> Iterator[str]:
    """Yield pages in which one character was replaced, removed or added."""
    while True:
        place = rng.randrange(len(page))
        digits = "0123456789" if page[place].isdigit() and rng.random() < 0.7 else _LETTERS
        letter = rng.choice(digits)
        yield page[:place] + rng.choice([letter, letter, letter + page[place], ""]) + page[place + 1 :]


def report_of(page: str) -> Report | None:
    """Return the report, or None if the page is refused."""
    try:
        document = read_document(page)
    except UserError:
        return None
    return check_document(document, None)


def is_noticed(page: str, right: Report, original: str) -> bool:
    """Return whether a changed page is reported, or says the same but for white space."""
    if page.split() == original.split() or _is_same_json(page, original):
        return True
    report = report_of(page)
    if report is None or report.findings:
        return True
    return report.unchecked != right.unchecked  # what was added is counted as not checked


def _is_same_json(page: str, original: str) -> bool:
    """Return whether both are JSON that says the same: there may be white space between its parts."""
    try:
        return page.startswith("{") and json.dumps(json.loads(page)) == json.dumps(json.loads(original))
    except ValueError:
        return False


def difference(page: str, original: str) -> str:
    """Return where the pages differ."""
    pairs = zip(page.split("\n"), original.split("\n"), strict=False)
    return next((f"{one!r} for {other!r}" for one, other in pairs if one != other), "at the end")
