"""Each phrase is read back as it was written, wherever its lines are broken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.norms.layer_norm import read_epsilon, write_epsilon
from handcalc.page.stated_facts import (
    CHANGES,
    RESULT,
    head_title,
    is_tokens_title,
    read_digits,
    read_optimizer,
    read_shape,
    read_step_heading,
    read_table_title,
    read_tokens,
    step_heading,
    tokens_title,
    weights_title,
    write_digits,
    write_optimizer,
    write_shape,
    write_tokens,
)
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, config_from_dict

RATES = st.decimals(0, 1, places=9).map(lambda value: value.normalize() + 0)
IDS = st.lists(st.integers(0, 99_999), min_size=1, max_size=12)
AROUND = "The model, 2 layers deep, {}. It has 3 words; rounding is fair."


@given(st.integers(1, 34))
def test_digits(digits: int) -> None:
    assert read_digits(AROUND.format(write_digits(digits))) == digits


@given(
    layers=st.integers(0, 100),
    heads=st.integers(1, 64),
    size=st.integers(1, 128),
    words=st.integers(1, 200_000),
    context=st.integers(1, 100_000),
    space=st.booleans(),
)
def test_shape(layers: int, heads: int, size: int, words: int, context: int, space: bool) -> None:
    config = GPTConfig(vocab_size=words, block_size=context, n_layer=layers, n_head=heads, n_embd=heads * size)
    shape = read_shape(AROUND.format(write_shape(config, space=space)))
    assert shape is not None and GPTConfig(**shape) == config


@given(words=st.integers(1, 200_000), context=st.integers(1, 100_000), space=st.booleans())
def test_shape_of_a_bigram_model(words: int, context: int, space: bool) -> None:
    config = BigramConfig(vocab_size=words, block_size=context)
    shape = read_shape(AROUND.format(write_shape(config, space=space)))
    assert shape is not None and config_from_dict(shape) == config


@given(st.tuples(*[RATES] * 6))
def test_optimizer(numbers: tuple[Decimal, ...]) -> None:
    optimizer = Optimizer(*numbers)
    assert read_optimizer(AROUND.format(write_optimizer(optimizer))) == optimizer


@given(RATES)
def test_epsilon(epsilon: Decimal) -> None:
    assert read_epsilon(AROUND.format(write_epsilon(epsilon))) == float(epsilon)


@pytest.mark.parametrize(
    "read", [read_epsilon, read_step_heading, read_digits, read_shape, read_optimizer, read_table_title]
)
def test_absent_phrase(read) -> None:
    assert read(AROUND) is None


@given(tokens=IDS, trained=st.booleans())
def test_tokens(tokens: list[int], trained: bool) -> None:
    targets = tokens[1:] + tokens[:1] if trained else []
    read, asked = ([("a word", token) for token in ids] for ids in (tokens, targets))
    rows = [[cell.strip() for cell in row] for row in write_tokens(read, asked)]
    assert read_tokens([[""], *rows, [""], ["0", "a later table", "7"]]) == (tokens, targets)


@pytest.mark.parametrize("line", ["{}", "#### {}"])
def test_tokens_title(line: str) -> None:
    assert is_tokens_title(line.format(tokens_title())) and not is_tokens_title(line.format("The index letters"))


@pytest.mark.parametrize("line", ["{}", "### {}"])
def test_step_heading(line: str) -> None:
    assert read_step_heading(line.format(step_heading(12, "h.0.attn.q"))) == "h.0.attn.q"
    assert read_step_heading(line.format("The index letters")) is None


def test_table_titles() -> None:
    assert read_table_title(f"    {head_title(12)}") == (head_title(12), None, 12)
    for columns in ("", ", columns 6 to 11"):
        title = weights_title("h.0.attn.c_attn.weight", (6, 18), columns)
        assert read_table_title(title) == (title, "h.0.attn.c_attn.weight", None)
    for title in (RESULT, CHANGES):
        assert read_table_title(title) == (title, None, None)
