"""What the commands share: descriptions, one-line errors, tables, and reports in JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re

import pytest

from benchmarks.support.child_process import ROOT
from benchmarks.support.command import (
    at_least_one,
    command_parser,
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


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_options_end_in_one_line(name, capsys):
    assert importlib.import_module(f"benchmarks.{name}").main(["--jsno", "x"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: unknown option '--jsno'")
    assert err.endswith(f"see python -m benchmarks.{name} --help\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("divergence --steps 0", "--steps: must be at least 1, not '0'"),
        ("divergence --steps=--", "--steps: must be a whole number, not '--'"),
        ("corpora --seeds 0", "--seeds: must be at least 1, not '0'"),
        ("corpora tiny", "a corpus must be one of 'words', 'grammar', not 'tiny'"),
        ("cuda --steps -1", "--steps: must be at least 1, not '-1'"),
        ("cuda --budget -1", "--budget: must be at least 0 and finite, not '-1'"),
        ("cuda --target nan", "--target: must be a number, not 'nan'"),
        ("cuda --target 0", "--target: must be above 0 and finite, not '0'"),
        ("growth --rounds x", "--rounds: must be a whole number, not 'x'"),
        ("growth --steps 0", "--steps: must be at least 1, not '0'"),
        ("growth --threads 1000000", "--threads: must be at most"),
        ("processes --rounds 0", "--rounds: must be at least 1, not '0'"),
        ("recipe_search --seeds -1", "--seeds: must be at least 0, not '-1'"),
        ("recipe_search --budget inf", "--budget: must be at least 0 and finite, not 'inf'"),
        ("sampling --seconds -1", "--seconds: must be at least 0 and finite, not '-1'"),
        ("sampling --threads 0", "--threads: must be at least 1, not '0'"),
        ("token_files --megabytes 0", "--megabytes: must be at least 1, not '0'"),
        ("token_files --words_megabytes -3", "--words_megabytes: must be at least 1, not '-3'"),
        ("token_files --bpe_megabytes 0", "--bpe_megabytes: must be at least 1, not '0'"),
        ("training_step --seconds inf", "--seconds: must be at least 0 and finite, not 'inf'"),
        ("training_step --rounds 0", "--rounds: must be at least 1, not '0'"),
    ],
)
def test_numbers_have_bounds(words, message, capsys):
    name, *arguments = words.split()
    assert importlib.import_module(f"benchmarks.{name}").main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


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
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        at_least_one("0")
