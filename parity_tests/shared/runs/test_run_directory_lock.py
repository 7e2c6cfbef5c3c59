"""Only one process may train in a run directory, and a killed process leaves no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.runs import run_directory
from numpy_gpt.shared.runs.run_directory import lock_run

_LOCK = "import sys, time\nfrom pathlib import Path\nfrom numpy_gpt.shared.runs.run_directory import lock_run\n"
_LOCK += "with lock_run(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)\n"
needs_locks = pytest.mark.skipif(run_directory.fcntl is None, reason="no locks for directories on this system")


@needs_locks
def test_second_process_is_refused(tmp_path):
    with lock_run(tmp_path / "run"):
        with pytest.raises(UserError, match=r"another process is training in .*run; wait until it has ended, or"):
            with lock_run(tmp_path / "run"):
                pass
        with lock_run(tmp_path / "other"):
            pass
    with lock_run(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


@needs_locks
def test_killed_process_releases_the_lock(tmp_path):
    with subprocess.Popen([sys.executable, "-c", _LOCK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another process is training in"), lock_run(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
    with lock_run(tmp_path):
        pass


def test_systems_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_directory, "fcntl", None)
    with lock_run(tmp_path / "run"), lock_run(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_run_directory_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot make the directory .*file/run: Not a directory; choose another"):
        with lock_run(tmp_path / "file" / "run"):
            pass
