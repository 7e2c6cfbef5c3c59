"""The benchmark of sampling: every implementation yields the counted tokens, and the tables are well-formed."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("threadpoolctl")

from benchmarks import sampling


def test_samplers_yield_the_requested_tokens():
    config, writers = sampling.samplers("tiny")
    assert list(writers) == ["numpy_gpt", "numpy_gpt plain", "torch_gpt", "torch idiomatic"]
    for write in writers.values():
        for cache in (True, False):
            assert len(list(write([0], config.block_size, cache))) == config.block_size


def test_position_counts_the_tokens_before(monkeypatch):
    clock = [0]
    monkeypatch.setattr(sampling.time, "perf_counter", lambda: clock[0])

    def write(prompt, count, cache):
        assert cache is True
        for before in range(len(prompt), len(prompt) + count):
            clock[0] += before
            yield 0

    assert sampling.seconds_at(write, 250, True) == pytest.approx(250, abs=1)


def test_a_shape_is_measured_beside_hugging_face(capsys, tmp_path):
    pytest.importorskip("transformers", reason="the extra interop is not installed")
    path = tmp_path / "report.json"
    quick = ["--rounds", "1", "--threads", "1", "--prompt", "3", "--tokens", "4", "--json", str(path)]
    assert sampling.main(["--shape", "small", *quick]) == 0
    lines = capsys.readouterr().out.strip().split("\n\n")[-1].splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["numpy_gpt", "torch_gpt", "Hugging Face"]
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [row["rounds"][0]["tokens"] for row in rows] == [4, 4, 4]
    assert all(row["rounds"][0]["first"] > 0 for row in rows)


def test_without_transformers_the_message_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert sampling.main(["--shape", "small"]) == 2
    assert "transformers, which is missing; pip install transformers" in capsys.readouterr().err


def test_the_command_prints_both_tables(capsys, tmp_path):
    path = tmp_path / "report.json"
    quick = ["--rounds", "1", "--seconds", "0", "--threads", "1"]
    sampling.main(["--presets", "tiny", "--position_preset", "minigpt", *quick, "--json", str(path)])
    tables = [part.splitlines() for part in capsys.readouterr().out.strip().split("\n\n")[1:]]
    assert [len(table) for table in tables] == [6, 6]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "ms at 8 tokens | ms at 26 |" in tables[1][0]
    report = json.loads(path.read_text(encoding="utf-8"))
    implementations = ["numpy_gpt", "numpy_gpt plain", "torch_gpt", "torch idiomatic"]
    assert [row["implementation"] for row in report["contexts"]] == implementations
    assert all(row["late_over_early"] > 0 for row in report["positions"])
