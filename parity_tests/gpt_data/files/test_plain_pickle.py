"""No pickle can run code, block the program or fill the memory."""

import os
import pickle
import resource
import struct

import pytest

from gpt_data.errors import UserError
from gpt_data.tokens import nanogpt
from gpt_data.tokens.nanogpt import read_nanogpt_directory
from parity_tests.gpt_data.nanogpt_directories import LETTERS, directory_refusal, meta_of, write_directory


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, call, *arguments):
        self._reduced = (call, arguments)

    def __reduce__(self):
        return self._reduced


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return "elsewhere" if isinstance(value, dict) and "stoi" not in value else None


def bomb(depth):
    value = ()
    for _ in range(depth):
        value = (value, value)  # as a key it is hashed 2 ** depth times
    return value


def deep(opening, closing, depth):
    return b"\x80\x02" + opening * depth + closing * (depth - 1) + b"."


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("where", ["whole", "entry", "key", "token", "more"])
def test_nothing_runs(tmp_path, protocol, where):
    marker = tmp_path / "marker"
    for evil in (
        Evil(os.system, f"touch {marker}"),
        Evil(eval, f"open({str(marker)!r}, 'w')"),
        Evil(os.mkdir, str(marker)),
        Evil(getattr, "text", "upper"),
    ):
        meta = meta_of(LETTERS)
        if where == "whole":
            meta = evil
        elif where == "entry":
            meta["itos"] = evil
        elif where == "key":
            meta["stoi"] = {evil: 0}
        elif where == "token":
            meta["itos"][1] = evil
        else:
            meta["more"] = evil
        message = directory_refusal(write_directory(tmp_path, meta, protocol))
        assert "meta.pkl must be a pickle of plain dicts" in message
        assert "instruction" in message
        assert not marker.exists()
    pickle.loads(pickle.dumps(Evil(os.mkdir, str(marker)), protocol))
    assert marker.exists()  # the attack works on an ordinary unpickler


def persistent(tmp_path):
    with (tmp_path / "persistent").open("wb") as file:
        Persistent(file).dump(meta_of(LETTERS))
    return (tmp_path / "persistent").read_bytes()


GENUINE = pickle.dumps(meta_of(LETTERS))
HOSTILE = {
    "a tuple to hash for ever": b"\x80\x02}" + pickle.dumps(bomb(60), 2)[2:-1] + b"K\x01s.",
    "a value to hash for ever": pickle.dumps({"vocab_size": 1, "itos": {0: bomb(60)}, "stoi": {"a": 0}}),
    "deep lists": deep(b"]", b"a", 200_000),
    "deep tuples": deep(b")", b"\x85", 200_000),
    "room for 2 ** 31 values": b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b".",
    "room for 10 ** 12 values": b"}p1000000000000\n.",
    "a string of 2 ** 62 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".",
    "a string of 2 ** 31 bytes": b"\x80\x02X" + struct.pack("<I", 2**31) + b".",
    "a bytearray of 2 ** 40 bytes": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "a frame of 2 ** 63 bytes": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.",
    "a number of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "a huge number": pickle.dumps(1 << 100_000),
    "a dict in itself": b"\x80\x02}q\x00X\x04\x00\x00\x00itosh\x00s.",
    "a dict as key": b"\x80\x02}}K\x01s.",
    "nothing on the stack": b"\x80\x02.",
    "pairs that do not end": b"}(K\x01u.",
    "a value never kept": b"h\x07.",
    "an unknown instruction": b"\xff",
    "a protocol to come": b"\x80\xff}.",
    "empty": b"",
    "text": b"hello",
    "half a pickle": GENUINE[: len(GENUINE) // 2],
    "two pickles": GENUINE * 2,
    "a list": pickle.dumps([1, 2]),
    "a float": pickle.dumps(1.5),
    "None": pickle.dumps(None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_at_once(tmp_path, name):
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert "meta.pkl" in directory_refusal(write_directory(tmp_path, HOSTILE[name]))
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 2
    assert after.ru_maxrss - before.ru_maxrss < 100_000


@pytest.mark.parametrize("name", ["room for 2 ** 31 values", "room for 10 ** 12 values"])
def test_no_memory_for_absent_values(tmp_path, name):
    assert "its numbers must lie in 0 … " in directory_refusal(write_directory(tmp_path, HOSTILE[name]))


def test_persistent_ids_and_large_files(tmp_path):
    assert "instruction BINPERSID" in directory_refusal(write_directory(tmp_path, persistent(tmp_path)))
    write_directory(tmp_path, b"")
    with (tmp_path / "meta.pkl").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no space on the disk but would fill the memory
    assert "at most 8,388,608 bytes, and has 1,099,511,627,776" in directory_refusal(tmp_path)


def test_every_truncation_is_refused(tmp_path):
    for length in range(len(GENUINE)):
        assert "meta.pkl" in directory_refusal(write_directory(tmp_path, GENUINE[:length]))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_flipped_bit_of_a_pickle(tmp_path, protocol, monkeypatch):
    content = pickle.dumps(meta_of(LETTERS), protocol)
    write_directory(tmp_path, content)
    for bit in range(len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        monkeypatch.setattr(nanogpt, "read_regular", lambda path, limit, changed=bytes(changed): changed)
        try:
            tokenizer = read_nanogpt_directory(tmp_path)[0]
        except UserError as error:
            assert len(str(error).splitlines()) == 1
        else:  # no checksum detects it
            assert tokenizer.vocab_size == len(LETTERS)
