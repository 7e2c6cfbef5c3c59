"""A process that waits in C++ for another that never answers: SIGTERM still ends it, with a message."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
GRACE = 0.5
# Process 1 joins the group and never reaches the collective operation in which process 0 waits.
TEAM = f"""
import time
from pathlib import Path
import torch, torch.distributed as dist
from numpy_gpt.shared.training.stopping import StopSignals
from torch_gpt.fast.termination import TerminationWatchdog
from torch_gpt.fast.process_group import TorchProcessGroup

team = TorchProcessGroup(torch.device("cpu"))
dist.barrier()
with StopSignals() as stop, TerminationWatchdog(Path("some-run"), {GRACE}):
    print("waiting", flush=True)
    if team.rank == 1:
        time.sleep(100)
    dist.all_reduce(torch.zeros(1))
"""
ANSWERING = f"""
import signal, time
from torch_gpt.fast.termination import TerminationWatchdog
from numpy_gpt.shared.training.stopping import StopSignals

with StopSignals() as stop, TerminationWatchdog(None, {GRACE}):
    print("waiting", flush=True)
    while not stop.received:
        time.sleep(0.01)
time.sleep({3 * GRACE})
print("went its own way", signal.set_wakeup_fd(-1))
"""


def _start(script, **environment):
    command = [sys.executable, "-c", script]
    whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=whole)


@pytest.mark.prove
def test_a_hanging_process_ends_with_a_message():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    places = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    waiting, absent = (_start(TEAM, RANK=str(rank), **places) for rank in range(2))
    try:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n", waiting.communicate()[1]
        time.sleep(0.5)  # by then it is inside all_reduce
        waiting.send_signal(signal.SIGTERM)
        errors = waiting.communicate(timeout=30)[1]
    finally:
        for process in (waiting, absent):
            process.kill()
            process.communicate()
    told = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert told[0].startswith(f"error: {GRACE:g} seconds after SIGTERM this process is still inside one step")
    assert "--resume some-run" in told[0]
    assert waiting.returncode == 128 + signal.SIGTERM


def test_a_responsive_process_is_left_alone():
    process = _start(ANSWERING)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert (output, errors, process.returncode) == ("went its own way -1\n", "", 0)
