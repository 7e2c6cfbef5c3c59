"""``parameters``: all weights of a small model on one page; and the parameter table, one line per tensor."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.terminal import Style, join_lines, page_style, plain, show, terminal_columns
from gpt_data.wording import make_visible
from numpy_gpt.shared.cli.model_choice import MODEL_HELP, load_model
from numpy_gpt.shared.cli.parser import add_pager_flag, path
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.cli.tables import Column, side_by_side, table_lines
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL

_LARGEST_PAGE = 10_000


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    parser.add_argument("--model", type=path, default=SHIPPED_MODEL, help=MODEL_HELP)
    add_pager_flag(parser)
    parser.set_defaults(command=lambda arguments: print_parameters(arguments.model, paged=not arguments.no_pager))


PARAMETERS = Command(
    "parameters",
    "print all weights of a model on one page",
    _add_flags,
    ("parameters", "parameters --model runs/tiny"),
)


def print_parameters(run: Path, *, paged: bool = False) -> int:
    """Print all weights of a run's last checkpoint and return the exit status."""
    model = load_model(run)
    width = terminal_columns(0) or None
    page = weights_page(model.config, model.values, model.tokenizer.vocabulary, page_style(), width)
    show([join_lines(page)], paged=paged)
    return 0


def parameter_table(config: ModelConfig, style: Style = plain) -> list[str]:
    """Return name, shape and count of every tensor, and the sum, as lines."""
    shapes = parameter_shapes(config)
    columns = [Column("parameter", "left", role="name"), Column("shape", width=12), Column("count", width=12)]
    rows = [(name, " × ".join(map(str, shape)), f"{prod(shape):,}") for name, shape in shapes.items()]
    lines = table_lines(columns, [*rows, ("sum", "", f"{parameter_count(config):,}")], style)
    if isinstance(config, GPTConfig) and config.tie_weights:
        lines.append("wte.weight is also the output head (tied), and counted once")
    return lines


def weights_page(
    config: ModelConfig,
    values: Mapping[str, Array],
    vocabulary: Sequence[str],
    style: Style = plain,
    columns: int | None = None,
) -> list[str]:
    """Return every weight, as lines of columns: embeddings and final norm, then one column per block.

    Each row is one labelled vector of width C. The matrices c_attn and c_fc are printed column by column, so that a row
    contains the weights with which one q, k, v or hidden unit multiplies its input. A bigram model is one table,
    printed row by row. Two blocks take 138 characters; blocks that do not fit ``columns`` characters follow below.

    Raises
    ------
    UserError
        If the model has more than 10,000 weights.
    """
    count = parameter_count(config)
    if count > _LARGEST_PAGE:
        raise UserError(f"{count:,} weights do not fit on a page; at most {_LARGEST_PAGE:,} are printed")
    digits = _decimals(values)
    width = max(len(f"{value:.{digits}f}") for array in values.values() for value in array.flat)
    blocks = [_block_lines(column, values, digits, width, style) for column in _columns(config, vocabulary)]
    return [style("heading", f"{count:,} weights"), "", *side_by_side(blocks, columns)]


_Vector = tuple[str, int | None, int]  # parameter, index of the row or column, axis
_Row = tuple[str, _Vector | None]  # a label and its vector, or a heading alone


def _rows(name: str, labels: Sequence[str], axis: int, note: str = "") -> list[_Row]:
    rows: list[_Row] = [(f"{name}{note}", None)]
    return rows + [(label, (name, place, axis)) for place, label in enumerate(labels)]


def _norm(config: GPTConfig, name: str) -> list[_Row]:
    rows: list[_Row] = [
        (part, (f"{name}.{part}", None, 0))
        for part in ("weight", "bias")
        if f"{name}.{part}" in parameter_shapes(config)
    ]
    return [(name, None), *rows] if rows else []


def _columns(config: ModelConfig, vocabulary: Sequence[str]) -> list[list[_Row]]:
    words = [*map(make_visible, vocabulary), *[""] * config.vocab_size]
    words = words[: config.vocab_size]
    if isinstance(config, BigramConfig):
        return [_rows("wte.weight", words, 0, ", row by row: the logits of the next token")]
    return [_embedding_column(config, words), *(_block_column(config, layer) for layer in range(config.n_layer))]


def _embedding_column(config: GPTConfig, words: Sequence[str]) -> list[_Row]:
    rows = _rows("wte.weight", words, 0)
    rows += _rows("wpe.weight", [f"position {t}" for t in range(config.block_size)], 0)
    rows += _norm(config, "ln_f")
    return rows if config.tie_weights else rows + _rows("lm_head.weight", words, 0)


def _block_column(config: GPTConfig, layer: int) -> list[_Row]:
    width, hidden, size = config.n_embd, config.n_hidden, config.head_size
    qkv = [f"{part} {place // size},{place % size}" for part in "qkv" for place in range(width)]
    units = [f"unit {unit}" for unit in range(hidden)]
    prefix = f"h.{layer}"
    return [
        *_norm(config, f"{prefix}.ln_1"),
        *_rows(f"{prefix}.attn.c_attn.weight", qkv, 1, ", column by column"),
        *_rows(f"{prefix}.attn.c_proj.weight", [f"row {row}" for row in range(width)], 0),
        *_norm(config, f"{prefix}.ln_2"),
        *_rows(f"{prefix}.mlp.c_fc.weight", units, 1, ", column by column"),
        *_rows(f"{prefix}.mlp.c_proj.weight", units, 0),
        *_bias_rows(config, prefix),
    ]


def _bias_rows(config: GPTConfig, prefix: str) -> list[_Row]:
    names = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj") if config.bias else ()
    sizes = {name: parameter_shapes(config)[f"{prefix}.{name}.bias"][0] // config.n_embd for name in names}
    return [
        row
        for name, parts in sizes.items()
        for row in _rows(f"{prefix}.{name}.bias", [f"part {part}" for part in range(parts)], -1)
    ]


def _block_lines(column: list[_Row], values: Mapping[str, Array], digits: int, width: int, style: Style) -> list[str]:
    labels = max(len(label) for label, vector in column if vector is not None)
    return [
        style("heading", label)
        if vector is None
        else f"{style('name', f'{label:>{labels}}')} {_vector_text(vector, values, digits, width)}"
        for label, vector in column
    ]


def _vector_text(vector: _Vector, values: Mapping[str, Array], digits: int, width: int) -> str:
    name, place, axis = vector
    array = values[name]
    if axis == -1:  # a long bias, split into rows of width C
        row = array.reshape(-1, values["wte.weight"].shape[1])[place]
    else:
        row = array if place is None else array[place] if axis == 0 else array[:, place]
    return " ".join(f"{value:{width}.{digits}f}" for value in row)


def _decimals(values: Mapping[str, Array]) -> int:
    """Return how many decimals are printed: two if no weight has more, else four."""
    return 2 if all(np.array_equal(np.round(array, 2), array) for array in values.values()) else 4
