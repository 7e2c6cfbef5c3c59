"""Read the words of a vocabulary back from the labels of a page's tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from handcalc.page.stated_facts import CHANGES, SPACE_INCLUDED, STAGES, read_short_tokens
from handcalc.tracing.plan import Plan
from handcalc.verification.document import Document
from handcalc.verification.plan_reader import join_words, token_rows
from handcalc.verification.table_reader import PrintedTable, read_tables

UNKNOWN = "?"


def read_words(document: Document, plan: Plan) -> tuple[str, ...]:
    """Return the vocabulary: each word as it is written most often; an unknown one is a question mark."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    pairs = _words_of_json(document.record) if document.record else _words_of_text(document, plan)
    for token, word in pairs:
        if isinstance(token, int) and isinstance(word, str):
            found[token][word] += 1
    words = [found[token].most_common(1)[0][0] if token in found else UNKNOWN for token in range(plan.sizes.v)]
    if UNKNOWN in words and " " not in words and _space(document) == " ":
        words[words.index(UNKNOWN)] = " "  # the page says that it is one of them
    return tuple(words)


def _words_of_json(record: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for field in ("tokens", "targets"):
        for one in record.get(field) or ():
            yield one.get("id"), one.get("word")
    number: Counter[Any] = Counter()
    compared = record.get("probabilities")
    for one in compared if isinstance(compared, list) else ():
        if isinstance(one, dict) and isinstance(one.get("position"), int):
            yield number[one["position"]], one.get("word")
            number[one["position"]] += 1


def _words_of_text(document: Document, plan: Plan) -> Iterator[tuple[int, str]]:
    """Yield the words of the tables, with the space that a page shows as ␣."""
    space = _space(document)
    for token, word in _visible_words(document, plan):
        yield token, word.replace("␣", space)


def _space(document: Document) -> str:
    """Return what a page means by ␣."""
    return " " if SPACE_INCLUDED in join_words(document.lines) else "␣"


def _visible_words(document: Document, plan: Plan) -> Iterator[tuple[int, str]]:
    for pairs in read_short_tokens(join_words(document.lines)):
        yield from ((token, word) for word, token in pairs)
    seen = False
    for row in token_rows(document.lines):
        for word, token in zip(row[1::2], row[2::2], strict=False):
            if token.isdecimal() and len(token) < 10:
                seen = True
                yield int(token), word
        if seen and not any(row):
            break
    for section in document.sections:
        for table in read_tables(document.lines, section.place, section.end):
            if table.title is None or table.title.text not in (CHANGES, STAGES):
                yield from _labels(table, plan)


def _labels(table: PrintedTable, plan: Plan) -> Iterator[tuple[int, str]]:
    sides = zip(table.corner, ([label for _, label, _ in table.rows], table.columns), strict=False)
    for letter, labels in sides:
        for label in labels:
            place, _, word = label.strip().partition(" ")
            if not word or not place.isdecimal() or len(place) > 9:
                continue
            if letter in "uv":
                yield int(place), word.strip()
            elif letter in "ts" and int(place) < len(plan.tokens):
                yield plan.tokens[int(place)], word.strip()
