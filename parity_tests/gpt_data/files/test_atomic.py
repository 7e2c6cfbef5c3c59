"""Atomic writing: after any failure the old files are complete and nothing else remains."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files, atomic_write, make_directory


def content_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"old a")
    (tmp_path / "b").write_bytes(b"old b")
    return tmp_path


def fail_at(monkeypatch, name, call, code=errno.ENOSPC):
    real, calls = getattr(os, name), []

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == call:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, failing)
    return calls


def test_writes_and_replaces(folder):
    atomic_write(folder / "a", b"new")
    atomic_write(str(folder / "c"), b"")
    assert content_of(folder) == {"a": b"new", "b": b"old b", "c": b""}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder / "c").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777, 0o000])
def test_a_replaced_file_keeps_its_mode(folder, mode):
    (folder / "a").chmod(mode)
    with atomic_files(folder / "a") as (file,):
        modes = {path.stat().st_mode for path in folder.glob(".a.*")}
        file.write(b"secret")
    assert {stat.S_IMODE(found) for found in modes} == {mode}  # before anything was written
    assert stat.S_IMODE((folder / "a").stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_keeps_its_owner(folder):
    os.chown(folder / "a", 12, 34)
    atomic_write(folder / "a", b"new")
    assert ((folder / "a").stat().st_uid, (folder / "a").stat().st_gid) == (12, 34)


def test_a_replaced_file_changes_its_owner_if_it_must(folder, monkeypatch):
    def chown(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", chown)
    atomic_write(folder / "a", b"new")
    assert (folder / "a").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_paths_that_are_none(folder, monkeypatch, path):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="a path must not be empty or contain NUL, and is "):
        atomic_write(path, b"new")
    with pytest.raises(UserError, match="a path must not be empty or contain NUL, and is "), make_directory(path):
        raise AssertionError("the block must not begin")


def test_files_are_synced_before_renames(folder, monkeypatch):
    events = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size
        events.append(("sync", kind))
        real_sync(descriptor)

    def replace(source, target):
        events.append(("replace", Path(target).name))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    with atomic_files(folder / "b", folder / "a") as (b, a):
        a.write(b"1")
        b.write(b"22")
    assert events == [("sync", 2), ("sync", 1), ("replace", "b"), ("replace", "a"), ("sync", "directory")]


@pytest.mark.parametrize(("name", "call"), [("fsync", 1), ("fsync", 2), ("replace", 1)])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failure_leaves_the_old_files(folder, monkeypatch, name, call, code):
    calls = fail_at(monkeypatch, name, call, code)
    with (
        pytest.raises(UserError, match="cannot write .*a and .*b: " + os.strerror(code)) as caught,
        atomic_files(folder / "a", folder / "b") as (a, b),
    ):
        a.write(b"new a")
        b.write(b"new b")
    assert len(calls) == call
    assert len(str(caught.value).splitlines()) == 1
    assert content_of(folder) == {"a": b"old a", "b": b"old b"}


def test_directories_that_cannot_be_synced(folder, monkeypatch):
    fail_at(monkeypatch, "fsync", 2, errno.EINVAL)  # the file system does not support it
    atomic_write(folder / "a", b"new a")
    monkeypatch.undo()
    fail_at(monkeypatch, "fsync", 2, errno.EIO)  # the disk failed
    with pytest.raises(UserError, match="cannot write"):
        atomic_write(folder / "b", b"new b")
    assert content_of(folder) == {"a": b"new a", "b": b"new b"}


def test_a_full_disk_is_reported(tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "a").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(UserError, match="File too large"):
            atomic_write(tmp_path / "a", bytes(100_000))
        with pytest.raises(UserError, match="File too large"):  # still buffered when the block ends
            atomic_write(tmp_path / "a", bytes(1001))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content_of(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interruption_leaves_nothing(folder, interruption):
    with pytest.raises(interruption), atomic_files(folder / "a", folder / "c") as (a, _):
        a.write(b"half")
        raise interruption
    assert content_of(folder) == {"a": b"old a", "b": b"old b"}


def test_special_files_are_not_replaced(folder, monkeypatch):
    (folder / "directory").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    for name in ("directory", "pipe", "loop"):
        with pytest.raises(UserError, match=rf"cannot write .*{name}: it is not a regular file"):
            atomic_write(folder / name, b"new")
    with pytest.raises(UserError, match="not a regular file"):
        atomic_write(os.devnull, b"new")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=r"^cannot write directory: it is not a regular file"):  # as it was written
        atomic_write("directory", b"new")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)
    assert content_of(folder) == {"a": b"old a", "b": b"old b"}


def test_unwritable_places_are_named(folder):
    with pytest.raises(UserError, match=r"cannot write .*nowhere/x: No such file or directory"):
        atomic_write(folder / "nowhere" / "x", b"")
    with pytest.raises(UserError, match=r"cannot write .*a/x: Not a directory"):
        atomic_write(folder / "a" / "x", b"")
    with pytest.raises(UserError, match=r"cannot write .*no\\nwhere/x: ") as caught:
        atomic_write(folder / "no\nwhere" / "x", b"")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_directory_is_named(folder):
    folder.chmod(0o500)
    try:
        with pytest.raises(UserError, match=r"cannot write .*a: Permission denied"):
            atomic_write(folder / "a", b"new")
    finally:
        folder.chmod(0o700)
    assert content_of(folder) == {"a": b"old a", "b": b"old b"}


def test_a_link_remains_a_link(folder):
    (folder / "link").symlink_to("a")
    atomic_write(folder / "link", b"new")
    assert (folder / "link").is_symlink()
    assert (folder / "a").read_bytes() == b"new"


def test_directories_are_made_and_synced(folder, monkeypatch):
    synced = fail_at(monkeypatch, "fsync", 0)
    with make_directory(folder / "new" / "deep") as place:
        assert place == folder / "new" / "deep"
        assert place.is_dir()
    assert place.is_dir()
    assert len(synced) == 2  # the parent directory of each
    with make_directory(str(place)):
        pass
    assert len(synced) == 2


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, UserError])
def test_new_directories_are_removed_on_failure(folder, interruption):
    (folder / "there").mkdir()
    for directory in ("there", "new/deep", "there/new"):
        with pytest.raises(interruption), make_directory(folder / directory):
            raise interruption
    with pytest.raises(interruption), make_directory(folder / "filled" / "deep"):
        (folder / "filled" / "by somebody else").write_text("")
        raise interruption
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b", "filled", "there"]
    assert [path.name for path in (folder / "filled").iterdir()] == ["by somebody else"]


def test_directories_that_cannot_be_made(folder):
    for place, reason in (("a", "File exists"), ("a/below", "Not a directory"), ("new/" + "x" * 300, "name too long")):
        with pytest.raises(UserError, match=f"cannot make the directory .*{reason}"), make_directory(folder / place):
            raise AssertionError("the block must not begin")
    assert content_of(folder) == {"a": b"old a", "b": b"old b"}
    assert not (folder / "new").exists()
