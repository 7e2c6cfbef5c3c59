"""The text of ``--help``: on a terminal it fits the width, with examples that can still be copied, and in colour."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from textwrap import wrap

from gpt_data.terminal import WIDEST, Style, screen_size

_QUOTED_OR_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_ITEM = re.compile(r"  [-\w]+  +")  # a word and its meaning, as in a list of exit statuses
_HEADING = re.compile(r"^(?:\w[\w ]*:$|usage:|exit status:)", re.MULTILINE)
_OPTION = re.compile(r"^  (-{1,2}\w+(?:, --\w+)*)", re.MULTILINE)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Write descriptions as they are; on a terminal, wrap their paragraphs, lists and examples at its width."""

    def __init__(self, prog: str) -> None:
        size = screen_size()
        super().__init__(prog, width=None if size is None else min(size.columns, WIDEST) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if screen_size() is None:
            return super()._fill_text(text, width, indent)
        return "\n".join(line for item in _items(text) for line in _wrap_item(item, width))


def _items(text: str) -> Iterator[str]:
    """Yield the text's paragraphs and the items of its lists, each as one line, and its empty lines."""
    item: list[str] = []
    for line in text.splitlines():
        starts_item = line[:2] == "  " and line[2:3] != " "
        if item and (starts_item or not line or item[0].endswith(":")):
            yield " ".join(item)
            item = []
        if line:
            item.append(line.strip() if item else line)
        else:
            yield ""
    if item:
        yield " ".join(item)


def _wrap_item(item: str, width: int) -> list[str]:
    """Return the lines of a paragraph or an item; a command is continued as a shell continues it."""
    if len(item) <= width:
        return [item]
    start = _ITEM.match(item)
    if start or not item.startswith("  "):
        continued = " " * (start.end() if start else 0)
        return wrap(item, width, subsequent_indent=continued, break_on_hyphens=False, break_long_words=False)
    lines = ["  "]
    for word in _QUOTED_OR_WORD.findall(item):
        if lines[-1].strip() and len(lines[-1]) + 1 + len(word) + len(" \\") > width:
            lines[-1] += " \\"
            lines.append(" " * 4 + word)
        else:
            lines[-1] += word if not lines[-1].strip() else f" {word}"
    return lines


def colour_help(text: str, style: Style) -> str:
    """Return the help with its headings and the names of its options in their styles."""
    text = _HEADING.sub(lambda found: style("heading", found[0]), text)
    return _OPTION.sub(lambda found: f"  {style('name', found[1])}", text)
