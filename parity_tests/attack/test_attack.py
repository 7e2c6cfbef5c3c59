"""Parts of the attack, always the same ones: a small one without torch, and a larger one on every program."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the attack forks, and limits, as Linux does")
_WITHOUT_TORCH = ("numpy_gpt", *(f"handcalc.{door}" for door in ("trace", "verify", "exercise", "averaging")))


def _attack(*options: str) -> None:
    command = [sys.executable, "-m", "parity_tests.attack", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_a_small_attack_breaks_nothing():
    _attack("--command_lines", "40", "--damaged_files", "40", "--programs", *_WITHOUT_TORCH)


@pytest.mark.prove
def test_a_larger_attack_breaks_nothing():
    _attack("--command_lines", "200", "--damaged_files", "400", "--seed", "1")
