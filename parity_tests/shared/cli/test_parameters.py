"""``parameters`` and the parameter table, for both kinds of model."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from numpy_gpt.shared.cli.parameters import parameter_table, weights_page
from numpy_gpt.shared.model.config import NORMS, BigramConfig, GPTConfig
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes

BIGRAM = BigramConfig(vocab_size=3, block_size=8)


def test_tied_weights_are_counted_once():
    config = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=2)
    last = parameter_table(config)[-1]
    assert last == "wte.weight is also the output head (tied), and counted once"


def test_table_of_a_bigram_model():
    heading, line, total = parameter_table(BIGRAM)
    assert heading.split() == ["parameter", "shape", "count"]
    assert line.split() == ["wte.weight", "3", "×", "3", "9"]
    assert total.split() == ["sum", "9"]


def test_weights_of_a_bigram_model():
    table = np.arange(9.0).reshape(3, 3) / 100
    lines = weights_page(BIGRAM, {"wte.weight": table}, (" ", "ab"))
    assert lines == [
        "9 weights",
        "",
        "wte.weight, row by row: the logits of the next token",
        " ␣ 0.00 0.01 0.02",
        "ab 0.03 0.04 0.05",
        "   0.06 0.07 0.08",  # a vocabulary may be padded
    ]


def test_every_weight_is_on_the_page():
    for norm in NORMS:
        config = GPTConfig(vocab_size=3, block_size=2, n_layer=2, n_head=1, n_embd=4, tie_weights=False, norm=norm)
        numbers = iter(range(parameter_count(config)))
        values = {
            name: np.array([next(numbers) for _ in range(prod(shape))], float).reshape(shape)
            for name, shape in parameter_shapes(config).items()
        }
        page = " ".join(weights_page(config, values, ("a", "b", "c")))
        found = Counter(int(word[:-3]) for word in page.split() if word.endswith(".00"))
        assert found == Counter(range(parameter_count(config)))


def test_unprintable_words_are_escaped():
    page = weights_page(BIGRAM, {"wte.weight": np.zeros((3, 3))}, ("\n", "\t", "\x1b[2J"))
    assert [line.split()[0] for line in page[3:]] == ["␤", "␉", "\\x1b[2J"]
