"""The benchmark for a card, rehearsed on the processor: all its tables come, whatever fails, and its bound can fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import cuda
from benchmarks.gpu import course as card_run
from benchmarks.gpu.budget import OutOfTime, at_most, attempted
from benchmarks.gpu.course import beside_peer
from benchmarks.gpu.divergence import RoundingEngine, compared, losses_of, references
from benchmarks.gpu.report import divergence_table, loss_table, peer_table, speed_table
from benchmarks.gpu.variants import Setting, speed_of, time_to_loss, variants
from benchmarks.peers.nanogpt import peer_module
from benchmarks.support.command import plain
from benchmarks.support.conditions import text_for
from gpt_data.errors import UserError
from numpy_gpt.shared.training.presets import preset
from torch_gpt.engine import TorchEngine

WAYS = variants("cpu")
REHEARSAL = ["--device", "cpu", "--preset", "tiny", "--steps", "4", "--ways", "eager", "half"]

# What a checkout of nanoGPT offers, around the idiomatic model.
PEER = """
from dataclasses import dataclass
import torch
from benchmarks.peers.torch_modules import IdiomaticGPT
from numpy_gpt.shared.model.config import GPTConfig as Config
@dataclass
class GPTConfig:
    block_size: int = 1
    vocab_size: int = 1
    n_layer: int = 1
    n_head: int = 1
    n_embd: int = 1
    dropout: float = 0.0
    bias: bool = True
class GPT(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.inner = IdiomaticGPT(Config(**vars(config)))
        print("number of parameters: 1")
    def forward(self, tokens, targets=None):
        return None, self.inner(tokens, targets)
    def configure_optimizers(self, weight_decay, learning_rate, betas, device_type):
        return torch.optim.AdamW(self.parameters(), learning_rate, betas, weight_decay=weight_decay)
"""


def _setting(steps=30, **changes):
    recipe = preset("tiny").override({"warmup_iters": 0, **changes})
    return Setting(recipe, text_for(recipe, None), "cpu", steps)


def _tables(printed):
    parts = printed.split("\n## ")[1:]
    return {part.splitlines()[0]: [line for line in part.splitlines() if line.startswith("|")] for part in parts}


def _well_formed(table):
    assert len({line.count("|") for line in table}) == 1
    return table[2:]


def test_a_rehearsal_measures_everything(capsys, tmp_path):
    (tmp_path / "model.py").write_text(PEER, encoding="utf-8")
    path = tmp_path / "report.json"
    cuda.main([*REHEARSAL, "--peer", str(tmp_path), "--target", "9", "--json", str(path)])
    printed = capsys.readouterr().out
    assert printed.startswith("REHEARSAL")
    speed, divergence, peer, loss = (_well_formed(table) for table in _tables(printed).values())
    assert [line.split(" | ")[0] for line in speed] == ["| eager, float32", "| + bfloat16"]
    assert all("| yes |" in line for line in divergence)
    assert "nanoGPT, " in peer[1]
    assert not any("failed" in line or "not measured" in line for line in [*speed, *divergence, *peer, *loss])
    report = json.loads(path.read_text(encoding="utf-8"))
    assert set(report) == {"card", "recipe", "speed", "divergence", "peer", "loss"}
    assert [line.split(" | ")[1] for line in loss] == ["whole split"]  # tiny has no estimate
    assert report["loss"]["measures"]["whole split"]["reached_step"] == 2


def test_without_a_card_only_the_losses_are_compared(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "compile", lambda function: function)  # it would take half a minute
    cuda.main(["--steps", "3", "--ways", "eager", "graphs", "--budget", "60"])
    speed, divergence, peer, loss = (_well_formed(table) for table in _tables(capsys.readouterr().out).values())
    for line in [*speed, *peer, *loss]:
        assert "not measured: no CUDA device" in line
    assert "| eager, float32 | yes |" in divergence[0]


def test_a_way_that_fails_is_a_row_and_the_others_go_on(capsys, monkeypatch):
    def broken(setting, variant):
        if variant.dtype == "bfloat16":
            raise RuntimeError("an illegal\naccess | of memory")
        return speed_of(setting, variant)

    monkeypatch.setattr(card_run, "speed_of", broken)
    cuda.main(REHEARSAL)
    speed, divergence, _ = (_well_formed(table) for table in _tables(capsys.readouterr().out).values())
    assert "failed: RuntimeError: an illegal access ¦ of memory" in speed[1]
    assert "failed" not in speed[0]
    assert len(divergence) == 2


def test_nothing_is_begun_when_the_time_is_over(capsys):
    cuda.main([*REHEARSAL, "--budget", "0"])
    for table in _tables(capsys.readouterr().out).values():
        assert all("not measured" in line for line in _well_formed(table))


def test_what_outstays_its_share_is_ended_and_no_handler_of_errors_prevents_that():
    def stubborn():
        try:
            time.sleep(30)
        except Exception:
            return "went on"

    began = time.perf_counter()
    assert attempted(stubborn, began + 0.05) == "not measured: it would not fit into the time budget"
    assert time.perf_counter() - began < 5
    with pytest.raises(OutOfTime), at_most(-1):
        pass
    assert attempted(lambda: 3, time.perf_counter() + 60) == 3


def test_without_noise_the_control_is_the_explicit_path_bit_for_bit():
    setting = _setting()
    explicit = TorchEngine(setting.recipe, RoundingEngine(setting, 0.0, 0).values())
    explicit.begin(setting.text.train)
    assert losses_of(RoundingEngine(setting, 0.0, 0), 5).tolist() == losses_of(explicit, 5).tolist()
    assert (
        losses_of(RoundingEngine(setting, 1e-6, 0), 5).tolist()
        != losses_of(RoundingEngine(setting, 1e-6, 1), 5).tolist()
    )


def test_every_way_stays_within_the_bound_and_one_that_trains_otherwise_does_not():
    setting = _setting(60)
    explicit, allowed = references(setting, ["float32", "bfloat16"], setting.steps)
    for name in ("eager", "half"):
        assert compared(setting, WAYS[name], explicit, allowed)["holds"]
    # Far outside, whatever rounding does: over four seeds 590 to 830 times, and 12 to 16 times the bound.
    for name, changes in (("eager", {"learning_rate": 3e-3 * 1.01}), ("half", {"beta1": 0.5})):
        assert not compared(_setting(60, **changes), WAYS[name], explicit, allowed)["holds"]
    assert not compared(setting, WAYS["eager"], explicit * math.nan, allowed)["holds"]


def test_the_time_to_a_loss_is_that_of_the_first_evaluation_that_reaches_it():
    setting = _setting(max_iters=90, eval_interval=30, learning_rate=1e-2, eval_iters=5)
    found = time_to_loss(setting, WAYS["eager"], 3.0, math.inf)
    assert found["steps"] == 90
    assert list(found["measures"]) == ["whole split", "nanoGPT's estimate"]
    for measured in found["measures"].values():
        assert measured["reached_step"] in (30, 60)
        assert 0 < found["first_seconds"] < measured["reached_seconds"] < found["seconds"]
        assert measured["best_step"] in (30, 60, 90)
        assert measured["best_loss"] <= min(measured["loss"], 3.0)
    whole, estimated = (measured["loss"] for measured in found["measures"].values())
    assert 0 < abs(whole - estimated) < 0.2  # two measures of one model
    early = time_to_loss(setting, WAYS["eager"], 0.0, time.perf_counter())
    assert early["measures"]["whole split"]["reached_step"] is None
    alone = time_to_loss(_setting(max_iters=2, eval_interval=1), WAYS["eager"], 9.0, math.inf)
    assert list(alone["measures"]) == ["whole split"]
    assert early["notes"] == ["stopped after 1 of 90 steps: the time budget"]


def test_the_peer_is_imported_by_path_and_takes_its_own_steps(tmp_path, capsys):
    (tmp_path / "model.py").write_text(PEER, encoding="utf-8")
    options = cuda.options_from(["--peer", str(tmp_path)])
    found = beside_peer(_setting(2), WAYS["half"], options)
    ours, theirs = found["each"].values()
    assert (ours["median"], ours["parameters"]) == (1.0, 1134)
    assert theirs["parameters"] == 1134
    assert capsys.readouterr().out == ""  # what the peer prints goes to stderr
    with pytest.raises(UserError, match="must name a checkout of nanoGPT"):
        peer_module(tmp_path / "elsewhere")


def test_tables_take_any_figures():
    memory = {
        "first_seconds": 1.0,
        "seconds": 0.01,
        "tokens_per_second": 5.0,
        "mfu": 0.5,
        "peak_memory": 2**30,
        "notes": [],
    }
    results = {"a": memory, "b": {**memory, "mfu": math.nan, "notes": ["one", "two"]}, "c": "failed: so"}
    rows = _well_formed(speed_table(results).splitlines())
    assert "| 50.0% | 1,024 |" in rows[0]
    assert "| peak unknown |" in rows[1]
    apart = {
        "apart": [0.1] * 60,
        "allowed": [0.05] * 60,
        "holds": False,
        "worst_part": 2.0,
        "worst_step": 7,
        "notes": [],
    }
    rows = _well_formed(divergence_table({"a": apart, "b": "failed: so"}).splitlines())
    assert rows[0].startswith("| a | NO | 2.00, at step 7 |")
    _well_formed(loss_table({"a": "not measured: so"}, 1.5).splitlines())
    _well_formed(peer_table("not measured: so").splitlines())


def test_json_holds_no_number_that_is_not_finite():
    assert plain({"a": [1.5, math.nan], "b": (math.inf, "nan", None, 3)}) == {
        "a": [1.5, None],
        "b": [None, "nan", None, 3],
    }


def test_a_wrong_file_is_a_note_and_the_speed_is_measured_all_the_same(capsys, tmp_path, monkeypatch):
    (tmp_path / "other.txt").write_text("another text", encoding="utf-8")
    monkeypatch.setenv("GPT_DATA_DIR", str(tmp_path))  # where there is none either
    options = [*REHEARSAL[:3], "minigpt", "--steps", "1", "--ways", "eager", "--source", str(tmp_path / "other.txt")]
    cuda.main(options)
    printed = capsys.readouterr()
    assert "must be Tiny Shakespeare" in printed.err
    speed, _, loss = _tables(printed.out).values()
    assert "not measured" not in speed[2]
    assert "not measured: random tokens cannot be learnt" in loss[2]


def test_an_unknown_way_or_device_is_one_line():
    with pytest.raises(SystemExit, match="a way of training must be one of 'eager', 'half', 'compile', 'graphs', not"):
        cuda.main([*REHEARSAL[:-2], "fast"])
    with pytest.raises(SystemExit, match="error: device must be auto, cpu, cuda, cuda:N or mps, not 'gpu'"):
        cuda.main(["--device", "gpu"])


@pytest.mark.prove
def test_it_needs_neither_an_installation_nor_the_other_extras(tmp_path):
    root = Path(__file__).parents[2]
    script = f"""
import sys
for name in ("safetensors", "rich", "matplotlib", "tensorboardX", "threadpoolctl", "jax", "pytest", "hypothesis"):
    sys.modules[name] = None
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path[:] = [p for p in sys.path if not p.rstrip("/").endswith("data")]
sys.path.insert(0, {str(root)!r})
import benchmarks.recipe_search
from benchmarks.cuda import main
main(["--device", "cpu", "--preset", "tiny", "--steps", "2", "--ways", "eager"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| eager, float32 | yes |" in done.stdout
