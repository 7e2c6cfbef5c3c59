"""``train --by_hand``: the first steps with every number, in a training run that is otherwise unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.support.command import QUICK, run_numpy_gpt

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_every_number_is_printed(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--by-hand", "2", "--batch_size", "2")
    assert status == 0
    assert "=== step 1:" in out
    assert "=== step 2:" in out
    assert "=== step 3:" not in out
    first = out[out.index("=== step 1:") : out.index("=== step 2:")]
    for name in ("h.0.attn.q (2, 8, 3)", "h.1.attn.weights (2, 8, 8)", "h.1.mlp.hidden (8, 24)", "ln_f.out (8, 6)"):
        assert name in first
    for name in ("logits (8, 32)", "h.0.attn.dq (2, 8, 3)", "embedding.dtoken (8, 6)", "the 5 likeliest next tokens"):
        assert name in first
    assert "target" in first
    changes = [
        line.split() for line in first.splitlines() if line.startswith(("wte", "wpe", "h.", "ln_f")) and "[" in line
    ]
    changes = [line for line in changes if len(line) >= 5]
    assert len(changes) == 1134
    for line in changes:
        before, change, after = map(float, line[-3:])
        assert before + change == pytest.approx(after, abs=2e-6)


def test_training_is_unchanged(capsys):
    run_numpy_gpt(capsys, *QUICK, "--by_hand", "--out_dir", "a")
    run_numpy_gpt(capsys, *QUICK, "--out_dir", "b")
    one, other = (load_checkpoint(Path(name)).values for name in "ab")
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_padded_vocabulary(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--vocab_size", "40", "--by_hand")
    assert status == 0
    assert "logits (8, 40)" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--by_hand", "--gradient_accumulation_steps", "2"], "--by_hand prints one batch a step"),
        (["--by_hand", "-1"], "--by_hand must be at least 0, not -1"),
        (["--by_hand", "x"], "must be a whole number, not 'x'"),
    ],
)
def test_errors_are_one_line(capsys, flags, message):
    status, _, err = run_numpy_gpt(capsys, *QUICK, *flags)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not Path("runs").exists()


def test_unprintable_words_are_escaped(capsys):
    Path("odd.txt").write_text("a\n\tb\x1b[2J" * 60)
    run_numpy_gpt(capsys, "prepare", "text", "odd.txt", "--out_dir", "odd")
    status, out, _ = run_numpy_gpt(capsys, "train", "tiny", "--dataset", "odd", "--by_hand", "--max_iters", "1")
    shown = out[out.index("=== step 1") :]
    assert status == 0
    assert all(name in shown for name in ("␤", "␉", "\\x1b"))
    assert "\x1b" not in shown[: shown.index("--- backward")]
