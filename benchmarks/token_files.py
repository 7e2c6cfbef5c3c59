"""How fast a text becomes token files, beside copying it, and in how much memory: ``python -m benchmarks.token_files``.

Texts are lines of made-up words, a million bytes drawn at random (few words often, most seldom, as in real text) and
repeated to the size that is asked for: ASCII letters, or the same words in accented, Cyrillic, Chinese and emoji
characters. Each measurement is a process of its own, on one core where the system can do that; memory is its peak
beyond what it had after its imports. The copy reads, hashes (SHA-256), writes and syncs the same text once; token
files of characters are twice its length, and the text is read twice for them. Text and token files need about six
times ``--megabytes`` of room where temporary files are kept.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.support.command import command_parser

SCRIPTS = {"ASCII": "abcdefghijklmnopqrstuvwxyz", "non-ASCII": "éàüčабвгдежзийклмно東京語本中😀ß"}
BLOCK = 1_000_000  # bytes

MEASURE = """
import hashlib, json, os, re, resource, sys, time
from pathlib import Path
from gpt_data.texts.corpora import open_corpus
from gpt_data.tokens.text_corpus import prepare_text

job, text, place, kind = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

def peak():
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's peak begins with that of the process that started this one
        return int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def copy():
    digest = hashlib.sha256()
    with text.open("rb") as source, place.open("wb") as target:
        while content := source.read(1 << 20):
            digest.update(content)
            target.write(content)
        target.flush()
        os.fsync(target.fileno())

work = {"copy": copy, "prepare": lambda: prepare_text([text], place, kind=kind), "open": lambda: open_corpus(place)}
before, start = peak(), time.perf_counter()
work[job]()
print(json.dumps({"seconds": time.perf_counter() - start, "memory": peak() - before}))
"""


def block_of(letters: str) -> bytes:
    """Return about a million bytes of lines of made-up words."""
    generator = random.Random(1)
    words = ["".join(generator.choices(letters, k=generator.randint(1, 9))) for _ in range(5000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    lines: list[bytes] = []
    while sum(map(len, lines)) < BLOCK:
        for _ in range(1000):
            line = " ".join(generator.choices(words, weights, k=12))
            lines.append(f"{line[0].upper()}{line[1:]}{generator.choice('.,;?!')}\n".encode())
    return b"".join(lines)


def write_text(path: Path, letters: str, megabytes: int) -> None:
    """Write the text: the block, as often as it fits and once more."""
    block = block_of(letters)
    with path.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(block) + 1):
            file.write(block)


def measured(job: str, text: Path, place: Path, kind: str) -> dict[str, float]:
    """Return seconds and bytes of peak memory of one job in a process of its own."""
    command = [sys.executable, "-c", MEASURE, job, str(text), str(place), kind]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def row(directory: Path, script: str, kind: str, megabytes: int) -> str:
    """Return a line of the table."""
    text, place = directory / "text", directory / "corpus"
    write_text(text, SCRIPTS[script], megabytes)
    size = text.stat().st_size / 1e6
    copy = measured("copy", text, directory / "copy", kind)
    (directory / "copy").unlink()
    prepare, opened = (measured(job, text, place, kind) for job in ("prepare", "open"))
    for path in (*place.iterdir(), text):
        path.unlink()
    place.rmdir()
    speed, memory = size / prepare["seconds"], [job["memory"] / 1e6 for job in (prepare, opened)]
    return (
        f"| {kind}, {script} | {size:.0f} MB | {speed:.0f} MB/s | {size / copy['seconds']:.0f} MB/s "
        f"| {prepare['seconds'] / copy['seconds']:.1f} | {memory[0]:.1f} MB | {size / opened['seconds']:.0f} MB/s "
        f"| {memory[1]:.1f} MB |"
    )


def main() -> None:
    """Print a table."""
    parser = command_parser(__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="of text prepared as characters")
    parser.add_argument("--words_megabytes", type=int, default=100, help="of text prepared as words")
    parser.add_argument("--only", choices=list(SCRIPTS), help="one kind of text, and characters alone")
    options = parser.parse_args()
    pinned = "one core" if hasattr(os, "sched_setaffinity") else "not pinned to a core"
    print(f"Python {platform.python_version()}, {platform.machine()}, {pinned}\n")
    print("| tokens, text | text | prepared at | copied at | ratio of times | memory | opened at | memory |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for kind, megabytes in (("characters", options.megabytes), ("words", options.words_megabytes)):
            for script in SCRIPTS:
                if options.only is None or (script, kind) == (options.only, "characters"):
                    print(row(Path(directory), script, kind, megabytes), flush=True)


if __name__ == "__main__":
    main()
