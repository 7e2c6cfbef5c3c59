"""Damage that any file can suffer: what disks, editors, transfers and attackers do to its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from parity_tests.attack.hostile import HUGE, NUMBERS

_INSERTED = (
    *(b"\0", b"\0" * 9, b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\x1b]0;title\x07", b"\x85", b"\n"),
    *("\u202e\u2028é".encode(), b"[" * 50_000, b"(" * 5_000, b"9" * 40_000, b" " * 100_000, b"{}", b'"', b"`", b"|"),
)


def _flip(rng: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 8))):
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut_span(rng: Random, content: bytes) -> tuple[bytes, bytes, bytes]:
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.choice((1, 1, 2, 8, 64, 4096)))
    return content[:start], content[start:end], content[end:]


def _insert(rng: Random, content: bytes) -> bytes:
    before, span, after = _cut_span(rng, content)
    return before + rng.choice(_INSERTED) + span + after


def _replace(rng: Random, content: bytes) -> bytes:
    before, span, after = _cut_span(rng, content)
    return before + rng.choice((rng.randbytes(len(span)), bytes(len(span)), rng.choice(_INSERTED))) + after


def _remove(rng: Random, content: bytes) -> bytes:
    before, _, after = _cut_span(rng, content)
    return before + after


def _repeat(rng: Random, content: bytes) -> bytes:
    before, span, after = _cut_span(rng, content)
    return before + span * rng.choice((2, 3, 500)) + after


def _change_lines(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    change = rng.randrange(4)
    if change == 0:
        lines.insert(place, lines[place])
    elif change == 1:
        del lines[place]
    elif change == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(place))
    else:
        lines[place] = rng.choice(lines)
    return b"\n".join(lines)


def _change_number(rng: Random, content: bytes) -> bytes:
    numbers = list(re.finditer(rb"\d[\d.]*", content))
    if not numbers:
        return content
    found = rng.choice(numbers)
    other = rng.choice((*HUGE, *NUMBERS, str(rng.randrange(100)))).encode()
    return content[: found.start()] + other + content[found.end() :]


BYTE_DAMAGES: dict[str, Callable[[Random, bytes], bytes]] = {
    "bits flipped": _flip,
    "bytes inserted": _insert,
    "bytes replaced": _replace,
    "bytes removed": _remove,
    "bytes repeated": _repeat,
    "lines changed": _change_lines,
    "a number changed": _change_number,
    "cut off": lambda rng, content: content[: rng.randrange(len(content))],
    "the beginning lost": lambda rng, content: content[rng.randrange(1, len(content) + 1) :],
    "empty": lambda rng, content: b"",
    "doubled": lambda rng, content: content * 2,
    "other line ends": lambda rng, content: content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b""))),
    "a byte-order mark": lambda rng, content: rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) + content,
    "UTF-16": lambda rng, content: content.decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-32"))),
    "random bytes": lambda rng, content: rng.randbytes(rng.choice((1, 100, 5_000))),
}
"""Name → a function from the content, which is not empty, to the damaged content."""
