"""The real ``transformers`` loads our checkpoints and exports: the same logits, the same tokens.

Everything is computed in float64, whose rounding errors here are about 1e-15; a wrong name, layout, activation or
epsilon is off by more than 1e-5. ``_FRACTION`` lies between, so that no verdict depends on how a machine rounds.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import numpy_gpt
from numpy_gpt.shared.interchange.writing.exported import write_exported
from numpy_gpt.shared.interchange.writing.huggingface import export_huggingface
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, read_checkpoint, save_checkpoint
from parity_tests.shared.interchange.exported_models import TOKENIZERS, model_of
from parity_tests.support.comparator import assert_close

_FRACTION = 1e-7


@pytest.fixture(scope="module")
def transformers():
    library = pytest.importorskip("transformers", reason='pip install "numpy-gpt[interop]"')
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def assert_same_logits(transformers, place, model):
    """Assert that the library finds every tensor, needs no other, and computes the same."""
    theirs, found = transformers.GPT2LMHeadModel.from_pretrained(
        place, torch_dtype=torch.float64, output_loading_info=True
    )
    assert not any(found.values()), found
    values = {name: array.astype(np.float64) for name, array in model.values.items()}
    tokens = np.random.default_rng(1).integers(model.config.vocab_size, size=(2, model.config.block_size))
    expected = numpy_gpt.gpt_forward(numpy_gpt.parameters_from(model.config, values), tokens)[0]
    with torch.no_grad():
        logits = theirs.eval()(torch.tensor(tokens)).logits.numpy()
    assert_close("logits (transformers)", logits, expected, _FRACTION * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bias": False, "activation": "gelu_erf"},
        {"tie_weights": False, "layer_norm_epsilon": 1e-3, "activation": "relu"},
        {"bias": False, "tie_weights": False, "dropout": 0.1},
        {"n_layer": 0},
    ],
)
def test_every_checkpoint_is_a_gpt2(transformers, tmp_path, changes, dtype):
    model = model_of(dtype=dtype, **changes)
    save_checkpoint(tmp_path / "ours", model)
    write_exported(tmp_path / "exported", export_huggingface(model))
    for place in ("ours", "exported"):
        assert_same_logits(transformers, tmp_path / place, model)


def test_the_shipped_model_is_a_gpt2(transformers):
    assert_same_logits(transformers, SHIPPED_MODEL, read_checkpoint(SHIPPED_MODEL))


def test_generation_stops_only_at_the_end_of_a_text(transformers, tmp_path):
    for kind, end in (("characters", None), ("special", 4), ("bpe", 260)):
        write_exported(tmp_path / kind, export_huggingface(model_of(kind)))
        config = transformers.GPT2Config.from_pretrained(tmp_path / kind)
        assert (config.eos_token_id, config.bos_token_id) == (end, end)


_TEXTS = {
    "characters": "\ndeaf cab 🦊é☃ \n\n  gé",
    "words": "a, don't\n naïve  well-known x² ☃é, a\n",
    "special": "<bos>a bc<unk>>. <|endoftext|><bos>bc",
    "bpe": " the cat\n\n  the then <|endoftext|> é☃🦊 \r\n\t",
}


@pytest.mark.parametrize("kind", [*_TEXTS])
def test_tokens_have_the_same_ids(transformers, tmp_path, kind):
    model = model_of(kind)
    write_exported(tmp_path, export_huggingface(model))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = _TEXTS[kind]
    ids = theirs(text)["input_ids"]
    assert ids == model.tokenizer.encode(text).tolist()
    assert theirs.decode(ids) == text
    assert theirs.model_max_length == model.config.block_size
    assert len(theirs) == TOKENIZERS[kind].vocab_size


@pytest.mark.parametrize("kind", ["characters", "words", "special"])
def test_an_unknown_token_is_an_error_there_too(transformers, tmp_path, kind):
    write_exported(tmp_path, export_huggingface(model_of(kind)))
    with pytest.raises(Exception, match=r"Missing .* from the vocabulary"):
        transformers.AutoTokenizer.from_pretrained(tmp_path)("a Z")


def test_words_are_cut_as_here(transformers, tmp_path):
    """Every letter, digit, mark and sign of the first planes that all releases of Unicode have."""
    from tokenizers import Tokenizer

    from gpt_data.tokens.word_tokenizer import survey_words, whole_words

    write_exported(tmp_path, export_huggingface(model_of("words")))
    record = json.loads((tmp_path / "tokenizer.json").read_text())
    assert record["model"]["unk_token"] not in record["model"]["vocab"]
    cut = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).pre_tokenizer
    text = "".join(f"a{chr(point)}b-{chr(point)} " for point in (*range(1, 0x370), *range(0x2010, 0x2190), 0x1F98A))
    pieces = [piece for piece, _ in cut.pre_tokenize_str(text)]
    assert "".join(pieces) == text
    assert sorted(set(pieces)) == list(survey_words(whole_words([text]))[0])
