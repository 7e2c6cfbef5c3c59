"""What the command line shows of a model's weights, for either kind."""

from __future__ import annotations

import numpy as np

from numpy_gpt.shared.cli.parameter_table import parameter_table, weights_page
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig

BIGRAM = BigramConfig(vocab_size=3, block_size=8)


def test_the_table_of_a_gpt_says_that_tied_weights_are_counted_once():
    config = GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=2)
    last = parameter_table(config).splitlines()[-1]
    assert last == "wte.weight is also the output head (tied), and counted once"


def test_a_bigram_model_is_one_line_and_nothing_is_tied():
    heading, line, total = parameter_table(BIGRAM).splitlines()
    assert heading.split() == ["parameter", "shape", "count"]
    assert line.split() == ["wte.weight", "3", "×", "3", "9"]
    assert total.split() == ["sum", "9"]


def test_a_bigram_model_is_printed_row_by_row_each_with_its_word():
    table = np.arange(9.0).reshape(3, 3) / 100
    lines = weights_page(BIGRAM, {"wte.weight": table}, (" ", "ab")).splitlines()
    assert lines == [
        "9 weights",
        "",
        "wte.weight, row by row: the logits of what follows",
        " ␠ 0.00 0.01 0.02",
        "ab 0.03 0.04 0.05",
        "   0.06 0.07 0.08",  # a vocabulary may be padded
    ]


def test_a_word_that_cannot_be_printed_keeps_to_its_row_and_gives_the_terminal_no_orders():
    page = weights_page(BIGRAM, {"wte.weight": np.zeros((3, 3))}, ("\n", "\t", "\x1b[2J"))
    assert [line.split()[0] for line in page.split("\n")[3:]] == ["␤", "␉", "\\x1b[2J"]
