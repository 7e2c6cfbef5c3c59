"""A disk that fills up at any moment of training: one error line, and everything written before is intact."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from numpy_gpt.shared.runs.run_directory import load_newest

_PROGRAM = """
import resource, signal, sys
import numpy_gpt.cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.exit(numpy_gpt.cli.main(sys.argv[1:]))
"""
TRAIN = ["train", "tiny", "--max_iters", "60", "--eval_interval", "20", "--log_interval", "1", "--out_dir", "run"]


def _run(limit, directory, *words):
    command = [sys.executable, "-c", _PROGRAM.format(limit=limit), *words]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="resource limits are for POSIX")
@pytest.mark.parametrize(
    ("limit", "named", "step"),
    [
        (0, "metrics.jsonl", None),  # no byte fits
        (4000, "cannot write run/checkpoints/step-000000000: ", None),  # the first metrics fit, it does not
        (12500, "metrics.jsonl", 40),  # checkpoints fit, until the metrics grow too large
    ],
)
def test_full_disk_loses_nothing(tmp_path, limit, named, step):
    result = _run(limit, tmp_path, *TRAIN)
    lines = result.stderr.splitlines()
    assert result.returncode == 2, result
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "File too large; is the place writable and not full?" in lines[-1]
    assert named in lines[-1]
    if step is None:
        assert not (tmp_path / "run" / "checkpoints").exists()
        return
    checkpoint, damage = load_newest(tmp_path / "run")
    assert not damage
    assert checkpoint.step == step
    assert _run(1 << 30, tmp_path, "train", "--resume", "run").returncode == 0  # with free space it resumes
    assert load_newest(tmp_path / "run")[0].step == 60
