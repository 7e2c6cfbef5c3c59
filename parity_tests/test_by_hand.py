"""``train --by_hand``: the first steps as pages, or with every number; the training run is otherwise unchanged."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from gpt_data.wording import make_visible
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.names import activation_shapes, gradient_name
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.recipe import stored_recipe
from numpy_gpt.shared.training.schedule import learning_rate_at
from parity_tests.support.command import QUICK, run_numpy_gpt

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_every_number_is_printed(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--by-hand", "full:2", "--batch_size", "2")
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


VARIANTS = {
    "tiny": ["tiny"],
    "characters, dropout, averages": ["tiny-characters", "--ema_decay", "0.9", "--dtype", "float64"],
    "relu, biases, untied": ["tinygpt", "--dataset", "tiny", "--block_size", "12", "--n_embd", "8", "--n_layer", "1"],
    "RMSNorm": ["microgpt", "--grad_clip", "1"],
    "bigram": ["bigram", "--dataset", "words"],
}


@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS)
def test_the_page_is_true(capsys, words):
    """Every number of the page is the recorded one of the same step, and every array is there."""
    words = [*words, "--max_iters", "2", "--batch_size", "3", "--eval_iters", "0", "--snapshots", "3"]
    status, out, _ = run_numpy_gpt(capsys, "train", *words, "--by_hand", "--out_dir", "run")
    assert status == 0
    assert out.count("=== step ") == 1
    model = load_checkpoint(Path("run"))
    recipe = stored_recipe(model)
    start = load_checkpoint(Path("run/snapshots/step-000000000")).values
    engine = NumpyEngine(recipe, start, None, start if recipe.training.ema_decay else None)
    corpus = load_corpus(recipe.dataset)
    engine.begin(corpus.train)
    inputs, targets = engine._sampler.batch(0)
    arrays = {}
    rate = learning_rate_at(0, **recipe.training.schedule())
    result = engine.training_step(inputs, targets, 0, rate, keep_in(arrays))
    lines = out[out.index("=== step ") : out.index("every number of this step")].splitlines()
    names = activation_shapes(recipe.model, *inputs.shape, dropout=True)
    samples = [line for line in lines if line.split()[:1] and line.split()[0] in arrays and " of the " not in line]
    shown, gradients = [line.split()[0] for line in samples], {gradient_name(name) for name in names}
    assert shown == [*(name for name in names if name in arrays), *(name for name in arrays if name in gradients)]
    for name, line in zip(shown, samples, strict=True):
        _check_sample(line, name, arrays[name], name in gradients)
    _check_maps(lines, arrays, inputs)
    assert f"loss of the whole batch: {result.loss:.6f} nats per token" in lines
    assert f"gradient's global norm before clipping: {result.gradient_norm:.6f}, limited to 1" in lines
    _check_predictions(lines, arrays["probabilities"][0], inputs[0], targets[0], corpus.tokenizer.vocabulary)
    _check_changes(lines, start, engine.parameters, arrays)


def _check_sample(line, name, array, is_gradient):
    whole = array
    if name not in ("embedding.position", "embedding.dposition", "loss"):
        array = array[0]
    shape = " × ".join(map(str, array.shape)) or "1"
    rest = line.strip().removeprefix(name).strip()
    assert rest.startswith(f"{shape}  ")
    rest = rest.removeprefix(shape)
    if is_gradient:
        norm, rest = rest.strip().split("  ", 1)
        assert float(norm) == pytest.approx(np.linalg.norm(whole.astype(float)), rel=6e-3)
    rows = np.atleast_2d(array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array)
    parts = rest.split("|")
    for part, row in zip(parts[:2], rows[:2], strict=False):
        numbers = [float(word) for word in part.split() if word != "…"]
        assert numbers == pytest.approx([float(number) for number in row[:3]], rel=6e-3, abs=6e-5)
        assert ("…" in part) == (len(row) > 3)
    assert len(parts) == min(len(rows), 3)
    assert (parts[-1].strip() == "…") == (len(rows) > 2)


def _check_maps(lines, arrays, inputs):
    """Read the maps side by side, and compare their first column of numbers, which is the head's own, by rows."""
    for name in [name for name in arrays if name.endswith("attn.weights")]:
        size = min(8, inputs.shape[1])
        for head, weights in enumerate(arrays[name][0]):
            at = next(place for place, line in enumerate(lines) if f"{name}[{head}]" in line)
            left = lines[at].index(f"{name}[{head}]")
            width = next(
                (place for place in range(left + 1, len(lines[at])) if lines[at][place:].startswith("h.")), 999
            )
            for query in range(size):
                cells = lines[at + 2 + query][left : min(width, 999)].split()[-size:]
                assert cells[query + 1 :] == ["·"] * (size - query - 1)
                numbers = [float(cell) for cell in cells[: query + 1]]
                assert numbers == pytest.approx(weights[query, : query + 1].tolist(), abs=6e-3)


def _check_predictions(lines, probabilities, inputs, targets, vocabulary):
    at = next(place for place, line in enumerate(lines) if line.split()[:2] == ["after", "likeliest"]) + 1
    for row, token, target, line in zip(probabilities, inputs[:8], targets, lines[at:], strict=False):
        cells = line.split()
        best = [index for index in np.argsort(-row, kind="stable")[:3]]
        wanted = [make_visible(vocabulary[token])]
        for index in (*best, target):
            wanted += [make_visible(vocabulary[index]), f"{row[index]:.4f}"]
        assert cells == wanted


def _check_changes(lines, before, after, arrays):
    at = next(place for place, line in enumerate(lines) if line.startswith("weight ")) + 1
    rows = lines[at : lines.index("", at)]
    for name, array in after.items():
        change = array - before[name]
        found = [line for line in rows if line.startswith(f"{name}[")]
        assert len(found) == min(3, change.size)
        assert f"{np.linalg.norm(arrays[f'clipped.{name}'].astype(float)):.3e}  {name} " in found[0]
        sizes = []
        for line in found:
            index = tuple(map(int, line[line.index("[") + 1 : line.index("]")].split(", ")))
            gradient, old, moved, new = map(float, re.findall(r"[+-][\d.]+(?:e[+-]\d+)?", line[line.index("]") :])[:4])
            assert gradient == pytest.approx(arrays[f"clipped.{name}"][index], rel=1e-3)
            assert (old, new) == pytest.approx((before[name][index], array[index]), abs=6e-7)
            assert moved == pytest.approx(change[index], rel=1e-3)
            sizes.append(abs(change[index]))
        assert sizes == sorted(np.abs(change).ravel(), reverse=True)[:3]


def test_long_sequences_are_cut(capsys):
    flags = ["--block_size", "20", "--eval_stride", "20", "--max_iters", "1"]
    status, out, _ = run_numpy_gpt(capsys, "train", "tiny", *flags, "--by_hand")
    assert status == 0
    assert out.count("… 4 more") == 2
    assert out.count("… the first 8 of 20 tokens") == 2
    assert "… the first 8 of 20 positions" in out
    assert max(map(len, out[out.index("--- forward") : out.index("every number")].splitlines())) <= 140


@pytest.mark.parametrize(("columns", "widest"), [(80, 86), (200, 140)])
def test_narrow_terminals_get_narrow_pages(capsys, monkeypatch, columns, widest):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PAGER", "cat")
    status, out, _ = run_numpy_gpt(capsys, "train", "tiny", "--max_iters", "1", "--by_hand")
    assert status == 0
    assert max(map(len, out[out.index("--- forward") : out.index("--- update")].splitlines())) <= widest


@pytest.mark.skipif(shutil.which("sh") is None, reason="a pager is started by the shell")
def test_a_long_page_uses_the_pager(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # a bar would write into the pager
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("PAGER", "cat > shown-$$")
    status, out, err = run_numpy_gpt(capsys, *QUICK, "--by_hand", "2")
    assert status == 0
    assert "=== step" not in out and "validation loss" in out
    pages = sorted(path.read_text() for path in Path().glob("shown-*"))
    assert ["=== step 1:" in pages[0], "=== step 2:" in pages[1]] == [True, True]
    assert "\x1b" not in err
    monkeypatch.setenv("PAGER", "true")  # it quits at once
    assert run_numpy_gpt(capsys, *QUICK, "--by_hand")[0] == 0


def test_a_step_without_an_update_says_so(capsys, monkeypatch):
    monkeypatch.setattr(NumpyEngine, "_clip", lambda self, gradients: float("inf"))
    status, out, err = run_numpy_gpt(capsys, *QUICK, "--by_hand")
    assert status == 2 and "the gradient's norm must be finite" in err
    assert "no update: the loss or the gradient is not finite" in out


def test_training_is_unchanged(capsys):
    run_numpy_gpt(capsys, *QUICK, "--by_hand", "--out_dir", "a")
    run_numpy_gpt(capsys, *QUICK, "--out_dir", "b")
    one, other = (load_checkpoint(Path(name)).values for name in "ab")
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_padded_vocabulary(capsys):
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--vocab_size", "40", "--by_hand", "full")
    assert status == 0
    assert "logits (8, 40)" in out
    status, out, _ = run_numpy_gpt(capsys, *QUICK, "--vocab_size", "40", "--by_hand")
    assert status == 0
    assert "8 × 40" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--by_hand", "--gradient_accumulation_steps", "2"], "--by_hand shows one batch a step"),
        (["--by_hand=-1"], "--by_hand: must be at least 0, not -1"),
        (["--by_hand", "full:-1"], "--by_hand: must be at least 0, not -1"),
        (["--by_hand", "x"], "must be a number of steps, full, or full:STEPS, not 'x'"),
        (["--by_hand", "full:"], "must be a number of steps, full, or full:STEPS, not 'full:'"),
        (["--by_hand", "fully"], "must be a number of steps, full, or full:STEPS, not 'fully'"),
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
    shown = out[out.index("=== step 1") : out.index("--- predictions")]
    assert status == 0
    assert all(name in shown for name in ("␤", "␉", "\\x1b"))
    assert "\x1b" not in shown
