"""A run that is killed at random moments loses nothing; ``python -m parity_tests.kills`` kills it more often.

Some of its processes replay and some do not, and the run without kills replays.
"""

from __future__ import annotations

import random
import shutil

import pytest

from numpy_gpt.cli import main
from parity_tests.kills import TRAINING, contents, run_undisturbed, run_with_kills


def test_replay_changes_no_byte(tmp_path):
    short = [*TRAINING, "--max_iters", "60", "--log_interval", "10"]
    for replay in ("true", "false"):
        assert main(["train", *short, "--replay", replay, "--out_dir", str(tmp_path / replay)]) == 0
    lines = [(tmp_path / replay / "metrics.jsonl").read_text() for replay in ("true", "false")]
    assert ['"execution": "replay"' in line for line in lines] == [True, False]
    assert contents(tmp_path / "true") == contents(tmp_path / "false")


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.prove)])
def test_kills_change_no_byte(kills, tmp_path):
    seconds = run_undisturbed(tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    rng, struck, number = random.Random(5), 0, 0
    while struck < kills:
        number += 1
        run = tmp_path / str(number)
        struck += run_with_kills(run, min(7, kills - struck), seconds / 2, rng)
        assert contents(run) == expected


@pytest.mark.prove
def test_kills_change_no_byte_of_a_run_that_is_extended(tmp_path):
    assert main(["train", *TRAINING, "--max_iters", "200", "--out_dir", str(tmp_path / "short")]) == 0
    shutil.copytree(tmp_path / "short", tmp_path / "whole")
    seconds = run_undisturbed(tmp_path / "whole", "--max_iters", "400")
    expected = contents(tmp_path / "whole")
    rng, struck, number = random.Random(6), 0, 0
    while struck < 12:
        number += 1
        run = tmp_path / str(number)
        shutil.copytree(tmp_path / "short", run)
        struck += run_with_kills(run, 4, seconds / 2, rng, end=400)
        assert contents(run) == expected
