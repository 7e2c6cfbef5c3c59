"""The text of a recipe: its corpus, or random tokens without the file."""

from __future__ import annotations

import pytest

from benchmarks.support.text import text_for
from gpt_data.errors import UserError
from numpy_gpt.shared.training.presets import preset


def test_without_the_file_tokens_are_random(monkeypatch, tmp_path):
    monkeypatch.delenv("GPT_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("gpt_data.texts.shakespeare.download", None)  # a call would fail
    text = text_for(preset("shakespeare"), None)
    assert (text.origin, text.real) == ("random tokens", False)
    assert set(text.train.tolist()) == set(range(65))
    assert text_for(preset("tiny"), None).real
    with pytest.raises(UserError):
        text_for(preset("shakespeare"), str(tmp_path / "absent.txt"))
