"""After any failure while a text is prepared, the old files are intact and nothing else remains."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpt_data.errors import UserError
from gpt_data.texts.corpora import open_corpus
from gpt_data.tokens.text_corpus import prepare_text

TEXT = "Not a word of it is lost.\n" * 20_000  # longer than one read, so that there are several writes


def content_of(directory):
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old.txt").write_text("The text of before.")
    (tmp_path / "new.txt").write_text(TEXT)
    prepare_text([tmp_path / "old.txt"], tmp_path / "own", kind="words")
    return tmp_path


def prepare(folder, directory):
    prepare_text([folder / "new.txt"], folder / directory, kind="characters")


def assert_refused(folder, reason):
    """Prepare over old files and into a new directory; both must be refused and change nothing."""
    before = content_of(folder)
    for directory in ("own", "new/deep"):
        with pytest.raises(UserError, match=reason) as caught:
            prepare(folder, directory)
        assert len(str(caught.value).splitlines()) == 1
        assert content_of(folder) == before
        assert sorted(path.name for path in folder.iterdir()) == ["new.txt", "old.txt", "own"]
        assert sorted(path.name for path in (folder / "own").iterdir()) == ["meta.json", "train.bin", "val.bin"]


def fail_from(monkeypatch, owner, name, failing):
    """Make call number ``failing`` of a function, and all later ones, fail as on a full disk; return the calls."""
    real, calls = getattr(owner, name), []

    def call(*arguments, **options):
        calls.append(arguments)
        if failing is not None and len(calls) > failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, call)
    return calls


class Disk:
    """A file whose writes are counted and begin to fail."""

    def __init__(self, file, writes, failing):
        self._file, self._writes, self._failing = file, writes, failing

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, content):
        self._writes.append(len(content))
        if self._failing is not None and len(self._writes) > self._failing:
            self._file.write(content[: len(content) // 2])  # a disk becomes full in the middle of a write
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(content)


def with_disk(monkeypatch, failing):
    real, writes = Path.open, []

    def opened(path, mode="r", *arguments, **options):
        file = real(path, mode, *arguments, **options)
        return Disk(file, writes, failing) if mode == "xb" else file

    monkeypatch.setattr(Path, "open", opened)
    return writes


def test_every_failing_write(folder, monkeypatch, tmp_path_factory):
    with monkeypatch.context() as counting:
        writes = with_disk(counting, None)
        prepare_text([folder / "new.txt"], tmp_path_factory.mktemp("other"), kind="characters")
    assert len(writes) >= 4  # train.bin in pieces, val.bin, meta.json
    for failing in range(len(writes)):
        with monkeypatch.context() as full:
            with_disk(full, failing)
            assert_refused(folder, "No space left on device")


@pytest.mark.parametrize("failing", range(3))
def test_every_failing_sync(folder, monkeypatch, failing):
    before = content_of(folder)
    calls = fail_from(monkeypatch, os, "fsync", failing)
    with pytest.raises(UserError, match="No space left on device"):
        prepare(folder, "own")
    assert len(calls) == failing + 1
    assert content_of(folder) == before


@pytest.mark.parametrize("failing", range(5))
def test_every_failing_sync_in_new_directories(folder, monkeypatch, failing):
    # First the two new directories, then the three files.
    before = content_of(folder)
    fail_from(monkeypatch, os, "fsync", failing)
    with pytest.raises(UserError, match="No space left on device"):
        prepare(folder, "new/deep")
    assert content_of(folder) == before
    assert not (folder / "new").exists()


@pytest.mark.parametrize(("name", "reason"), [("replace", "cannot write"), ("mkdir", "cannot make the directory")])
def test_a_failing_rename_or_new_directory(folder, monkeypatch, name, reason):
    before = content_of(folder)
    fail_from(monkeypatch, os, name, 0)
    with pytest.raises(UserError, match=reason):
        prepare(folder, "new/deep")
    assert content_of(folder) == before
    assert not (folder / "new").exists()


@pytest.mark.parametrize("failing", [1, 2])
def test_readers_detect_a_failed_rename(folder, monkeypatch, failing):
    fail_from(monkeypatch, os, "replace", failing)
    with pytest.raises(UserError, match="cannot write"):
        prepare(folder, "own")
    monkeypatch.undo()
    assert sorted(path.name for path in (folder / "own").iterdir()) == ["meta.json", "train.bin", "val.bin"]
    with pytest.raises(UserError, match=r"as meta\.json says"):
        open_corpus(folder / "own")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interruption_changes_nothing(folder, monkeypatch, interruption):
    before = content_of(folder)

    def fsync(descriptor):
        raise interruption

    monkeypatch.setattr(os, "fsync", fsync)
    for directory in ("own", "new/deep"):
        with pytest.raises(interruption):
            prepare(folder, directory)
        assert content_of(folder) == before
        assert not (folder / "new").exists()


LIMITED = """
import resource, sys
from pathlib import Path
from gpt_data.errors import UserError
from gpt_data.tokens.text_corpus import prepare_text

folder, highest = Path(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, highest))
    for place in ("own", "new/deep"):
        try:
            prepare_text([folder / "new.txt"], folder / place, kind="characters")
        except UserError as error:
            print(limit, error)
        print(limit, *sorted(path.name for path in folder.rglob("*") if path.is_file()))
"""


def test_file_size_limits_at_any_byte(folder):
    pytest.importorskip("resource")
    before, train_bytes = content_of(folder), len(TEXT) * 2 * 9 // 10
    limits = [0, 1, 100, 4096, 65_536, 103_999, 104_000, 500_000, 524_288, train_bytes - 1]
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), *map(str, limits)], check=True, capture_output=True, text=True
    )
    lines = iter(result.stdout.splitlines())
    for limit in limits:
        for place in ("own", "new/deep"):
            message = next(lines)
            assert message.startswith(f"{limit} cannot write {folder / place / 'train.bin'}")
            assert "File too large" in message
            assert next(lines) == f"{limit} meta.json new.txt old.txt train.bin val.bin"
    assert next(lines, None) is None
    assert content_of(folder) == before
    assert not (folder / "new").exists()
    prepare(folder, "own")
    assert (folder / "own" / "train.bin").stat().st_size == train_bytes
