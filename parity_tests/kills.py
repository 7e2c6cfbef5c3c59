"""Training is killed at random moments, again and again: ``python -m parity_tests.kills --count 200``.

Each round starts a training run, sends it SIGKILL, SIGTERM or SIGINT at a random moment, verifies its directory, and
resumes it, until it ends. Then every byte of the directory must equal that of a run without interruptions.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpt_data.errors import UserError
from numpy_gpt.shared.runs.run_directory import load_newest
from numpy_gpt.shared.training.throughput import Throughput

# So small that it writes a checkpoint every few milliseconds: much of the time is spent writing one. At this rate the
# loss goes up and down, so the best evaluation is not the last one, and a resumed run must remember it.
TRAINING = ["tiny", "--max_iters", "400", "--eval_interval", "8", "--eval_stride", "8", "--dropout", "0.1"]
TRAINING += ["--learning_rate", "5e-2", "--min_lr", "5e-2", "--warmup_iters", "5", "--snapshots", "24"]
# The process prints "ready" when it has imported everything: killing an interpreter during its start tests nothing.
_PROGRAM = """
import sys
import numpy_gpt.engine, numpy_gpt.cli, safetensors.numpy
print("ready", flush=True)
sys.exit(numpy_gpt.cli.main(sys.argv[1:]))
"""
# An orderly exit on a signal, as the shell reports it, and death by the signal before training has begun.
_ENDS = (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130, 143)
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def contents(run: Path) -> dict[str, bytes]:
    """Return every file of a run directory by its relative path; the metrics without how each step was computed."""
    files = {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    lines = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    # A resumed process is as fast as it is, and its first steps are plain again.
    how = {*Throughput._fields, "execution"}
    numbers = [{name: value for name, value in line.items() if name not in how} for line in lines]
    return files | {"metrics.jsonl": json.dumps(numbers).encode()}


def run_undisturbed(run: Path, *flags: str) -> float:
    """Train from beginning to end, or resume the run with these flags, and return the seconds it took."""
    process = _start(["train", *(("--resume", str(run), *flags) if flags else (*TRAINING, "--out_dir", str(run)))])
    began = time.monotonic()
    _, errors = process.communicate(timeout=120)
    if process.returncode != 0:
        raise RuntimeError(f"the run without kills failed: {errors}")
    return time.monotonic() - began


def run_with_kills(run: Path, kills: int, seconds: float, rng: random.Random, end: int | None = None) -> int:
    """Train with that many kills at random moments, then to the end; return how many hit a running process.

    An ``end`` is that of a run that exists already. It is given until a checkpoint contains it, and then no more.

    Raises
    ------
    AssertionError
        If the directory has no complete, verified checkpoint after a kill, although one had been written before.
    """
    struck, written = 0, end is not None
    for kill in range(kills + 1):
        words = ["train", "--resume", str(run)] if written else ["train", *TRAINING, "--out_dir", str(run)]
        if end is not None and (load_newest(run)[0].recipe or {})["training"]["max_iters"] != end:
            words += ["--max_iters", str(end)]
        process = _start([*words, "--replay", rng.choice(("true", "true", "false"))])  # the numbers are the same
        if kill < kills:
            try:
                process.wait(rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                struck += 1
                process.send_signal(rng.choice(_SIGNALS))
        _, errors = process.communicate(timeout=120)
        assert process.returncode in _ENDS, (process.returncode, errors)
        written = _verify(run) or written
    return struck


def _verify(run: Path) -> bool:
    directories = [path for path in (run / "checkpoints").glob("*") if not path.name.startswith(".")]
    if not directories:
        return False
    try:
        _, damage = load_newest(run)
    except UserError as error:
        raise AssertionError(f"no complete checkpoint is left: {error}") from error
    assert not damage, (
        damage
    )  # not even the newest may be incomplete: a checkpoint is renamed into place when it is whole
    return True


def _start(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROGRAM, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def main() -> int:
    """Kill that often, print the counts, and return 0 if nothing was ever lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="how often to kill (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")
    arguments = parser.parse_args()
    rng, struck, lost, rounds = random.Random(arguments.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        seconds = run_undisturbed(place / "whole")
        expected = contents(place / "whole")
        while struck < arguments.count:
            rounds += 1
            run = place / f"run-{rounds}"
            struck += run_with_kills(run, min(5, arguments.count - struck), seconds / 2, rng)
            other = sorted(set(expected.items()) ^ set(contents(run).items()))
            lost += bool(other)
            shutil.rmtree(run)
            print(f"{struck} kills in {rounds} runs, {lost} ended with other bytes", flush=True)
            for name, content in other:
                print(f"  {name}: {content[:300]!r}", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
