"""Throughput as displayed and logged: tokens, milliseconds, and an MFU that is never misleading."""

from __future__ import annotations

import json
import math

import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.progress import PlainDisplay
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training import throughput
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.throughput import Throughput, ThroughputMeter, operations_per_token
from numpy_gpt.shared.training.trainer import Progress, train
from parity_tests.shared.training.training_runs import Silent


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test controls."""
    now = [100.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    return now


def test_first_measurement_starts_the_clock(clock):
    meter = ThroughputMeter(tokens_per_step=128, max_iters=1000)
    assert math.isnan(meter.throughput(10, 1.0, None, None).tokens_per_second)
    clock[0] += 2.0
    assert meter.throughput(30, 1.0, None, 5) == Throughput(128 * 10.0, 100.0, None, 5)
    assert meter.seconds_left(30) == pytest.approx(97.0)


def test_pauses_are_excluded(clock):
    meter = ThroughputMeter(128, 1000)
    meter.throughput(0, 1.0, None, None)
    with meter.pause():
        clock[0] += 50.0
    clock[0] += 1.0
    assert meter.throughput(10, 1.0, None, None).ms_per_step == pytest.approx(100.0)


@pytest.mark.parametrize(("peak", "share"), [(1e6, 1280.0 * 50 / 1e6), (None, None), (math.nan, math.nan)])
def test_mfu(clock, peak, share):
    meter = ThroughputMeter(128, 1000)
    meter.throughput(0, 50.0, peak, None)
    clock[0] += 1.0
    assert meter.throughput(10, 50.0, peak, None).mfu == pytest.approx(share, nan_ok=True)


def test_operations_match_nanogpt():
    config = preset("shakespeare").model
    weights = 10_745_088 - 256 * 384  # all except the positions'
    assert operations_per_token(config) == 6 * weights + 12 * 6 * 6 * 64 * 256


def test_embedding_lookup_costs_nothing():
    shape = {"vocab_size": 65, "block_size": 8, "n_layer": 1, "n_head": 1, "n_embd": 4}
    tied, untied = (operations_per_token(GPTConfig(**shape, tie_weights=tie)) for tie in (True, False))
    assert tied == untied
    assert operations_per_token(BigramConfig(vocab_size=65, block_size=8)) == 0


@pytest.mark.parametrize(("mfu", "shown"), [(0.4213, "MFU 42.1%"), (math.nan, "MFU unknown"), (None, None)])
def test_mfu_in_the_progress_line(mfu, shown, capsys, monkeypatch):
    display = PlainDisplay(100)
    monkeypatch.setattr("numpy_gpt.shared.cli.progress._LINE_SECONDS", 0.0)
    display.progress(Progress(10, 1.0, 2.0, 1e-3, Throughput(5000.0, 1.5, mfu, 3 << 20), 9.0))
    line = capsys.readouterr().err
    assert "5,000 tokens/s  1.50 ms/step" in line
    assert "3 MiB" in line
    assert (shown in line) if shown else ("MFU" not in line)


def test_long_evaluation_shows_progress(capsys, monkeypatch):
    display = PlainDisplay(100)
    display.evaluation_progress(20, 1000)
    assert capsys.readouterr().err == ""  # within the first second
    monkeypatch.setattr("numpy_gpt.shared.cli.progress._LINE_SECONDS", 0.0)
    display.evaluation_progress(20, 12345)
    assert capsys.readouterr() == ("", "20/100  evaluating: 12,345 tokens so far\n")


def test_metrics_contain_throughput_without_nan(tmp_path):
    recipe = preset("tiny").override({"max_iters": 20, "eval_interval": 20, "log_interval": 5})
    engine = NumpyEngine(recipe, initial_values(recipe.model, 0, "float32"))
    engine.peak_flops = math.nan
    train(recipe, engine, load_corpus("tiny"), tmp_path, Silent())
    text = (tmp_path / "metrics.jsonl").read_text()
    lines = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert steps[-1]["tokens_per_second"] == pytest.approx(128e3 / steps[-1]["ms_per_step"])
    assert steps[-1]["mfu"] is None
    assert steps[-1]["peak_memory"] > 1 << 20
