"""``compare``: one training run for each value, equal to a separate run, in one table and one plot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from numpy_gpt.shared.cli import compare
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.stopping import Interrupted
from parity_tests.shared.cli.programs import assert_rejected, run_program

QUICK = ["compare", "tiny", "--max_iters", 20, "--eval_interval", 10]
PNG = b"\x89PNG\r\n\x1a\n"


def _rows(result):
    assert result.status == 0, result
    lines = result.out.splitlines()
    first = lines.index("losses in nats per token")
    last = next(place for place, line in enumerate(lines) if place > first and not line.strip()[:1].isalnum())
    return [line.split() for line in lines[first + 2 : last] if not line.startswith("lowest possible")]


def test_rows_equal_separate_runs(run):
    result = run(*QUICK, "--n_embd", "4,8", "--json")
    assert result.status == 0
    assert (result.record["schema_version"], result.record["field"]) == (1, "n_embd")
    for row, record, width in zip(_rows(result), result.record["runs"], (4, 8), strict=True):
        alone = run("train", "tiny", *QUICK[2:], "--n_embd", width, "--json").record
        assert record["n_embd"] == width
        for name in set(alone) - {"seconds", "out_dir"}:
            assert record[name] == alone[name], name
        assert row[:6] == [
            str(width),
            f"{alone['parameters']:,}",
            f"{alone['train_loss']:.4f}",
            f"{alone['val_loss']:.4f}",
            f"{alone['best_val_loss']:.4f}",
            str(alone["best_step"]),
        ]
        assert row[7] == f"{alone['loss_floor']:.4f}"
        assert load_checkpoint(Path(record["out_dir"])).config.n_embd == width


def test_plot_is_a_png_and_a_chart(run):
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotext")
    out = run(*QUICK, "--n_layer", "0,1").out
    assert Path("runs/compare-n_layer/compare.png").read_bytes().startswith(PNG)
    assert out.index("losses in nats") < out.index(
        "o n_layer 0\n  x n_layer 1\n\nwrote runs/compare-n_layer/compare.png"
    )


def test_programs_print_the_same_table(capsys):
    flags = [*QUICK, "--dtype", "float64", "--learning_rate", "1e-2,1e-3", "--out_dir"]
    ours, theirs = (_rows(run_program(program, capsys, *flags, program)) for program in ("numpy_gpt", "torch_gpt"))
    for row in (*ours, *theirs):
        row[6] = "seconds"
    assert ours == theirs
    assert [row[0] for row in ours] == ["0.01", "0.001"]


def test_table_without_plot_libraries(numpy_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", None)
    result = numpy_run(*QUICK, "--n_embd", "4,6", "--json")
    assert result.status == 0
    assert len(_rows(result)) == 2
    assert 'no plot: pip install "numpy-gpt[plot]"' in result.out
    assert len(result.record["runs"]) == 2


def test_unavailable_engine_is_reported_first(numpy_run):
    assert_rejected(numpy_run("compare", "tiny", "--dtype", "float32,bfloat16"), "bfloat16")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("flag", "values"), [("bias", "yes,no"), ("activation", "relu,gelu_erf"), ("eval_stride", "8,none")]
)
def test_any_field_can_change(numpy_run, flag, values):
    result = numpy_run(*QUICK, f"--{flag}", values, "--json")
    assert result.status == 0, result.err
    kinds = {"yes": True, "no": False, "8": 8, "none": None}
    assert [record[flag] for record in result.record["runs"]] == [kinds.get(v, v) for v in values.split(",")]
    assert len({record["out_dir"] for record in result.record["runs"]}) == 2


def test_datasets_have_own_vocabularies_and_floors(numpy_run):
    numpy_run("prepare", "tiny", "--out_dir", "a_b")
    numpy_run("prepare", "words", "--out_dir", "a/b")
    result = numpy_run(*QUICK, "--dataset", "tiny-characters,a/b,a_b", "--json")
    assert result.status == 0, result.err
    runs = result.record["runs"]
    assert len({record["out_dir"] for record in runs}) == 3  # a/b and a_b have different directories
    assert all(Path(record["out_dir"]).parent == Path("runs/compare-dataset") for record in runs)
    sizes = [load_checkpoint(Path(record["out_dir"])).config.vocab_size for record in runs]
    assert sizes[1:] == [11, 32]
    assert len({row[-1] for row in _rows(result)}) == 3


def test_interruption_keeps_finished_runs(numpy_run, monkeypatch):
    real, calls = compare.train, []

    def train(recipe, engine, corpus, out_dir, display):
        calls.append(out_dir)
        if len(calls) == 2:
            raise Interrupted(2, 7, out_dir)
        return real(recipe, engine, corpus, out_dir, display)

    monkeypatch.setattr(compare, "train", train)
    result = numpy_run(*QUICK, "--n_embd", "4,6,8")
    assert result.status == 130
    assert "interrupted after step 7" in result.err.splitlines()[-1]
    assert [line.split()[0] for line in result.out.splitlines()] == ["losses", "n_embd", "4", "lowest"]
    assert len(calls) == 2
    assert load_checkpoint(calls[0]).step == 20


def test_diverged_run_is_a_row(numpy_run):
    rates = ["--learning_rate", "1e-3,1e38,3e-3", "--min_lr", "1e-4", "--warmup_iters", "0"]
    result = numpy_run(*QUICK, *rates, "--out_dir", "all", "--json")
    assert (result.status, len(result.err.splitlines())) == (0, 3)
    first, second, third = result.record["runs"]
    assert "must be finite, but is nan at step 1, where " in second["error"]
    assert {second[name] for name in ("steps", "train_loss", "val_loss", "best_val_loss", "best_step")} == {None}
    assert first["val_loss"] > third["val_loss"] > 0
    assert "error" not in first
    assert f"learning_rate 1e+38 diverged: {second['error']}" in result.out
    row = next(line for line in result.out.splitlines() if line.lstrip().startswith("1e+38"))
    assert row.split()[1:6] == ["1,134", "-", "diverged", "-", "-"]


def test_errors_come_before_progress(numpy_run):
    Path("file").write_text("")
    assert_rejected(
        numpy_run(*QUICK, "--n_embd", "4,6", "--out_dir", "file/runs"), "cannot make the directory file: File exists"
    )


def test_error_if_all_runs_diverge(numpy_run):
    result = numpy_run(*QUICK, "--learning_rate", "1e37,1e38", "--min_lr", "1e37", "--warmup_iters", "0")
    assert result.status == 2
    assert result.err.splitlines()[-1].startswith("error: every run diverged; try a lower learning_rate")
    assert result.out.count("diverged: the ") == 2


def test_run_directories_are_never_shared(numpy_run):
    for _ in range(2):
        assert numpy_run(*QUICK, "--n_embd", "4,6").status == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["compare-n_embd", "compare-n_embd-2"]
    assert_rejected(numpy_run(*QUICK, "--n_embd", "4,6", "--out_dir", "runs"), "runs already exists")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "exactly one flag must have several values, as in --n_embd 4,6,8; none came with several"),
        (["--n_embd", "4"], "none came with several"),
        (["--n_embd", "4,6", "--n_head", "1,2"], "--n_head and --n_embd came with several"),
        (["--n_embd", "4,4"], "--n_embd must have different values, not 4,4"),
        (["--bias", "yes,true"], "--bias must have different values, not True,True"),
        (["--n_embd", "4,7,8"], "n_embd=7 is not divisible by n_head=2"),
        (["--n_embd", "4,,8"], "must be a whole number, not ''"),
        (["--n_embd", "4,x"], "must be a whole number, not 'x'"),
        (["--dropout", "0,nan"], "must be a number, not 'nan'"),
        (["--block_size", "4,400"], "a window of block_size=400 needs 401 tokens"),
        (["--eval_stride", "1,9"], "stride=9 would leave gaps"),
        (["--dataset", "tiny,nowhere"], "unknown dataset 'nowhere'"),
        (["--dtype", "float32,bfloat17"], "dtype must be float32 or float64 or"),
        (["--n_emdb", "4,6"], "unknown option '--n_emdb'; did you mean '--n_embd'?"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    result = run("compare", "tiny", *flags)
    if "came with several" in message and len(flags) == 4:
        message = "came with several"
    assert_rejected(result, message)
    assert not Path("runs").exists()
