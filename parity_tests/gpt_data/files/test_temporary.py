"""What a killed writer leaves is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gpt_data.files import temporary
from gpt_data.files.atomic import atomic_write
from gpt_data.files.temporary import remove_leftovers, temporary_directory, temporary_file

needs_locks = pytest.mark.skipif(temporary.fcntl is None, reason="without locks, nothing is ever removed")
LEFT = ".a.77-00c0ffee.tmp"
_WRITE = """
import sys, time
from pathlib import Path
from gpt_data.process import raise_on_signals
from gpt_data.tokens import text_corpus
encode = text_corpus._encode

def slow(*arguments):
    yield from encode(*arguments)
    print("written", flush=True)
    time.sleep(60)

text_corpus._encode = slow
with raise_on_signals():  # as every command does
    text_corpus.prepare_text([sys.argv[1]], sys.argv[2], kind="characters")
"""


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


@needs_locks
def test_leftovers_of_the_same_target_are_removed(tmp_path):
    (tmp_path / LEFT).write_bytes(b"half")
    (tmp_path / ".a.77-00c0ffef.old" / "deep").mkdir(parents=True)
    kept = [
        ".b.77-00c0ffee.tmp",
        ".a.tmp",
        ".a.77.tmp",
        ".a.77-00C0FFEE.tmp",
        "a.77-00c0ffee.tmp",
        ".a.77-00c0ffee.tmp2",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"somebody else's")
    atomic_write(tmp_path / "a", b"new")
    assert names_in(tmp_path) == sorted(["a", *kept])


@needs_locks
def test_what_is_locked_linked_or_special_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"")
    (tmp_path / ".a.1-00000001.tmp").symlink_to("mine")
    os.mkfifo(tmp_path / ".a.1-00000002.tmp")
    with temporary_file(tmp_path / "a") as (path, file), temporary_directory(tmp_path / "a") as directory:
        file.write(b"x")
        before = names_in(tmp_path)
        remove_leftovers(tmp_path, {"a"}.__contains__)
        assert names_in(tmp_path) == before == sorted({*before, path.name, directory.name, "mine"})
    assert names_in(tmp_path) == [".a.1-00000001.tmp", ".a.1-00000002.tmp", "mine"]
    assert names_in(tmp_path / "mine") == ["file"]


@needs_locks
def test_a_writer_whose_file_was_taken_for_a_leftover_makes_another(tmp_path, monkeypatch):
    real, taken = temporary._lock, []

    def lock(path, *, wait):
        if wait and not taken:  # another writer is faster than the lock
            taken.append(path)
            remove_leftovers(path.parent, {"a"}.__contains__)
        return real(path, wait=wait)

    monkeypatch.setattr(temporary, "_lock", lock)
    atomic_write(tmp_path / "a", b"new")
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(taken) == 1


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "fcntl", None)
    (tmp_path / LEFT).write_bytes(b"half")
    atomic_write(tmp_path / "a", b"new")
    assert names_in(tmp_path) == sorted(["a", LEFT])


@needs_locks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_terminated_prepare_leaves_nothing(tmp_path, number):
    if number == signal.SIGHUP and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        pytest.skip("nohup: the process ignores the signal, as it should")
    text, place = tmp_path / "text", tmp_path / "new" / "place"
    text.write_text("some text " * 1000)
    words = [sys.executable, "-c", _WRITE, str(text), str(place)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "written\n"
        assert len(names_in(place)) == 3
        process.send_signal(number)
    if number != signal.SIGKILL:
        assert names_in(tmp_path) == ["text"]
    else:  # nothing can be done about it before the next run
        from gpt_data.tokens.text_corpus import prepare_text

        prepare_text([text], place, kind="characters")
        assert names_in(place) == ["meta.json", "train.bin", "val.bin"]
