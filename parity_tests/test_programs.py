"""Both programs as processes: signals, pipes, terminals, devices, and the modules they load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from numpy_gpt.cli import main
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from torch_gpt.cli import main as torch_gpt


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _process(*argv, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "numpy_gpt", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_ctrl_c_saves_and_exits_130():
    process = _process("train", "tiny", "--max_iters", "1000000", "--out_dir", "run")
    assert process.stdout is not None
    assert any("step    500" in line for line in iter(process.stdout.readline, ""))  # it ends if the process does
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    last = err.splitlines()[-1]
    assert last.startswith("interrupted after step ")
    assert "--resume run" in last
    assert "Traceback" not in err
    assert load_checkpoint(Path("run")).step == int(last.split()[3].rstrip(";"))


def test_closed_pipe_exits_quietly():
    process = _process("parameters")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("status", [0, 2])
@pytest.mark.parametrize("words", [["-m", "numpy_gpt", "train", "tiny", "--max_iters", "3"], ["-m", "handcalc.trace"]])
def test_closed_output_is_no_error(status, words):
    redirected = ">&-" if status == 0 else ">&- 2>&-"
    words = [*words, "learning models"] if "handcalc.trace" in words else words
    wrong = [] if status == 0 else ["--nonsense"]
    command = [sys.executable, *words, *wrong]
    result = subprocess.run(["sh", "-c", f'"$@" {redirected}', "sh", *command], stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (status, "")


def test_help_shows_flags_and_exit_status():
    result = subprocess.run([sys.executable, "-m", "numpy_gpt", "train", "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert "--n_embd" in result.stdout
    assert "exit status: 0 done, 2 invalid input" in result.stdout


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_terminal_shows_a_bar():
    main_end, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "numpy_gpt", "train", "tiny", "--max_iters", "1500"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main_end, 4096):
            shown += chunk
    except OSError:  # Linux raises this when the other end is closed
        pass
    assert process.stdout is not None
    out = process.stdout.read().decode()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    os.close(main_end)
    assert b"/1500" in shown
    assert b"tokens/s" in shown
    assert b"left" in shown
    assert "val_loss" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("program", [main, torch_gpt], ids=["numpy_gpt", "torch_gpt"])
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["sampel"], "'sampel'"),
        (["--help", "--halp"], None),
        (["sample", "--debugg"], "did you mean '--debug'?"),
    ],
)
def test_programs_reject_the_same(capsys, program, argv, message):
    if message is None:
        with pytest.raises(SystemExit) as ended:
            program(argv)
        assert ended.value.code == 0
        return
    assert program(argv) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_debug_shows_a_traceback():
    process = _process("sample", "nowhere", "--debug")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("Traceback")
    assert "UserError: no model at nowhere" in err


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta", ""])
def test_missing_device_is_rejected_first(capsys, device):
    assert torch_gpt(["train", "tiny", "--device", device]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "device" in err.lower()
    assert not Path("runs").exists()


def test_torch_gpt_without_torch():
    program = "import sys; sys.modules['torch'] = None; from torch_gpt.cli import main; sys.exit(main(sys.argv[1:]))"
    for words, status, message in (
        (["sample"], 2, 'torch_gpt needs PyTorch, which is not installed: pip install "numpy-gpt[torch]"'),
        (["plot", "nowhere"], 2, "cannot read nowhere/metrics.jsonl"),
        (["train", "--help"], 0, ""),
    ):
        result = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert result.returncode == status
        assert message in result.stderr
        assert result.stderr.count("\n") == (status == 2)


def test_sample_loads_only_what_it_needs():
    program = (
        "import sys; from numpy_gpt.cli import main; main(['sample', '--max_new_tokens', '1']); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split("\n")[-2].split())
    needless = {"torch", "rich", "matplotlib", "plotext", "tensorboardX", "tomllib", "numpy_gpt.rebuild", "http.client"}
    assert not loaded & needless
    assert "numpy_gpt.sampling" in loaded
