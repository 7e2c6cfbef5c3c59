"""What the benchmarks' commands share: a description, errors in one line, and a report that JSON can hold."""

from __future__ import annotations

import importlib
import json
import math
import re

import pytest

from benchmarks.support.command import command_parser, errors_in_one_line, write_report
from benchmarks.support.conditions import ROOT
from gpt_data.errors import UserError

COMMANDS = [
    "corpora", "cuda", "divergence", "growth", "processes", "recipe_search", "sampling", "token_files", "training_step",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_describes_itself_in_words(name):
    description = command_parser(importlib.import_module(f"benchmarks.{name}").__doc__).description
    assert len(description) > 20
    assert "`" not in description
    assert not re.search(r"(:|\b(of|as|that|beside))\.$", description)


def test_every_module_that_is_a_command_is_known():
    modules = (ROOT / "benchmarks").glob("*.py")
    found = {path.stem for path in modules if "command_parser(__doc__)" in path.read_text(encoding="utf-8")}
    assert found == set(COMMANDS)


def test_an_error_of_the_user_ends_the_process_with_its_line_and_others_stay_what_they_are():
    with pytest.raises(SystemExit, match=r"^error: no such thing$"), errors_in_one_line():
        raise UserError("no such thing")
    with pytest.raises(ZeroDivisionError), errors_in_one_line():
        raise ZeroDivisionError


def test_a_report_is_json_and_says_where_it_cannot_be_written(tmp_path):
    write_report(None, {"a": 1})
    write_report(tmp_path / "a.json", {"a": math.nan, "b": (1.5, -math.inf)})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": None, "b": [1.5, None]}
    with pytest.raises(UserError, match=r"cannot write .*b\.json: No such file or directory; check the path of --json"):
        write_report(tmp_path / "none" / "b.json", {})
