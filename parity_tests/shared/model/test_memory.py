"""A model that cannot fit into memory is refused before any of it is allocated."""

from __future__ import annotations

import pytest

from gpt_data.errors import UserError
from numpy_gpt import GPTConfig, initial_values, parameters_from
from numpy_gpt.decoding import Decoder
from numpy_gpt.shared.model import memory

SIZES = {"vocab_size": 8, "block_size": 8, "n_layer": 1, "n_head": 1, "n_embd": 8}


def test_too_many_parameters_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: 10**9)
    config = GPTConfig(**{**SIZES, "vocab_size": 10**14})
    message = (
        r"^the model's 800,000,000,000,952 parameters need 3,200,000.0 GB of memory, but this process may use 1.0 GB"
    )
    with pytest.raises(UserError, match=message):
        initial_values(config, 0)


def test_too_many_keys_and_values_are_refused(monkeypatch):
    config = GPTConfig(**SIZES)
    parameters = parameters_from(config, initial_values(config, 0))
    monkeypatch.setattr(memory, "memory_limit", lambda: 10**9)
    with pytest.raises(UserError, match=r"^the keys and values of batch=1000000000 need 512\.0 GB of memory"):
        Decoder(parameters, batch=10**9)


def test_where_the_limit_is_unknown_nothing_is_refused(monkeypatch):
    for source in ("_physical_memory", "_container_limit", "_address_space_limit"):
        monkeypatch.setattr(memory, source, lambda: None)
    assert memory.memory_limit() is None
    memory.check_memory("numbers", 10**30, 8)


@pytest.mark.parametrize(("text", "limit"), [("max\n", None), ("1000000\n", 1_000_000)])
def test_a_container_has_a_limit(text, limit, monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(memory, "_CONTAINER_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(memory, "_physical_memory", lambda: None)
    monkeypatch.setattr(memory, "_address_space_limit", lambda: None)
    assert memory.memory_limit() == limit
    (tmp_path / "memory.max").unlink()
    assert memory.memory_limit() is None
