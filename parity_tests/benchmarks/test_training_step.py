"""The benchmark of training steps: it times the named implementations, and its table and JSON are well-formed."""

from __future__ import annotations

import json
import statistics

import pytest

from benchmarks import training_step
from benchmarks.peers import implementations
from benchmarks.peers.implementations import IMPLEMENTATIONS, PRODUCT_OPERATIONS, PRODUCTS, benchmark_recipe, time_steps
from benchmarks.support.child_process import available_cores
from benchmarks.training_step import HEADER, summary, table, thread_counts
from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.throughput import operations_per_token

QUICK = [name for name in IMPLEMENTATIONS if name not in ("torch.compile", "JAX jit")]


def _result(**changes):
    times = {PRODUCTS[0]: [2.0, 3.0, 4.0], PRODUCTS[1]: [1.0, 2.0, 4.0]}
    times |= {"numpy_gpt": [4.0, 4.0, 8.0], "torch eager": [2.0, 4.0, 1.0]}
    return {
        "preset": "tiny",
        "threads": 1,
        "times": times,
        "absent": {"JAX jit": "no | JAX"},
        "text": "tiny",
        **changes,
    }


def test_failing_implementations_are_absent(monkeypatch):
    def broken(recipe, tokens):
        raise RuntimeError("no compiler")

    monkeypatch.setitem(IMPLEMENTATIONS, "torch.compile", broken)
    recipe = benchmark_recipe("tiny16")
    times, absent = time_steps(recipe, load_corpus("tiny").train, [*QUICK, "torch.compile"], rounds=2, seconds=0.0)
    assert list(times) == [*PRODUCTS, *QUICK]
    assert all(len(each) == 2 for each in times.values())
    assert absent == {"torch.compile": "RuntimeError: no compiler"}


def test_a_call_is_the_next_step(monkeypatch):
    taken = []

    class Spy(implementations.NumpyEngine):
        def take_step(self, step, learning_rate):
            taken.append((step, learning_rate))
            return super().take_step(step, learning_rate)

    monkeypatch.setattr(implementations, "NumpyEngine", Spy)
    workload = IMPLEMENTATIONS["numpy_gpt plain"](benchmark_recipe("tiny"), load_corpus("tiny").train)
    for _ in range(3):
        workload.call()
    assert taken == [(0, 3e-3), (1, 3e-3), (2, 3e-3)]


@pytest.mark.parametrize("name", ["tiny", "shakespeare-cpu"])
def test_the_step_that_is_timed_is_replayed(monkeypatch, name):
    engines = []

    class Spy(implementations.NumpyEngine):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            engines.append(self)

    monkeypatch.setattr(implementations, "NumpyEngine", Spy)
    for implementation, expected in (("numpy_gpt", "replay"), ("numpy_gpt plain", "plain")):
        workload = IMPLEMENTATIONS[implementation](benchmark_recipe(name), load_corpus("tiny").train)
        workload.call()
        assert engines[-1].execution == expected


def test_only_shakespeare_has_another_batch():
    assert benchmark_recipe("shakespeare").training.batch_size == 4
    assert benchmark_recipe("words").training == preset("words").training
    assert benchmark_recipe("shakespeare").model == preset("shakespeare").model


def test_summary_of_times():
    row, eager, absent = summary(_result())
    assert row["seconds"] == 4.0
    assert (row["ratio_of_medians"], row["median_of_ratios"]) == (2.0, 2.0)
    assert (eager["ratio_of_medians"], eager["median_of_ratios"]) == (1.0, 1.0)
    recipe = preset("tiny")
    operations = 16 * 8 * operations_per_token(recipe.model)
    limit = PRODUCT_OPERATIONS / statistics.median([1.0, 2.0, 4.0])
    assert row["part_of_limit"] == pytest.approx(operations / 4.0 / limit)
    assert row["tokens_per_second"] == 32.0
    assert absent["absent"] == "no | JAX"


def test_the_table_names_random_tokens():
    lines = table([_result(), _result(text="random tokens")]).splitlines()
    assert len(lines) == 2 + 2 * 3
    assert {line.count("|") for line in lines} == {len(HEADER) + 1}
    assert "not measured: no ¦ JAX" in lines[4]
    assert ["random tokens" in line for line in lines[2:]] == [False] * 3 + [True] * 3


def test_the_command_prints_the_table(capsys, tmp_path):
    path = tmp_path / "report.json"
    who = ["--implementations", "numpy_gpt", "torch eager"]
    training_step.main(
        ["--presets", "tiny", "--threads", "1", "--rounds", "1", "--seconds", "0", *who, "--json", str(path)]
    )
    printed = capsys.readouterr().out
    assert "| numpy_gpt |" in printed
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {"date", "cpu", "cores", "python", "numpy", "torch"} <= set(report["environment"])
    assert [row["implementation"] for row in report["rows"]] == ["numpy_gpt", "torch eager"]
    assert all("1 threads" in library for library in report["libraries"]["1"])


def test_unknown_presets_and_threads(capsys):
    assert thread_counts("1,all,1") == list(dict.fromkeys([1, len(available_cores())]))
    for wrong in ("0", "many", str(len(available_cores()) + 1), ""):
        with pytest.raises(UserError, match="--threads must be numbers from 1 to"):
            thread_counts(wrong)
    assert training_step.main(["--presets", "tini"]) == 2
    assert "error: unknown preset 'tini'; did you mean 'tiny'" in capsys.readouterr().err
