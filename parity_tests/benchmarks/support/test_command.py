"""What the commands share: descriptions, one-line errors, tables, and reports in JSON."""

from __future__ import annotations

import importlib
import json
import math
import re

import pytest

from benchmarks.support.child_process import ROOT
from benchmarks.support.command import (
    at_least_one,
    command_parser,
    errors_in_one_line,
    markdown_table,
    to_json,
    write_report,
)
from gpt_data.errors import UserError

COMMANDS = [
    "corpora", "cuda", "divergence", "growth", "processes", "recipe_search", "sampling", "token_files", "training_step",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_description(name):
    description = command_parser(importlib.import_module(f"benchmarks.{name}").__doc__).description
    assert len(description) > 20
    assert "`" not in description
    assert not re.search(r"(:|\b(of|as|that|beside))\.$", description)


def test_the_list_of_commands_is_complete():
    modules = (ROOT / "benchmarks").glob("*.py")
    found = {path.stem for path in modules if "command_parser(__doc__)" in path.read_text(encoding="utf-8")}
    assert found == set(COMMANDS)


def test_user_errors_end_in_one_line():
    with pytest.raises(SystemExit, match=r"^error: no such thing$"), errors_in_one_line():
        raise UserError("no such thing")
    with pytest.raises(ZeroDivisionError), errors_in_one_line():
        raise ZeroDivisionError


def test_reports_are_json(tmp_path):
    write_report(None, {"a": 1})
    write_report(tmp_path / "a.json", {"a": math.nan, "b": (1.5, -math.inf)})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": None, "b": [1.5, None]}
    with pytest.raises(UserError, match=r"cannot write .*b\.json: No such file or directory; is it writable"):
        write_report(tmp_path / "none" / "b.json", {})


def test_json_has_only_finite_numbers():
    assert to_json({"a": [1.5, math.nan], "b": (math.inf, "nan", None, 3)}) == {
        "a": [1.5, None],
        "b": [None, "nan", None, 3],
    }


def test_every_row_has_the_header_s_cells():
    table = markdown_table(("a", "b"), [("1", "an error\nof two | lines"), ("", 2)])
    assert table.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | an error of two ¦ lines |", "|  | 2 |"]
    with pytest.raises(ValueError, match="2 cells"):
        markdown_table(("a", "b"), [("1",)])


def test_at_least_one_round():
    assert at_least_one("3") == 3
    with pytest.raises(ValueError, match="at least 1"):
        at_least_one("0")
