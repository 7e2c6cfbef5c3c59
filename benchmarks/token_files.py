"""Speed and memory of preparing token files, compared with copying the text: ``python -m benchmarks.token_files``.

Texts are lines of invented words: a million bytes drawn at random (a few words often, most rarely, as in natural text)
and repeated to the requested size, in ASCII letters, or in accented, Cyrillic, Chinese and emoji characters. Each
measurement is a separate process, on one core if the system allows that; memory is the peak beyond the imports. The
copy reads, hashes (SHA-256), writes and syncs the same text once; token files of characters are twice as long as the
text, which is read twice for them. For byte pairs a vocabulary of 512 tokens is
learned, too, and the text is read three times. Text and token files need about six times ``--megabytes`` of space for
temporary files.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.token_files")

import argparse
import hashlib
import json
import os
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.support.child_process import peak_memory, run_json
from benchmarks.support.command import at_least_one, command_parser, markdown_row
from numpy_gpt.shared.cli.parser import run_command

SCRIPTS = {"ASCII": "abcdefghijklmnopqrstuvwxyz", "non-ASCII": "éàüčабвгдежзийклмно東京語本中😀ß"}
BLOCK = 1_000_000  # bytes
JOBS = ("copy", "prepare", "open")
HEADER = ("tokens, text", "text", "prepared at", "copied at", "ratio of times", "memory", "opened at", "memory")


def make_block(letters: str) -> bytes:
    """Return about a million bytes of lines of invented words."""
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
    """Write the block repeatedly, until the text has at least the requested size."""
    block = make_block(letters)
    with path.open("wb") as file:
        for _ in range(megabytes * 1_000_000 // len(block) + 1):
            file.write(block)


def run_job(job: str, text: Path, place: Path, kind: Any) -> dict[str, float]:
    """Copy, prepare or open in this process; return seconds, and bytes of peak memory beyond the imports."""
    from gpt_data.texts.corpora import open_corpus
    from gpt_data.tokens.bpe_tokenizer import bpe_library
    from gpt_data.tokens.text_corpus import prepare_text

    if kind == "bpe":
        bpe_library()  # its import, too
    before, start = peak_memory(), time.perf_counter()
    if job == "copy":
        _copy(text, place)
    elif job == "prepare":
        prepare_text([text], place, kind=kind, vocab_size=512 if kind == "bpe" else None)
    else:
        open_corpus(place)
    return {"seconds": time.perf_counter() - start, "memory": peak_memory() - before}


def _copy(text: Path, place: Path) -> None:
    digest = hashlib.sha256()
    with text.open("rb") as source, place.open("wb") as target:
        while content := source.read(1 << 20):
            digest.update(content)
            target.write(content)
        target.flush()
        os.fsync(target.fileno())


def measure(directory: Path, script: str, kind: str, megabytes: int) -> list[str]:
    """Return a row of the table."""
    text, copy, corpus = directory / "text", directory / "copy", directory / "corpus"
    write_text(text, SCRIPTS[script], megabytes)
    size = text.stat().st_size / 1e6
    results = {}
    for job, place in zip(JOBS, (copy, corpus, corpus), strict=True):
        arguments = ["-m", "benchmarks.token_files", "--job", job, str(text), str(place), kind]
        results[job] = run_json(f"measuring {job!r}", arguments, threads=1)
        copy.unlink(missing_ok=True)
    for path in (*corpus.iterdir(), text):
        path.unlink()
    corpus.rmdir()
    speed = {
        job: f"{size / result['seconds']:.{int(size < 10 * result['seconds'])}f} MB/s"
        for job, result in results.items()
    }
    memory = {job: f"{result['memory'] / 1e6:.1f} MB" for job, result in results.items()}
    ratio = f"{results['prepare']['seconds'] / results['copy']['seconds']:.1f}"
    first = (f"{kind}, {script}", f"{size:.0f} MB", speed["prepare"], speed["copy"])
    return [*first, ratio, memory["prepare"], speed["open"], memory["open"]]


def main(arguments: list[str] | None = None) -> int:
    """Print a table, row by row."""
    parser = command_parser(__doc__)
    parser.add_argument("--megabytes", type=at_least_one, default=1000, help="of text prepared as characters")
    parser.add_argument("--words_megabytes", type=at_least_one, default=100, help="of text prepared as words")
    parser.add_argument("--bpe_megabytes", type=at_least_one, default=10, help="of text prepared as byte pairs")
    parser.add_argument("--only", choices=list(SCRIPTS), help="only this kind of text, and only as characters")
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)  # a single measurement, in this process
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    if options.job:
        job, text, place, kind = options.job
        print(json.dumps(run_job(job, Path(text), Path(place), kind)))
        return 0
    pinned = "one core" if hasattr(os, "sched_setaffinity") else "not pinned to a core"
    print(f"Python {platform.python_version()}, {platform.machine()}, {pinned}\n")
    print(markdown_row(HEADER), markdown_row(["---"] * len(HEADER)), sep="\n")
    with tempfile.TemporaryDirectory() as directory:
        sizes = {"characters": options.megabytes, "words": options.words_megabytes, "bpe": options.bpe_megabytes}
        for kind, megabytes in sizes.items():
            for script in SCRIPTS:
                if options.only is None or (script, kind) == (options.only, "characters"):
                    print(markdown_row(measure(Path(directory), script, kind, megabytes)), flush=True)
    return 0
