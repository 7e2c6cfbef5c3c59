"""``--help`` on a terminal: paragraphs and lists are wrapped, and a wrapped example is still one command."""

from __future__ import annotations

import shlex
import sys

import pytest

from gpt_data.help_text import HelpFormatter, colour_help
from gpt_data.terminal import colour

EPILOG = """\
A paragraph whose first line is written wide enough to be wrapped,
and whose second line belongs to it. It ends here.

exit status:
  0    success
  130  interrupted with Ctrl-C, or a text that needs more than a line
       of its source

examples:
  program short
  program "a quoted text, with spaces" --option value --other 'another quoted text' --last
"""


@pytest.fixture
def lines(monkeypatch):
    """Return the lines of EPILOG on a terminal of 50 columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "50")
    return HelpFormatter("program")._fill_text(EPILOG, 48, "").split("\n")


def test_help_fits_the_terminal(lines):
    assert max(map(len, lines)) <= 48
    assert lines[:3] == [
        "A paragraph whose first line is written wide",
        "enough to be wrapped, and whose second line",
        "belongs to it. It ends here.",
    ]
    start = lines.index("exit status:")
    assert lines[start + 1 : start + 4] == [
        "  0    success",
        "  130  interrupted with Ctrl-C, or a text that",
        "       needs more than a line of its source",
    ]


def test_wrapped_examples_can_be_copied(lines):
    copied = "\n".join(lines[lines.index("examples:") + 1 :]).replace("\\\n", " ").splitlines()
    written = EPILOG[EPILOG.index("examples:\n") + 10 :].splitlines()
    assert [shlex.split(line) for line in copied] == [shlex.split(line) for line in written]
    assert any('"a quoted text, with spaces"' in line for line in lines)


def test_help_elsewhere_is_unchanged(capsys):
    assert HelpFormatter("program")._fill_text(EPILOG, 48, "") == EPILOG.rstrip("\n") + "\n"


def test_headings_and_options_have_colours():
    help_text = "usage: program [-h]\n\noptions:\n  -h, --help  show: this\n  --all       everything"
    assert colour_help(help_text, colour) == (
        f"{colour('heading', 'usage:')} program [-h]\n\n{colour('heading', 'options:')}\n"
        f"  {colour('name', '-h, --help')}  show: this\n  {colour('name', '--all')}       everything"
    )
