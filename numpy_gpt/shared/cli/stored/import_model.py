"""``import``: read a model of another program, and save it as one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpt_data.terminal import print_prose
from gpt_data.wording import count_of, show_path
from numpy_gpt.shared.cli.model_choice import OUT_DIR_HELP
from numpy_gpt.shared.cli.parser import path
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.interchange.reading.foreign_model import ForeignModel
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.runs.checkpoint import check_place, save_checkpoint
from numpy_gpt.shared.runs.run_state import steps_taken


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    what = (
        "a Hugging Face directory of GPT-2, a ckpt.pt of nanoGPT or GPT-by-Hand, a model.pt of minGPT, or llm.c's .bin"
    )
    parser.add_argument("place", type=path, metavar="PLACE", help=what)
    parser.add_argument("--out_dir", type=path, required=True, metavar="DIR", help=OUT_DIR_HELP)
    what = (
        "its vocabulary, if that is not next to it: a meta.pkl, a directory with tokenizer.json or with vocab.json and "
        "merges.txt, or a prepared text"
    )
    parser.add_argument("--tokens", metavar="PLACE", help=what)
    parser.set_defaults(command=lambda arguments: import_model(arguments.place, arguments.tokens, arguments.out_dir))


IMPORT = Command(
    "import",
    "read a model of another program, and save it as one of ours",
    _add_flags,
    ("import gpt2 --out_dir runs/gpt2", "import out/ckpt.pt --tokens data/meta.pkl --out_dir runs/nanogpt"),
    "All commands also read such a model directly. docs/interchange.md lists the formats. No file is executed.",
)


def import_model(place: Path, tokens: str | None, out_dir: Path) -> int:
    """Save a foreign model in ``out_dir``, say what was found and what was left out, and return the exit status.

    Raises
    ------
    UserError
        If there is no such model, it is damaged or not supported, or ``out_dir`` cannot be written.
    """
    from numpy_gpt.shared.interchange.reading.place import read_foreign  # start-up time matters

    check_place(out_dir, may_train=False)  # before a large file is read
    model = read_foreign(place, tokens)
    save_checkpoint(out_dir, model.checkpoint)
    for line in summary_lines(model):
        print_prose(line)
    print_prose(f"saved {show_path(out_dir)}")
    return 0


def summary_lines(model: ForeignModel) -> list[str]:
    """Return what was found, changed and left out, one line each."""
    config = require_gpt(model.checkpoint.config)
    tied = "tied" if config.tie_weights else "not tied"
    biases = "with biases" if config.bias else "without biases"
    return [
        f"found: {model.kind}{steps_taken(model.checkpoint.step, ', ')}",
        f"model: {count_of(parameter_count(config), 'parameter')} in {count_of(config.n_layer, 'layer')} of "
        f"{count_of(config.n_head, 'head')}, width {config.n_embd}, {config.block_size:,} positions, "
        f"{count_of(config.vocab_size, 'token')}, {config.activation}, {biases}, {tied}",
        f"vocabulary: {model.tokens}",
        *(f"note: {note}" for note in model.notes),
        *(f"left out: {what}" for what in model.left_out),
    ]
