"""Tiny Shakespeare: the file that is read, the order of the sources, and the messages."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from gpt_data.texts import shakespeare
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.shakespeare import cache_file, shakespeare_text
from parity_tests.gpt_data.refusals import refusal
from parity_tests.support.shakespeare_text import shakespeare_text as find_shakespeare

PLAY = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Return a folder with an empty cache and an empty data directory; a short play replaces the text."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GPT_DATA_DIR", raising=False)
    monkeypatch.setattr(shakespeare, "SHA256", hashlib.sha256(PLAY).hexdigest())
    monkeypatch.setattr(shakespeare, "BYTES", len(PLAY))
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def network(monkeypatch):
    """Return the list of requested addresses; the answer to each is the play."""
    requested = []

    def answer(url, **limits):
        requested.append(url)
        assert limits == {"sha256": shakespeare.SHA256, "max_bytes": 2_000_000}
        return PLAY

    monkeypatch.setattr(shakespeare, "download", answer)
    return requested


@pytest.fixture
def no_network(monkeypatch):
    def answer(url, **limits):
        raise UserError(f"cannot download {url}: Network is unreachable")

    monkeypatch.setattr(shakespeare, "download", answer)


def test_corpus_is_split_as_nanogpt_does():
    source = find_shakespeare()
    corpus = load_corpus("shakespeare", source)
    assert corpus.tokenizer.vocab_size == 65
    assert corpus.tokenizer.vocabulary[:2] == ("\n", " ")
    assert (len(corpus.train), len(corpus.val)) == (1_003_854, 111_540)
    content = source.read_bytes()
    assert corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val])) == content.decode("ascii")
    assert len(content) == shakespeare.BYTES < shakespeare.MAX_BYTES
    assert corpus.phrases is None


def test_a_given_file_takes_precedence(places, network, monkeypatch):
    (places / "mine.txt").write_bytes(PLAY)
    monkeypatch.setenv("GPT_DATA_DIR", str(places / "data"))  # empty: by itself it would be refused
    assert shakespeare_text(places / "mine.txt") == PLAY.decode()
    assert shakespeare_text(str(places / "mine.txt")) == PLAY.decode()
    assert network == []
    assert not cache_file().exists()


@pytest.mark.parametrize("name", ["tinyshakespeare.txt", "input.txt"])
def test_the_data_directory_precedes_the_cache(places, network, monkeypatch, name):
    (places / "data" / name).write_bytes(PLAY)
    monkeypatch.setenv("GPT_DATA_DIR", str(places / "data"))
    assert shakespeare_text() == PLAY.decode()
    assert network == []


def test_downloads_are_cached(places, network):
    assert shakespeare_text() == PLAY.decode()
    assert cache_file() == places / "cache" / "numpy_gpt" / "tinyshakespeare.txt"
    assert cache_file().read_bytes() == PLAY
    assert shakespeare_text() == PLAY.decode()
    assert network == [shakespeare.URL]
    assert list(cache_file().parent.iterdir()) == [cache_file()]


@pytest.mark.parametrize("damaged", [PLAY[:-1], PLAY + b"x", PLAY.replace(b"F", b"G"), b""])
def test_a_damaged_cache_is_downloaded_again(places, network, damaged):
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(damaged)
    assert shakespeare_text() == PLAY.decode()
    assert network == [shakespeare.URL]
    assert cache_file().read_bytes() == PLAY


def test_without_network(places, no_network):
    message = refusal(shakespeare_text)
    assert message.startswith(f"cannot download {shakespeare.URL}: Network is unreachable; give the file by --source")
    assert "GPT_DATA_DIR" in message
    assert not (places / "cache").exists()


def test_a_different_file_is_refused(places, network, monkeypatch):
    other = places / "data" / "input.txt"
    other.write_bytes(PLAY + b"x")
    monkeypatch.setenv("GPT_DATA_DIR", str(other.parent))
    for message in (refusal(shakespeare_text), refusal(shakespeare_text, other)):
        assert message.startswith(f"{other} must be Tiny Shakespeare")
        assert "numpy_gpt prepare text FILE --out_dir DIR" in message
    assert network == []


def test_a_missing_file_is_named(places, network, monkeypatch):
    assert refusal(shakespeare_text, places / "no\nwhere").startswith(f"cannot read {places}/no\\nwhere: No such file")
    assert "not a regular file" in refusal(shakespeare_text, places / "data")
    monkeypatch.setenv("GPT_DATA_DIR", str(places / "data"))
    assert refusal(shakespeare_text).startswith(
        "GPT_DATA_DIR must name a directory that contains tinyshakespeare.txt or input.txt, and "
    )
    monkeypatch.setenv("GPT_DATA_DIR", str(places / "nowhere"))
    assert "contains neither" in refusal(shakespeare_text)
    assert network == []


def test_an_empty_variable_is_none(places, network, monkeypatch):
    monkeypatch.setenv("GPT_DATA_DIR", "")
    assert shakespeare_text() == PLAY.decode()
    monkeypatch.setenv("HOME", str(places / "home"))
    for value in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_file() == places / "home" / ".cache" / "numpy_gpt" / "tinyshakespeare.txt"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_file().parents[2] == places / "home"


def test_no_home_directory(places, network, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert refusal(shakespeare_text).startswith(
        "no home directory to keep Tiny Shakespeare in; give the file by --source FILE"
    )


def test_an_unwritable_cache_is_named(places, network):
    (places / "cache").write_bytes(b"a file, not a directory")
    assert refusal(shakespeare_text).startswith(f"cannot make the cache {places}/cache/numpy_gpt: ")
    (places / "cache").unlink()
    cache_file().mkdir(parents=True)
    assert "it is not a regular file" in refusal(shakespeare_text)
    assert "--source FILE" in refusal(shakespeare_text)
