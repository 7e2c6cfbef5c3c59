"""Corpora by name, datasets by directory, the facts in data/README.md, and texts that are too short or too simple."""

import math
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpt_data.floors.bigram_optimum import bigram_counts_loss, bigram_optimum
from gpt_data.floors.grammar_entropy import entropy_rate
from gpt_data.floors.loss_floor import corpus_loss_floor, loss_floor
from gpt_data.texts import shakespeare
from gpt_data.texts.corpora import CORPORA, Corpus, load_corpus, open_corpus, open_dataset, prepare
from gpt_data.texts.grammar import RULES, START
from gpt_data.tokens.batches import BatchSampler, evaluation_windows
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from gpt_data.tokens.word_tokenizer import WordTokenizer
from parity_tests.gpt_data.refusals import refusal
from parity_tests.support.shakespeare_text import shakespeare_text

GENERATED = ["tiny", "tiny-characters", "words", "grammar"]


def same(corpus, other):
    assert (corpus.name, corpus.tokenizer, corpus.phrases) == (other.name, other.tokenizer, other.phrases)
    np.testing.assert_array_equal(corpus.train, other.train)
    np.testing.assert_array_equal(corpus.val, other.val)


def test_names_of_the_corpora():
    assert list(CORPORA) == [*GENERATED, "shakespeare"]


@pytest.mark.parametrize("name", GENERATED)
def test_a_corpus_survives_token_files(name, tmp_path):
    corpus = load_corpus(name)
    assert corpus.name == name
    text = corpus.tokenizer.decode(np.concatenate([corpus.train, corpus.val]))
    assert corpus.tokenizer.encode(text).tolist() == [*corpus.train.tolist(), *corpus.val.tolist()]
    share = 0.9 if name == "grammar" else 0.8
    assert len(corpus.train) == int(share * (len(corpus.train) + len(corpus.val)))
    # Every token occurs in training, so none is new in validation.
    assert set(corpus.train.tolist()) == set(range(corpus.tokenizer.vocab_size)) >= set(corpus.val.tolist())
    for tokens in (corpus.train, corpus.val):
        with pytest.raises(ValueError, match="read-only"):
            tokens[0] = 1
    same(load_corpus(name), corpus)
    prepare(corpus, tmp_path)
    same(open_corpus(tmp_path), corpus)


def test_unknown_corpus():
    names = "'tiny', 'tiny-characters', 'words', 'grammar', 'shakespeare'"
    assert refusal(load_corpus, "tinny") == f"unknown corpus 'tinny'; did you mean 'tiny'? known: {names}"
    assert refusal(load_corpus, "a\nb") == f"unknown corpus 'a\\nb'; known: {names}"


@pytest.mark.parametrize("name", GENERATED)
def test_only_shakespeare_takes_a_source(name, tmp_path):
    for call in (load_corpus, open_dataset):
        assert refusal(call, name, tmp_path) == (
            f"only the corpus 'shakespeare' has a source; '{name}' is generated: leave the source out"
        )


def test_a_source_reaches_shakespeare(tmp_path):
    (tmp_path / "other.txt").write_text("To be")
    for call in (load_corpus, open_dataset):
        assert "must be Tiny Shakespeare" in refusal(call, "shakespeare", tmp_path / "other.txt")
    source = shakespeare_text()
    same(open_dataset("shakespeare", source), load_corpus("shakespeare", str(source)))


def test_datasets_are_names_or_directories(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    same(open_dataset("tiny"), load_corpus("tiny"))
    prepare(load_corpus("words"), tmp_path / "mine")
    same(open_dataset("mine"), load_corpus("words"))
    same(open_dataset(str(tmp_path / "mine")), load_corpus("words"))
    # A corpus takes precedence over a directory of the same name, which ./ still reaches.
    prepare(load_corpus("words"), tmp_path / "tiny")
    assert open_dataset("tiny").name == "tiny"
    assert open_dataset("./tiny").name == "words"


def test_nanogpt_directories_are_datasets(tmp_path, monkeypatch):
    folder = tmp_path / "letters"
    folder.mkdir()
    train, val = np.array([0, 1, 1], dtype=np.uint16), np.array([1, 0], dtype=np.uint16)
    (folder / "train.bin").write_bytes(train.tobytes())
    (folder / "val.bin").write_bytes(val.tobytes())
    meta = {"vocab_size": 2, "itos": {0: "a", 1: "b"}, "stoi": {"a": 0, "b": 1}}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    same(open_dataset(str(folder)), Corpus("letters", CharacterTokenizer(("a", "b")), train, val))
    monkeypatch.chdir(folder)
    assert open_dataset(".").name == "letters"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "must be new, empty or one of token files, and contains 'meta.pkl'" in refusal(
        prepare, load_corpus("tiny"), folder
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    # If a directory has both, ours is read: it has checksums.
    prepare(load_corpus("tiny"), tmp_path / "both")
    (tmp_path / "both" / "meta.pkl").write_bytes(pickle.dumps(meta))
    same(open_dataset(str(tmp_path / "both")), load_corpus("tiny"))


def test_unknown_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal(open_dataset, "shakspeare")
    assert message.startswith(
        "unknown dataset 'shakspeare'; did you mean 'shakespeare'? there are the corpora 'tiny', "
    )
    assert message.endswith(
        "'shakespeare', and any directory of token files; make one with numpy_gpt prepare text FILE --out_dir DIR"
    )
    (tmp_path / "file").write_text("a text is not a dataset")
    for name in ("file", "no/where", "a\nb", "x" * 5000):
        assert refusal(open_dataset, name).startswith("unknown dataset ")
    (tmp_path / "empty").mkdir()
    message = refusal(open_dataset, "empty")
    assert message.startswith("empty must contain token files, and has neither our meta.json nor nanoGPT's meta.pkl")
    assert refusal(open_dataset, "empty", tmp_path / "file").startswith("only the corpus 'shakespeare' has a source")
    (tmp_path / "empty" / "meta.json").write_text("{}")
    assert "format_version" in refusal(open_dataset, "empty")


def test_the_readme_states_true_facts():
    text = (Path(__file__).parents[3] / "data" / "README.md").read_text(encoding="utf-8")
    for name in GENERATED:
        corpus = load_corpus(name)
        section = text.partition(f"### `{name}`\n")[2].partition("\n## ")[0].partition("\n### ")[0]
        kind = "words" if isinstance(corpus.tokenizer, WordTokenizer) else "characters"
        size = corpus.tokenizer.vocab_size
        assert f"| `{name}` | {kind} | {size} | {len(corpus.train):,} | {len(corpus.val):,} |" in text
        if corpus.phrases:
            for block_size in (4, 8, 16, 32) if name == "words" else (8, 16, 32) if "-" in name else (8,):
                assert f"{corpus_loss_floor(corpus, 'val', block_size):.4f}" in section
        else:
            assert f"{entropy_rate():.4f}" in section
        if "Bigram" in section:
            assert f"{bigram_optimum(corpus.val, size):.4f}" in section
            assert f"{bigram_counts_loss(corpus.train, corpus.val, size):.4f}" in section
    assert f"The table generates {_sentences(START):,} sentences, each in exactly one way." in text
    assert shakespeare.SHA256 in text


def _sentences(symbol):
    """Return the number of sentences that a symbol can expand to, one for each derivation."""
    return sum(math.prod(map(_sentences, parts)) for _, parts in RULES[symbol]) if symbol in RULES else 1


def test_texts_are_imported_lazily():
    program = "import sys; import gpt_data.texts.corpora; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"urllib.request", "http.client", "gpt_data.files.download", "gpt_data.texts.shakespeare"}
    texts = {"gpt_data.texts.tiny", "gpt_data.texts.words", "gpt_data.texts.grammar"}
    assert not set(loaded) & (heavy | texts)
    assert "gpt_data.texts.corpora" in loaded


# Each odd text has one result: a value, or a one-line error.


def split_text(text, cut):
    tokenizer = CharacterTokenizer.from_text(text)
    tokens = tokenizer.encode(text)
    return Corpus("odd", tokenizer, tokens[:cut], tokens[cut:])


def test_an_empty_text_is_refused():
    assert "text must not be empty" in refusal(CharacterTokenizer.from_text, "")


def test_one_character_has_no_window(tmp_path):
    corpus = split_text("a", 1)
    assert corpus.tokenizer.vocab_size == 1
    assert refusal(BatchSampler, corpus.train, 1, 1, 0).startswith("a window of block_size=1 needs 2 tokens and the ")
    assert "must be at least two" in refusal(bigram_optimum, corpus.train, 1)
    assert refusal(prepare, corpus, tmp_path).startswith("the val split must contain at least one token, and is empty")


def test_one_repeated_character_is_certain(tmp_path):
    corpus = split_text("a" * 20, 16)
    inputs, targets = BatchSampler(corpus.train, 8, 2, 0).batch(0)
    assert not inputs.any() and not targets.any()
    assert bigram_optimum(corpus.train, 1) == 0
    assert loss_floor(corpus.train, [[0]], 8) == 0
    prepare(corpus, tmp_path)
    same(open_corpus(tmp_path), corpus)


@pytest.mark.parametrize(
    "call",
    [
        lambda tokens: BatchSampler(tokens, 8, 1, 0).batch(0),
        lambda tokens: next(evaluation_windows(tokens, 8)),
        lambda tokens: loss_floor(tokens, [[0, 1, 2]], 8),
    ],
)
def test_the_shortest_text_with_a_window(call):
    tokens = np.arange(9) % 3
    assert refusal(call, tokens[:8]).startswith("a window of block_size=8 needs 9 tokens and the text has 8; ")
    result = call(tokens)
    if not isinstance(result, float):
        assert [part.shape for part in result] == [(1, 8), (1, 8)]


def test_an_empty_validation_split(tmp_path):
    corpus = split_text("abc" * 10, 30)
    assert len(corpus.val) == 0
    assert "needs 9 tokens and the text has 0" in refusal(evaluation_windows, corpus.val, 8)
    assert "needs 9 tokens and the text has 0" in refusal(loss_floor, corpus.val, [[0, 1, 2]], 8)
    assert "must be at least two" in refusal(bigram_optimum, corpus.val, 3)
    assert re.match("the val split must contain at least one token, and is empty", refusal(prepare, corpus, tmp_path))
    assert BatchSampler(corpus.train, 8, 2, 0).batch(0)[0].shape == (2, 8)  # training does not need it
