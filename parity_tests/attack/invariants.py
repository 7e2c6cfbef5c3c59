"""What must hold for every attack, in one place: ``violations`` returns the rules that an outcome breaks."""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from parity_tests.attack.doors import DOORS
from parity_tests.attack.sandbox import HERE, Outcome, Snapshot
from parity_tests.attack.template import LINKS

_LONGEST_ERROR = 1200
"""Characters: a message may list fifty names, and may not repeat a value of any length."""
_TRAINS = ("train", "compare", "rebuild")
"""Commands that report while they work, so that output can precede an error."""
_WRITES = {"--out_dir", "--output", "--png", "--html", "--resume"}
_NOTES = ("device: ", "warning: ", "note: ")
_TEMPORARY = re.compile(r"\..*\.(tmp|old)|.*\.replaced")
_RAW = {
    "a traceback": re.compile(r"Traceback \(most recent call last\)|^Exception ignored", re.MULTILINE),
    "a raw warning": re.compile(r"^\S+\.py:\d+: |Warning: ", re.MULTILINE),
    "a raw errno": re.compile(r"\[Errno -?\d+\]"),
}


class Violation(NamedTuple):
    """A broken rule, and what was seen; equal details of different attacks are the same fault."""

    rule: str
    detail: str


def violations(outcome: Outcome) -> list[Violation]:
    """Return every rule that the outcome breaks."""
    return [*_of_ending(outcome), *_of_stderr(outcome), *_of_stdout(outcome), *_of_files(outcome)]


def _command(outcome: Outcome) -> str:
    return outcome.attack.words[0] if outcome.attack.words else ""


def _of_ending(outcome: Outcome) -> Iterator[Violation]:
    attack, status = outcome.attack, outcome.status
    error = outcome.err.decode(errors="replace")
    if status is None:
        yield Violation("it hangs", f"no end after {outcome.seconds:.0f} s of CPU time")
    elif status < 0:
        yield Violation("it dies of a signal", f"signal {-status}")
    elif status not in DOORS[attack.program].statuses:
        yield Violation("its exit status is not documented", f"status {status}")
    elif status == 1 and not (outcome.out or attack.streams.stdout):
        yield Violation("a failure looks like a verdict", "status 1, and nothing on stdout")
    elif status == 0 and attack.streams.stdout == "/dev/full" and _must_print(outcome):
        yield Violation("lost output is a success", "status 0 with a full stdout")
    if outcome.damage is not None and "out of memory" in error:
        yield Violation("a file exhausts the memory", f"{outcome.damage.how}: {_last_line(error)}")
    if outcome.damage and outcome.damage.must_be_noticed and status == 0 and "warning: " not in error:
        yield Violation("damage is not noticed", "status 0 and no warning")


def _must_print(outcome: Outcome) -> bool:
    writes_a_file = any(word.startswith("--output") for word in outcome.attack.words)
    return not writes_a_file and _command(outcome) != "sample"  # which may have nothing to say


def _of_stderr(outcome: Outcome) -> Iterator[Violation]:
    attack, status = outcome.attack, outcome.status
    error = outcome.err.decode(errors="surrogateescape")
    for what, pattern in _RAW.items():
        if pattern.search(error):
            yield Violation(f"stderr has {what}", _origin(error))
    if found := _control_characters(error):
        yield Violation("stderr has control characters", found)
    if status != 2 or attack.streams.stderr:
        return
    lines = error.split("\n")
    if lines.pop() or not lines or not lines[-1].startswith("error: "):
        yield Violation("status 2 without an error as the last line", _last_line(error))
        return
    others = [line for line in lines[:-1] if not line.startswith(_NOTES)]
    if others and _command(outcome) not in _TRAINS:
        yield Violation("an error takes more than one line", others[0][:80])
    if len(lines[-1]) > _LONGEST_ERROR:
        yield Violation("an error is very long", f"{len(lines[-1]):,} characters: {lines[-1][:80]}…")


def _of_stdout(outcome: Outcome) -> Iterator[Violation]:
    command, out = _command(outcome), outcome.out.decode(errors="surrogateescape")
    asks = outcome.attack.program == "handcalc.exercise"
    if outcome.status == 2 and out and not (asks or command in (*_TRAINS, "sample")):
        yield Violation("an error follows half a result", out[:60])
    is_plain_text = command in ("sample", "train")  # a sample may contain all that its vocabulary does
    if not is_plain_text and (found := _control_characters(out)):
        yield Violation("stdout has control characters", found)
    if outcome.status == 0 and "--json" in outcome.attack.words and out and "--help" not in outcome.attack.words:
        try:
            json.loads(out.splitlines()[-1], parse_constant=float.fromhex)  # which refuses NaN and infinity by name
        except ValueError:
            yield Violation("--json prints no JSON", out[-60:])


def _control_characters(text: str) -> str:
    found = {letter for letter in text if unicodedata.category(letter) == "Cc" and letter not in "\n\t"}
    return ", ".join(sorted(f"U+{ord(letter):04X}" for letter in found))


def _of_files(outcome: Outcome) -> Iterator[Violation]:
    before, after = outcome.before, outcome.after
    changed = {path for path, content in before.items() if after.get(path) != content}
    new = after.keys() - before.keys()
    for path in sorted(new):
        if _TEMPORARY.fullmatch(Path(path).name) or path.startswith("tmp/"):
            yield Violation("a temporary file is left", _nameless(path))
            break
    if "pwned" in " ".join(new):
        yield Violation("a file runs code", "pwned")
    touched = {path for path in changed | new if not path.startswith("tmp/")}
    allowed = _places_it_may_write(outcome)
    for path in sorted(touched):
        makes_place = path in new and any(place.startswith(f"{path}/") for place in allowed)
        if not (makes_place or f"{path}/".startswith(allowed)):
            yield Violation("it changes a file that is not its own", _nameless(path))
    if outcome.status == 2 and _command(outcome) not in _TRAINS and touched and not outcome.attack.streams.stdout:
        yield Violation("an error changes files", _nameless(min(touched)))
    if outcome.status == 2:
        yield from _empty_directories(new, after)


def _empty_directories(new: set[str], after: Snapshot) -> Iterator[Violation]:
    for path in sorted(new):
        if path.endswith("/checkpoints"):  # of a run that began, and may begin again
            continue
        if after[path][0] == stat.S_IFDIR and not any(other.startswith(f"{path}/") for other in after):
            yield Violation("an error leaves an empty directory", _nameless(path))
            return


def _places_it_may_write(outcome: Outcome) -> tuple[str, ...]:
    """Return the beginnings of the paths, relative to the sandbox, that the command line names as output."""
    values = []
    for word, following in pairwise((*outcome.attack.words, "")):
        flag, equals, value = word.partition("=")
        if flag.replace("-", "_").lower()[2:] in {known[2:] for known in _WRITES}:
            values.append(value if equals else following)
    if _command(outcome) in _TRAINS:
        values.append("runs")
    if _command(outcome) == "snapshots" and "--remove" in outcome.attack.words:
        values += [f"{word}/snapshots" for word in outcome.attack.words[1:]]
    if outcome.attack.words[:2] == ("golden", "pack"):
        values += [f"{word}/golden" for word in outcome.attack.words[2:]]  # the four files golden.*
    values += [LINKS[value] for value in values if value in LINKS]  # a link is kept, and its target is written
    here = f"/{HERE}"
    return tuple(os.path.normpath(f"{here}/{value}")[1:] for value in values)


def _nameless(path: str) -> str:
    """Return a path without what differs from run to run, so that equal faults look equal."""
    return re.sub(r"\d+-[0-9a-f]{8}", "…", path)[:100]


def _origin(error: str) -> str:
    """Return where a traceback ends, or else the last line."""
    places = re.findall(r'File "\S*?(\w+/\w+\.py)", line \d+, in (\S+)', error)
    where = f"{places[-1][0]}:{places[-1][1]}: " if places else ""
    return where + _last_line(error)


def _last_line(error: str) -> str:
    """Return the last line without its quotations and numbers, which differ from attack to attack."""
    line = (error.strip().split("\n") or [""])[-1][:1000]
    return re.sub(r"'[^']*'?|\"[^\"]*\"?|\d[\d,.]*", "…", line)[:160]
