"""``export``: write a model in the format of another program."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from gpt_data.terminal import print_prose
from gpt_data.wording import list_names, show_path
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import path
from numpy_gpt.shared.cli.program import Command, Program

FORMATS = ("huggingface", "nanogpt", "llmc")


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    add_model_flags(parser)
    what = "for transformers, for nanoGPT's sample.py, or for llm.c's train_gpt2"
    parser.add_argument("--format", choices=FORMATS, required=True, help=what)
    where = "a new or empty directory, or that of an earlier export, which is replaced"
    parser.add_argument("--out_dir", type=path, required=True, metavar="DIR", help=where)
    parser.set_defaults(
        command=lambda arguments: export_model(read_model_choice(arguments), arguments.format, arguments.out_dir)
    )


EXPORT = Command(
    "export",
    "write a model in the format of another program",
    _add_flags,
    ("export runs/tiny --format huggingface --out_dir exported",),
    "A model that the format cannot express is refused, and everything that is left out is said. Each checkpoint of a\n"
    "GPT is a Hugging Face directory already; this adds the tokenizer. docs/interchange.md has the details.",
)


def export_model(choice: ModelChoice, format_name: str, out_dir: Path) -> int:
    """Write a model's files to ``out_dir``, say what was changed or left out, and return the exit status.

    Raises
    ------
    UserError
        If there is no such model, the format cannot express it, or ``out_dir`` has other files or cannot be written.
    """
    from numpy_gpt.shared.interchange.writing.exported import write_exported  # start-up time matters
    from numpy_gpt.shared.interchange.writing.formats import EXPORTERS

    exported = EXPORTERS[format_name](load_model(choice.run, choice.checkpoint))
    write_exported(out_dir, exported)
    for note in exported.notes:
        print_prose(f"note: {note}")
    print_prose(f"saved {show_path(out_dir)}: {list_names(exported.files)}")
    place = str(out_dir.absolute())
    print(exported.usage.replace("{place}", shlex.quote(place)).replace("{python}", repr(place)))
    return 0
