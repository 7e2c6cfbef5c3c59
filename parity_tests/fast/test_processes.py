"""Several processes train one model and take the same steps as one process (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.batches import BatchSampler
from numpy_gpt.shared.runs.run_directory import load_checkpoint, load_newest
from numpy_gpt.shared.runs.snapshots import snapshots_of
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.throughput import operations_per_token
from parity_tests.support.comparator import assert_close
from parity_tests.support.lockstep import UNIT
from torch_gpt.cli import main
from torch_gpt.fast.device_batches import DeviceBatches
from torch_gpt.fast.process_group import check_divisible

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TRAIN = ["train", "tiny", "--device", "cpu", "--dtype", "float64", "--path", "fast"]
# Two sums of half the terms each are rounded differently, and in thirty steps Adam amplifies that: by rate / epsilon,
# 3e5, where a gradient is only rounding noise. A mistake, such as a sum instead of a mean, is off by 1e-3.
_AMPLIFIED = 1e8
AVERAGED = ["--ema_decay", "0.9"]
NUMBER = re.compile(r"\d+\.\d+")
SHORT = ["--max_iters", "30", "--eval_interval", "10", "--warmup_iters", "5"]


# Process 1 has too little memory for the gradient of more than three sequences.
SMALL = """
import os, sys
import torch
from torch_gpt.cli import main
from torch_gpt.fast import loss_module

class Heavy(torch.autograd.Function):
    @staticmethod
    def forward(context, logits):
        context.rows = len(logits)
        return logits.clone()

    @staticmethod
    def backward(context, gradient):
        if context.rows > 3 and os.environ["RANK"] == "1":
            raise torch.OutOfMemoryError("made up")
        return gradient

plain = loss_module.cross_entropy_fused
loss_module.cross_entropy_fused = lambda logits, targets: plain(Heavy.apply(logits), targets)
sys.exit(main(sys.argv[1:]))
"""


def _torchrun(processes, *words, program=("-m", "torch_gpt")):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [*command, *map(str, program), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


class _Member:
    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def test_processes_divide_the_batch():
    import torch

    tokens, device = load_corpus("tiny").train, torch.device("cpu")
    sampler = BatchSampler(tokens, 8, 12, 5)
    parts = [DeviceBatches(tokens, sampler, device, _Member(rank, 3)) for rank in range(3)]
    for step in (0, 1, 255, 256, 700):
        inputs, targets = sampler.batch(step)
        for rank, part in enumerate(parts):
            part.set_step(step)
            windows = part.windows().numpy()
            assert np.array_equal(windows[:, :-1], inputs[rank::3])
            assert np.array_equal(windows[:, 1:], targets[rank::3])


def test_an_indivisible_batch_is_refused():
    with pytest.raises(UserError, match="batch_size=16 is not divisible by the 3 processes; try 15 or 18"):
        check_divisible(preset("tiny").training, 3)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            ["--gradient_accumulation_steps", "2", *AVERAGED, "--snapshots", "5"], id="DDP, parts, averaged, snapshots"
        ),
        pytest.param(["--peak_tflops", "0.001", "--log_interval", "5"], id="DDP", marks=pytest.mark.prove),
        pytest.param(["--fsdp", "--snapshots", "5"], id="FSDP, snapshots", marks=pytest.mark.prove),
        pytest.param(["--fsdp", *AVERAGED], id="FSDP, averaged", marks=pytest.mark.prove),
    ],
)
def test_two_processes_equal_one(tmp_path, flags, capsys):
    assert main([*TRAIN, *SHORT, *flags, "--out_dir", str(tmp_path / "one")]) == 0
    job = _torchrun(2, *TRAIN, *SHORT, *flags, "--out_dir", tmp_path / "two", "--json")
    out, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    alone = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    lines = out.splitlines()
    # The main process prints, and prints once. A loss may be at the edge between two roundings: one unit is allowed.
    printed = [line for line in lines if line.startswith("step ")]
    assert [NUMBER.sub("#", line) for line in printed] == [NUMBER.sub("#", line) for line in alone]
    ours, theirs = (np.array(NUMBER.findall("".join(part)), float) for part in (alone, printed))
    assert np.abs(ours - theirs).max() < 1.5e-6
    assert json.loads(lines[-1])["steps"] == 30
    one, two = (load_checkpoint(tmp_path / name) for name in ("one", "two"))
    for name, value in one.values.items():
        assert_close(f"{name} of two processes", two.values[name], value, _AMPLIFIED * UNIT["float64"])
    kept, twins = (snapshots_of(tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in kept] == [path.name for path in twins]
    assert len(kept) == (5 if "--snapshots" in flags else 0)
    for path, twin in zip(kept, twins, strict=True):
        values, others = load_checkpoint(path).values, load_checkpoint(twin).values
        for name, value in values.items():
            assert_close(f"{name} in a snapshot of two", others[name], value, _AMPLIFIED * UNIT["float64"])
    assert (one.trained is None, two.trained is None) == (AVERAGED[0] not in flags,) * 2
    if "--peak_tflops" in flags:  # MFU is the part of what both can do together
        lines = map(json.loads, (tmp_path / "two" / "metrics.jsonl").read_text().splitlines())
        steps = [line for line in lines if line.get("mfu") is not None]
        assert steps
        for line in steps:
            assert line["mfu"] == pytest.approx(line["tokens_per_second"] * operations_per_token(one.config) / 2e9)
    for name, value in (one.trained or {}).items():
        assert_close(f"{name} as trained by two", two.trained[name], value, _AMPLIFIED * UNIT["float64"])


@pytest.mark.prove
def test_a_run_continues_with_fewer_processes(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*TRAIN, *SHORT, *AVERAGED, "--out_dir", str(whole)]) == 0
    job = _torchrun(2, *TRAIN, *SHORT, *AVERAGED, "--out_dir", parts)
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    shutil.rmtree(parts / "checkpoints" / "step-000000030")  # as if both processes had been lost on their way there
    assert main(["train", "--resume", str(parts), "--device", "cpu", "--path", "fast"]) == 0
    one, two = load_checkpoint(whole), load_checkpoint(parts)
    assert (one.step, two.step) == (30, 30)
    for name, value in one.values.items():
        assert_close(f"{name} of two processes, then one", two.values[name], value, _AMPLIFIED * UNIT["float64"])


@pytest.mark.prove
def test_out_of_memory_names_a_batch_that_fits(tmp_path):
    (tmp_path / "small.py").write_text(SMALL, encoding="utf-8")
    job = _torchrun(2, *TRAIN, *SHORT, "--out_dir", tmp_path / "run", program=[tmp_path / "small.py"])
    errors = [line for line in job.communicate(timeout=120)[1].splitlines() if line.startswith("error: ")]
    assert job.returncode != 0
    told = "error: batch_size=16 does not fit into the memory of cpu; 4 would, and with 4 times as many"
    assert any(line.startswith(told) for line in errors), errors
    assert load_newest(tmp_path / "run")[0].step == 0


@pytest.mark.prove
def test_a_killed_process_ends_the_job(tmp_path):
    run = tmp_path / "run"
    job = _torchrun(2, *TRAIN, "--max_iters", "100000", "--eval_interval", "20", "--out_dir", run)
    victim = _one_worker(job, run)
    os.kill(victim, signal.SIGKILL)
    errors = job.communicate(timeout=120)[1]
    assert job.returncode != 0
    told = [line for line in errors.splitlines() if line.startswith("error: another process of this job has ended")]
    assert len(told) == 1  # although torchrun terminates the other process too
    step = load_newest(run)[0].step
    assert step >= 20
    words = ["train", "--resume", str(run), "--device", "cpu", "--path", "fast"]
    resumed = subprocess.Popen([sys.executable, "-m", "torch_gpt", *words], stdout=subprocess.PIPE, text=True)
    assert resumed.stdout is not None
    seen = next(line for line in resumed.stdout if line.startswith("step "))
    resumed.send_signal(signal.SIGTERM)
    resumed.communicate(timeout=60)
    assert int(seen.split()[1]) == step
    assert resumed.returncode == 143


@pytest.mark.prove
def test_a_terminated_job_leaves_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    job = _torchrun(2, *TRAIN, "--max_iters", "100000", "--eval_interval", "1000", "--out_dir", run)
    _one_worker(job, run)
    time.sleep(1.0)
    job.send_signal(signal.SIGTERM)  # torchrun forwards it to all of them
    _, errors = job.communicate(timeout=120)
    assert "interrupted after step" in errors
    assert load_newest(run)[0].step % 10 == 0  # they check every ten steps


def _one_worker(job, run: Path) -> int:
    """Wait until the job has written checkpoints, and return the process number of one of its workers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(list((run / "checkpoints").glob("step-*"))) >= 1 and (run / "metrics.jsonl").stat().st_size > 200:
            children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
            return int(children[-1])
        assert job.poll() is None, job.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("no checkpoint was written in a minute")
