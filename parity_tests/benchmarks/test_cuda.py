"""The GPU benchmark, rehearsed on the CPU: it prints all its tables even if parts of it fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks import cuda
from benchmarks.gpu import suite
from benchmarks.gpu.modes import measure_speed, training_modes
from parity_tests.benchmarks.gpu.settings import rows_of
from parity_tests.benchmarks.peers.nanogpt_checkout import write_checkout

MODES = training_modes("cpu")
REHEARSAL = ["--device", "cpu", "--preset", "tiny", "--steps", "4", "--modes", "eager", "half"]


def _tables(printed):
    parts = printed.split("\n## ")[1:]
    return {part.splitlines()[0]: [line for line in part.splitlines() if line.startswith("|")] for part in parts}


def test_a_rehearsal_measures_everything(capsys, tmp_path):
    path = tmp_path / "report.json"
    cuda.main([*REHEARSAL, "--peer", str(write_checkout(tmp_path)), "--target", "9", "--json", str(path)])
    printed = capsys.readouterr().out
    assert printed.startswith("REHEARSAL")
    speed, divergence, peer, loss = (rows_of(table) for table in _tables(printed).values())
    assert [line.split(" | ")[0] for line in speed] == ["| eager, float32", "| + bfloat16"]
    assert all("| yes |" in line for line in divergence)
    assert "nanoGPT, " in peer[1]
    assert not any("failed" in line or "not measured" in line for line in [*speed, *divergence, *peer, *loss])
    report = json.loads(path.read_text(encoding="utf-8"))
    assert set(report) == {"device", "recipe", "speed", "divergence", "peer", "loss"}
    assert [line.split(" | ")[1] for line in loss] == ["whole split"]  # tiny has no estimate
    assert report["loss"]["measures"]["whole split"]["reached_step"] == 2


def test_without_a_gpu_losses_are_compared(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "compile", lambda function: function)  # compiling would take half a minute
    cuda.main(["--steps", "3", "--modes", "eager", "graphs", "--budget", "60"])
    speed, divergence, peer, loss = (rows_of(table) for table in _tables(capsys.readouterr().out).values())
    for line in [*speed, *peer, *loss]:
        assert "not measured: no CUDA device" in line
    assert "| eager, float32 | yes |" in divergence[0]


def test_a_failing_mode_is_a_row(capsys, monkeypatch):
    def broken(setting, variant):
        if variant.dtype == "bfloat16":
            raise RuntimeError("an illegal\naccess | of memory")
        return measure_speed(setting, variant)

    monkeypatch.setattr(suite, "measure_speed", broken)
    cuda.main(REHEARSAL)
    speed, divergence, _ = (rows_of(table) for table in _tables(capsys.readouterr().out).values())
    assert "failed: RuntimeError: an illegal access ¦ of memory" in speed[1]
    assert "failed" not in speed[0]
    assert len(divergence) == 2


def test_nothing_starts_without_time(capsys):
    cuda.main([*REHEARSAL, "--budget", "0"])
    for table in _tables(capsys.readouterr().out).values():
        assert all("not measured" in line for line in rows_of(table))


def test_a_wrong_file_is_a_note(capsys, tmp_path, monkeypatch):
    (tmp_path / "other.txt").write_text("another text", encoding="utf-8")
    monkeypatch.setenv("GPT_DATA_DIR", str(tmp_path))  # it does not contain the file either
    options = [*REHEARSAL[:3], "minigpt", "--steps", "1", "--modes", "eager", "--source", str(tmp_path / "other.txt")]
    cuda.main(options)
    printed = capsys.readouterr()
    assert "must be Tiny Shakespeare" in printed.err
    speed, _, loss = _tables(printed.out).values()
    assert "not measured" not in speed[2]
    assert "not measured: random tokens cannot be learnt" in loss[2]


def test_unknown_modes_and_devices(capsys):
    assert cuda.main([*REHEARSAL[:-2], "fast"]) == 2
    assert "error: a mode must be one of 'eager', 'half', 'compile', 'graphs', not" in capsys.readouterr().err
    assert cuda.main(["--device", "gpu"]) == 2
    assert "error: device must be auto, cpu, cuda, cuda:N or mps, not 'gpu'" in capsys.readouterr().err


def test_it_runs_without_installation_or_extras(tmp_path):
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
main(["--device", "cpu", "--preset", "tiny", "--steps", "2", "--modes", "eager"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| eager, float32 | yes |" in done.stdout
