"""Run one attack in a forked child: a directory of its own, limited memory, time and file size, and captured output.

The parent has imported everything, so a child starts in milliseconds. It must never compute anything itself: threads do
not survive a fork.
"""

from __future__ import annotations

import hashlib
import os
import resource
import select
import signal
import stat
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from parity_tests.attack.doors import DOORS

CPU_SECONDS = 20
_WALL_SECONDS = 60  # far more than any attack needs, so that a busy machine is not taken for a hang
_MEMORY = 2 << 30  # bytes above what the imported modules take
_DISK = 64 << 20  # bytes of a file; more fails as on a full disk
_LARGE = 16 << 20  # bytes; a larger file, which only an attack makes, is compared by its size alone
HERE = "here"
"""The child's working directory in its sandbox; a home and a directory for temporary files lie next to it."""

Snapshot = dict[str, tuple[Any, ...]]


class Streams(NamedTuple):
    """What a child has for its streams: a path, ``""`` for a file that captures, ``-`` closed, ``|`` nobody reads."""

    stdin: str = os.devnull
    stdout: str = ""
    stderr: str = ""


class Damage(NamedTuple):
    """What was done to a file, and whether the command that reads it must notice."""

    how: str
    must_be_noticed: bool


class Attack(NamedTuple):
    """A command line, what is done to the files before it, and the circumstances in which it runs.

    ``name`` reproduces it with ``--only``; ``target`` says what it is an attack on; ``damage`` changes a file in the
    working directory; ``disk`` is how large a file can become.
    """

    name: str
    target: str
    program: str
    words: tuple[str, ...]
    streams: Streams = Streams()
    damage: Callable[[Path], Damage] | None = None
    removes_cwd: bool = False
    disk: int = _DISK


class Outcome(NamedTuple):
    """How an attack ended; ``status`` is negative for a signal, and None if the watchdog had to end it."""

    attack: Attack
    status: int | None
    out: bytes
    err: bytes
    seconds: float
    before: Snapshot
    after: Snapshot
    damage: Damage | None


def run_attack(attack: Attack, sandbox: Path) -> Outcome:
    """Run an attack in a sandbox that contains fresh files."""
    here = sandbox / HERE
    damage = None if attack.damage is None else attack.damage(here)
    before = snapshot(sandbox)
    captured = [sandbox.parent / name for name in ("stdout", "stderr")]
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(attack, sandbox, captured)
    status, seconds = _wait(child)
    out, err = (path.read_bytes() if path.exists() else b"" for path in captured)
    for path in captured:
        path.unlink(missing_ok=True)
    return Outcome(attack, status, out, err, seconds, before, snapshot(sandbox), damage)


def _wait(child: int) -> tuple[int | None, float]:
    with open(os.pidfd_open(child)) as watched:  # noqa: PTH123 - a descriptor
        ended = select.select([watched], [], [], _WALL_SECONDS)[0]
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    with suppress(ProcessLookupError):  # what the child itself has started and left running
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    is_late = not ended or code == -signal.SIGXCPU
    return None if is_late else code, usage.ru_utime + usage.ru_stime


def _become(attack: Attack, sandbox: Path, captured: list[Path]) -> NoReturn:
    """Turn this process into the attacked program, which ends it."""
    status = 70
    try:
        os.setsid()
        _enter(sandbox, attack.removes_cwd)
        _redirect(attack.streams, captured)
        _limit(attack.disk)
        status = _run(DOORS[attack.program].main, attack.words)
    finally:
        os._exit(status)


def _enter(sandbox: Path, removes_cwd: bool) -> None:
    os.chdir(sandbox / HERE)
    if removes_cwd:
        gone = Path("gone")
        gone.mkdir()
        os.chdir(gone)
        (sandbox / HERE / gone).rmdir()
    home, temporary = str(sandbox / "home"), str(sandbox / "tmp")
    os.environ |= {"HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": temporary, "GPT_DATA_DIR": home}
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "COLUMNS": "80"}


def _redirect(streams: Streams, captured: list[Path]) -> None:
    """Open the three streams as the interpreter does at its start."""
    targets = [streams.stdin, *(given or str(path) for given, path in zip(streams[1:], captured, strict=True))]
    for number, target in enumerate(targets):
        os.close(number)  # the next descriptor to be opened takes its number
        if target == "|":
            _, writer = os.pipe()  # the reader's end has the stream's number, and is closed by what follows
            os.dup2(writer, number)
            os.close(writer)
        elif target != "-":
            os.open(target, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        else:
            os.open(os.devnull, os.O_RDWR)  # keeps the number while the other streams are opened
    for number, (name, target) in enumerate(zip(("stdin", "stdout", "stderr"), targets, strict=True)):
        if target == "-":
            os.close(number)
        setattr(sys, name, None if target == "-" else _text_stream(number))


def _text_stream(number: int) -> IO[str]:
    mode, buffering, errors = (("r", -1, "strict"), ("w", -1, "strict"), ("w", 1, "backslashreplace"))[number]
    return open(number, mode, buffering, encoding="utf-8", errors=errors, closefd=False)


def _limit(disk: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + _MEMORY
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: disk, resource.RLIMIT_CORE: 0}
    for kind, amount in limits.items():
        resource.setrlimit(kind, (amount, amount))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, 2 * CPU_SECONDS))  # SIGXCPU first, and SIGKILL only then


def _run(main: Callable[..., int | None], words: tuple[str, ...]) -> int:
    """Call a program as its console script does, and return the exit status that the interpreter would return."""
    try:
        status: Any = main(list(words))
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        with suppress(OSError):
            traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception:
        status = 120  # as the interpreter does
    return int(status or 0)


def snapshot(place: Path) -> Snapshot:
    """Return every file, directory and other node below a place, with what identifies its content."""
    found: Snapshot = {}
    for directory, directories, files in os.walk(place):
        for name in (*directories, *files):
            path = os.path.join(directory, name)  # noqa: PTH118 - many times faster, for thousands of snapshots
            found[os.path.relpath(path, place)] = _identify(path)
    return found


def _identify(path: str) -> tuple[Any, ...]:
    about = os.lstat(path)
    kind = stat.S_IFMT(about.st_mode)
    if kind == stat.S_IFLNK:
        return kind, os.readlink(path)  # noqa: PTH115
    if kind != stat.S_IFREG:
        return (kind,)
    content = b"" if about.st_size > _LARGE else Path(path).read_bytes()
    return kind, about.st_size, hashlib.sha256(content).digest()
