"""The benchmark of training steps times who it says it times, and its table and its JSON are well-formed."""

from __future__ import annotations

import json
import os
import statistics

import pytest

from benchmarks import training_step
from benchmarks.peers import contestants as training_contestants
from benchmarks.peers.contestants import CONTESTANTS, PRODUCT_OPERATIONS, PRODUCTS, measured, timed_recipe
from benchmarks.support.conditions import conditions, cores, in_words, on_cores, text_for
from benchmarks.training_step import HEADER, options_from, summary, table, thread_counts
from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.throughput import operations_per_token

ALL_CORES = cores()  # before any test could lose some
QUICK = [name for name in CONTESTANTS if name not in ("torch.compile", "JAX jit")]


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


def test_everyone_takes_steps_and_who_cannot_says_why(monkeypatch):
    def broken(recipe, tokens):
        raise RuntimeError("no compiler")

    monkeypatch.setitem(CONTESTANTS, "torch.compile", broken)
    recipe = timed_recipe("tiny16")
    times, absent = measured(recipe, load_corpus("tiny").train, [*QUICK, "torch.compile"], rounds=2, seconds=0.0)
    assert list(times) == [*PRODUCTS, *QUICK]
    assert all(len(each) == 2 for each in times.values())
    assert absent == {"torch.compile": "RuntimeError: no compiler"}


def test_a_call_of_numpy_gpt_is_the_next_step_of_its_training(monkeypatch):
    taken = []

    class Spy(training_contestants.NumpyEngine):
        def take_step(self, step, learning_rate):
            taken.append((step, learning_rate))
            return super().take_step(step, learning_rate)

    monkeypatch.setattr(training_contestants, "NumpyEngine", Spy)
    contestant = CONTESTANTS["numpy_gpt"](timed_recipe("tiny"), load_corpus("tiny").train)
    for _ in range(3):
        contestant.call()
    assert taken == [(0, 3e-3), (1, 3e-3), (2, 3e-3)]


def test_shakespeare_alone_is_timed_with_a_smaller_batch():
    assert timed_recipe("shakespeare").training.batch_size == 4
    assert timed_recipe("words").training == preset("words").training
    assert timed_recipe("shakespeare").model == preset("shakespeare").model


def test_the_summary_says_what_the_times_say():
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


def test_the_table_is_well_formed_and_names_random_tokens():
    lines = table([_result(), _result(text="random tokens")]).splitlines()
    assert len(lines) == 2 + 2 * 3
    assert {line.count("|") for line in lines} == {len(HEADER) + 1}
    assert "not measured: no ¦ JAX" in lines[4]
    assert ["random tokens" in line for line in lines[2:]] == [False] * 3 + [True] * 3


def test_the_command_prints_the_table_and_writes_json(capsys, tmp_path):
    path = tmp_path / "report.json"
    who = ["--contestants", "numpy_gpt", "torch eager"]
    training_step.main(
        ["--presets", "tiny", "--threads", "1", "--rounds", "1", "--seconds", "0", *who, "--json", str(path)]
    )
    printed = capsys.readouterr().out
    assert "| numpy_gpt |" in printed
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {"date", "processor", "cores", "python", "numpy", "torch"} <= set(report["conditions"])
    assert [row["who"] for row in report["rows"]] == ["numpy_gpt", "torch eager"]
    assert all("1 threads" in library for library in report["libraries"]["1"])


def test_a_process_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(training_step.sys, "executable", "false")
    with pytest.raises(UserError, match="timing 'tiny' must end well, and ended with status 1: it said nothing"):
        training_step.found("tiny", 1, options_from([]))


def test_unknown_presets_and_threads_are_known_before_anything_is_timed():
    assert thread_counts("1,all,1") == list(dict.fromkeys([1, len(cores())]))
    for wrong in ("0", "many", str(len(cores()) + 1), ""):
        with pytest.raises(UserError, match="--threads must name numbers from 1 to"):
            thread_counts(wrong)
    with pytest.raises(SystemExit, match="error: unknown preset 'tini'; did you mean 'tiny'"):
        training_step.main(["--presets", "tini"])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot hold a process to a core")
def test_child_processes_have_as_many_cores_as_threads_and_ours_come_back():
    with on_cores(1) as environment:
        assert cores() == ALL_CORES[-1:]
        assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    assert cores() == ALL_CORES


def test_without_the_file_tokens_are_random_and_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.delenv("GPT_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("gpt_data.texts.shakespeare.download", None)  # whoever calls it fails
    text = text_for(preset("shakespeare"), None)
    assert (text.origin, text.real) == ("random tokens", False)
    assert set(text.train.tolist()) == set(range(65))
    assert text_for(preset("tiny"), None).real
    with pytest.raises(UserError):
        text_for(preset("shakespeare"), str(tmp_path / "absent.txt"))


def test_settings_that_choose_other_kernels_stand_above_the_table(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert "OPENBLAS_CORETYPE" not in in_words(conditions())
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert ", OPENBLAS_CORETYPE=Haswell, " in in_words(conditions())
